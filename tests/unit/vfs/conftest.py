"""A file system over disks in memory, in which builders land only when told."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.memory_engine import MemoryEngine
from tests.unit.vfs.opened_files import OpenedFiles
from tests.unit.vfs.setting import Setting


@pytest.fixture
def pool(tmp_path: Path) -> Iterator[MemoryEngine]:
    made = MemoryEngine(tmp_path, lands_itself=False)
    yield made
    made.close()


@pytest.fixture
def files(pool: MemoryEngine) -> OpenedFiles:
    return OpenedFiles(pool)


@pytest.fixture
def it(pool: MemoryEngine) -> Setting:
    return Setting(pool)
