"""A folder in memory for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.histories.sites import quick_folder


@pytest.fixture
def folder() -> Iterator[Path]:
    """Where the pool directories of a test are."""
    with quick_folder() as made:
        yield made
