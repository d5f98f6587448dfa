"""A disk that lies on a mount which stops answering, below a pool that is mounted itself."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

import pytest

from engine.errors import EngineError
from engine.limits import BLOCK_BYTES
from engine.model.disk import Tier
from engine.model.redundancy import ErasureCoding, Replication
from engine.pool.create import DiskPlan, create_pool
from engine.pool.devices import DiskOpener
from engine.pool.importing import import_disks
from engine.pool.pool import Pool
from engine.pool.properties import PoolProperties
from tests.e2e.harness import (
    COMMAND_S,
    ROOT,
    LivePool,
    Outcome,
    PoolPlan,
    command_environment,
    wait_for,
)
from tests.fuse.conftest import TREE
from tests.fuse.mounting import Served, serve
from tests.unit.pool.directory_pool import Place

T = TypeVar("T")

ANSWER_S: Final = 30.0
"""How long a program may wait for the pool while a disk hangs: some calls of 1 s."""

HUNG: Final = 4
"""Which disk it is."""

DATA: Final = bytes(range(256)) * 4096


class HungDisk:
    """A pool of five disks, the last of them on a mount of its own, whose server can stop."""

    def __init__(self, root: Path, below: Served) -> None:
        self.below = below
        disk = below.path / "disk"
        disk.mkdir()
        root.mkdir()
        (root / f"disk{HUNG}").symlink_to(disk)
        self.live = LivePool(root, PoolPlan(disk_count=5, redundancy=ErasureCoding(2, 2)))
        self.process: subprocess.Popen[str] | None = None

    def mount(self) -> bool:
        """Serve the pool, with short limits for its disks; return True once it is there."""
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.errors.hasty_server"]
            + [str(self.live.pool_dir), str(self.live.mountpoint)],
            stdout=subprocess.PIPE,
            text=True,
            env=command_environment(),
            cwd=ROOT,
        )
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == "mounted\n"
        return True

    def unmount(self) -> Outcome:
        return self.live.command("unmount", str(self.live.mountpoint))

    def is_named(self) -> bool:
        """Whether the status says of the disk that something is wrong with it."""
        return bool(self.live.view().disks[HUNG].reason)

    def stop_answering(self) -> None:
        self.below.process.send_signal(signal.SIGSTOP)

    def answer_again(self) -> None:
        self.below.process.send_signal(signal.SIGCONT)

    def file(self, name: str) -> Path:
        return self.live.mountpoint / name

    def close(self) -> None:
        """Let everything go on, and end it."""
        self.answer_again()
        self.live.close()
        if self.process is not None:
            self.process.kill()
            self.process.wait(COMMAND_S)
            assert self.process.stdout is not None
            self.process.stdout.close()


@contextmanager
def _hung_disk(folder: Path) -> Iterator[HungDisk]:
    with serve(TREE, folder=folder) as below:
        disk = HungDisk(folder / "pool-root", below)
        try:
            yield disk
        finally:
            disk.close()


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[HungDisk]:
    with _hung_disk(tmp_path) as made:
        yield made


def _within(limit_s: float, work: Callable[[], T]) -> T:
    """Return what *work* does in a thread of its own; AssertionError when it takes too long."""
    done: list[T] = []
    thread = threading.Thread(target=lambda: done.append(work()), daemon=True)
    begun_s = time.monotonic()
    thread.start()
    thread.join(limit_s)
    assert done, f"no result within {time.monotonic() - begun_s:.1f} s"
    return done[0]


def _block(path: Path, offset: int) -> bytes:
    """Read one block, and have the kernel ask for no more."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_RANDOM)
        return os.pread(descriptor, BLOCK_BYTES, offset)
    finally:
        os.close(descriptor)


def _write_synced(path: Path, data: bytes) -> bool:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT, 0o644)
    try:
        os.write(descriptor, data)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    return True


def test_programs_go_on_while_a_disk_hangs_below_the_pool(disk: HungDisk) -> None:
    disk.mount()
    _write_synced(disk.file("before"), DATA)
    disk.live.unmount()
    disk.mount()

    disk.stop_answering()

    # Nothing is in any cache: the pages come from the disks that answer.
    for slice_begin in (0, len(DATA) // 2):
        block = _within(ANSWER_S, partial(_block, disk.file("before"), slice_begin + BLOCK_BYTES))
        assert block == DATA[:BLOCK_BYTES]
    assert _within(ANSWER_S, disk.file("before").read_bytes) == DATA
    assert _within(ANSWER_S, lambda: _write_synced(disk.file("small"), b"small"))
    assert _within(ANSWER_S, lambda: _write_synced(disk.file("large"), DATA))
    wait_for(
        "the disk is named", lambda: bool(disk.live.view().disks[HUNG].reason), limit_s=ANSWER_S
    )

    assert (
        _within(ANSWER_S, lambda: disk.live.command("unmount", str(disk.live.mountpoint))).code == 0
    )
    disk.answer_again()
    assert disk.process is not None
    assert disk.process.wait(COMMAND_S) == 0
    disk.mount()
    for name, wanted in (("before", DATA), ("small", b"small"), ("large", DATA)):
        assert disk.file(name).read_bytes() == wanted


def test_a_pool_opens_while_a_disk_hangs_and_takes_it_in_when_it_answers(disk: HungDisk) -> None:
    disk.mount()
    _write_synced(disk.file("before"), DATA)
    disk.live.unmount()
    disk.stop_answering()

    assert _within(ANSWER_S, disk.mount)
    assert _within(ANSWER_S, disk.file("before").read_bytes) == DATA
    assert not disk.live.view().disks[HUNG].present

    disk.answer_again()
    disk.live.find_disks(missing=0)


def test_a_directory_that_hangs_is_given_up_by_who_wants_it_for_a_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(DiskOpener.__init__, "__kwdefaults__", {"open_s_max": 0.2})
    place = Place(tmp_path)
    place.create()
    with Pool(place.pool_dir) as pool, serve(TREE, folder=tmp_path) as below:
        hung = below.path / "disk"
        hung.mkdir()
        wishes: dict[str, Callable[[], object]] = {
            "add": lambda: pool.membership.add(str(hung), Tier.HOT),
            "create": lambda: create_pool(
                tmp_path / "second",
                name="second",
                disks=[DiskPlan(path=str(hung), tier=Tier.HOT)],
                properties=PoolProperties(redundancy=Replication(1)),
            ),
            "import": lambda: import_disks([hung], tmp_path / "second"),
        }
        below.process.send_signal(signal.SIGSTOP)
        try:
            refused = {
                name: _within(ANSWER_S, partial(_refusal, wish)) for name, wish in wishes.items()
            }
        finally:
            below.process.send_signal(signal.SIGCONT)

        assert all(
            "no answer within" in text or "not answer" in text for text in refused.values()
        ), refused
        wait_for("the directory answers", lambda: not _refusal(wishes["add"]), limit_s=ANSWER_S)
        assert not (tmp_path / "second").exists()
        gone = {one.record.path: one.reason for one in pool.engine.base.disks.presences()}
        assert gone[str(hung)] == ""
        pool.close()


def _refusal(wish: Callable[[], object]) -> str:
    """Return why *wish* was refused; empty when it was granted."""
    try:
        wish()
    except EngineError as error:
        return str(error)
    return ""
