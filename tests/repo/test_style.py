"""The tools that judge style and types agree with the tree."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.repo.sources import PACKAGES, ROOT, TREES


@pytest.mark.parametrize(
    "arguments",
    [
        ("ruff", "check", *TREES),
        ("ruff", "format", "--check", *TREES),
        ("mypy", "--strict", *(word for package in PACKAGES for word in ("-p", package))),
    ],
    ids=["ruff check", "ruff format", "mypy --strict"],
)
@pytest.mark.timeout(300)
def test_a_tool_has_nothing_to_say(arguments: tuple[str, ...]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
