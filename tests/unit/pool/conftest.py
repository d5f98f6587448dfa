"""A control server over real sockets, and a pool whose disks come and go."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from engine.model.redundancy import ErasureCoding
from engine.pool.control_socket import ControlServer
from tests.control_stand_in import CannedControl
from tests.unit.pool.directory_pool import Place, put
from tests.unit.pool.living_pool import FILES, LivingPool


@pytest.fixture
def pool_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    # Not tmp_path: the name of a long test would make the path too long for a socket.
    return tmp_path_factory.mktemp("pool")


@pytest.fixture
def control() -> CannedControl:
    return CannedControl()


@pytest.fixture
def serve(pool_directory: Path, control: CannedControl) -> Iterator[Callable[..., ControlServer]]:
    """Start a server; all are closed at the end."""
    with ExitStack() as stack:

        def start(
            shutdown: Callable[[], str] = lambda: "closed", directory: Path = pool_directory
        ) -> ControlServer:
            server = ControlServer(
                control, directory, mountpoint=lambda: "mnt/here", shutdown=shutdown
            )
            server.start()
            stack.callback(server.close)
            return server

        yield start


@pytest.fixture
def roomy_folder() -> Iterator[Path]:
    """A folder in memory: plans judge how full the disks are, and this machine's may be so."""
    memory = "/dev/shm" if Path("/dev/shm").is_dir() else None
    with tempfile.TemporaryDirectory(dir=memory) as folder:
        yield Path(folder)


@pytest.fixture
def living(roomy_folder: Path) -> Iterator[LivingPool]:
    place = Place(roomy_folder, disk_count=7)
    place.create(redundancy=ErasureCoding(4, 2))
    living = LivingPool(place)
    try:
        for name, data in FILES.items():
            put(living.pool, name, data)
        living.pool.filesystem.sync_all()
        living.until("all has landed", lambda: sum(map(living.fragments_on, living.names())) >= 6)
        yield living
    finally:
        living.pool.close()
