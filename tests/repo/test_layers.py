"""Imports point down only; the contracts are in pyproject.toml."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.repo.sources import ROOT

LINT_IMPORTS = Path(sys.executable).parent / "lint-imports"


def test_every_import_contract_is_kept() -> None:
    done = subprocess.run(
        [LINT_IMPORTS, "--no-cache"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 broken" in done.stdout


def test_the_command_line_starts_without_loading_screens_or_the_engine() -> None:
    program = (
        "import sys, dynamicfs_tui.cli.main as m; m.build_parser();"
        "heavy = {'textual', 'rich', 'pyfuse3', 'trio', 'apsw', 'reedsolo', 'psutil'};"
        "ours = {'engine.pool', 'engine.metadata', 'fusebridge', 'dynamicfs_tui.console'};"
        "print(sorted((heavy | ours) & set(sys.modules)))"
    )

    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )

    assert done.stdout.strip() == "[]"
