"""The files of this repository, as its own tests look at them."""

from __future__ import annotations

from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("engine", "fusebridge", "dynamicfs_tui")
TREES = (*PACKAGES, "tests")
TEXT_SUFFIXES = {".py", ".md", ".toml", ".tcss", ".sh", ".cfg", ".yml", ".yaml", ""}
BESIDE = ("run", ".ci/run", "pyproject.toml", "README.md", ".gitignore", "LICENSE")


@cache
def python_files() -> list[Path]:
    """Return every Python file of ours."""
    return sorted(path for tree in TREES for path in (ROOT / tree).rglob("*.py"))


@cache
def text_files() -> list[Path]:
    """Return every file of ours that people read; not what tools wrote."""
    found = [
        path
        for tree in TREES
        for path in (ROOT / tree).rglob("*")
        if path.is_file() and path.suffix in TEXT_SUFFIXES and "__pycache__" not in path.parts
    ]
    return sorted([*found, *(ROOT / name for name in BESIDE if (ROOT / name).exists())])


def shown(path: Path) -> str:
    """Return *path* as people write it: from the top of the repository."""
    return str(path.relative_to(ROOT))
