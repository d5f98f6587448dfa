"""A mount that everybody may use, and a plain directory beside it."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.harness import LivePool


@pytest.fixture(scope="session")
def open_pool() -> Iterator[LivePool]:
    """A mounted pool whose mount point other users reach, too."""
    with tempfile.TemporaryDirectory(prefix="dynamicfs-posix-") as folder:
        root = Path(folder)
        root.chmod(0o711)
        pool = LivePool(root)
        try:
            pool.mount_for_everybody()
            yield pool
        finally:
            pool.close()


@pytest.fixture(scope="session")
def plain_root() -> Iterator[Path]:
    """A directory of the kernel's own: DYNAMICFS_PLAIN, memory, or wherever temporary files are."""
    memory = "/dev/shm" if os.path.isdir("/dev/shm") else None
    above = os.environ.get("DYNAMICFS_PLAIN", memory)
    with tempfile.TemporaryDirectory(prefix="dynamicfs-plain-", dir=above) as folder:
        Path(folder).chmod(0o711)
        yield Path(folder)


@pytest.fixture
def folder(open_pool: LivePool, request: pytest.FixtureRequest) -> Path:
    """An empty directory on the mount, for this test alone; anybody may use it."""
    return _empty(open_pool.mountpoint, request)


@pytest.fixture
def plain(plain_root: Path, request: pytest.FixtureRequest) -> Path:
    """An empty plain directory, for this test alone; anybody may use it."""
    return _empty(plain_root, request)


def _empty(above: Path, request: pytest.FixtureRequest) -> Path:
    path = above / str(request.node.name).replace("/", "-")[:200]
    path.mkdir()
    path.chmod(0o777)
    return path
