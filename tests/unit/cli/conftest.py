"""A canned engine and a pool directory for the command line."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.cli.canned_engine import CannedEngine


@pytest.fixture
def engine() -> CannedEngine:
    return CannedEngine()


@pytest.fixture
def pool(tmp_path: Path) -> Path:
    directory = tmp_path / "archive"
    directory.mkdir()
    return directory


@pytest.fixture(autouse=True)
def _keep_excepthook() -> Iterator[None]:
    """``main`` replaces the hook of its process; here the process is pytest's."""
    hook = sys.excepthook
    yield
    sys.excepthook = hook
