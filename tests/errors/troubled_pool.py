"""A whole pool on troubled disks, stepped by hand, beside a dict of what it accepted.

Everything is the product's own: ``Pool``, its maintenance, its disks. Only the
keepers' threads do not run: a test takes their turns itself, so that a
scenario makes the same calls each time.
"""

from __future__ import annotations

import random
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import pytest

from engine.device import directory_journal, lanes
from engine.device.bounded import BoundedDevice
from engine.errors import EngineError
from engine.ids import ROOT_INODE, InodeId
from engine.maintenance.check import check_metadata
from engine.metadata import scratch, shipping, tending
from engine.metadata.database import open_reader
from engine.model.disk import Tier
from engine.model.redundancy import ErasureCoding
from engine.pool import pool, reserve
from engine.pool.create import DiskPlan, create_pool
from engine.pool.devices import DiskOpener
from engine.pool.importing import import_disks
from engine.pool.keepers import Keeper, group_turn, probe_turn
from engine.pool.pool import Pool
from engine.pool.properties import PoolProperties
from engine.units import KIB
from engine.vfs import landing, sync
from engine.vfs.interface import Caller, OpenMode, RenameFlags
from tests.errors.trouble import TroublePlan, install

ME: Final = Caller(0, 0)
DISK_COUNT: Final = 6
EVERYTHING: Final = 64 << 20
SMALL, LARGE = 3000, 400 * KIB
"""Bytes of a file that fsync stages, and of one that it must bring to the disks."""

WAIT_S: Final = 1.5
"""What stands for the engine's long limits."""

CALL_S: Final = 0.25
"""What stands for the 30 s of a device call: long for memory, even on a busy machine."""

PATIENT_S: Final = 10.0
"""How long may wait who meets several calls that hang."""


def pattern(seed: int, length: int) -> bytes:
    """Return bytes that are the same for equal arguments."""
    return random.Random(seed).randbytes(length)


def shorten_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make journals small and waits short, so that a thousand runs take a minute."""
    monkeypatch.setattr(directory_journal, "JOURNAL_FILE_BYTES", 32 * KIB)
    monkeypatch.setattr(directory_journal, "_ZERO_STEP", 16 * KIB)
    monkeypatch.setattr(directory_journal, "_ZEROS", bytes(16 * KIB))
    monkeypatch.setattr(reserve, "POOL_RESERVE_BYTES", 64 * KIB)
    monkeypatch.setattr(scratch, "POOL_RESERVE_BYTES", 64 * KIB)
    monkeypatch.setattr(scratch, "WAL_CHECKPOINT_BYTES", 64 * KIB)
    monkeypatch.setattr(landing, "RETRY_S", 0.01)
    monkeypatch.setattr(shipping, "RETRY_S", 0.0)
    monkeypatch.setattr(tending, "RETRY_S", 0.0)
    monkeypatch.setattr(sync, "ACKNOWLEDGE_S_MAX", WAIT_S)
    monkeypatch.setattr(pool, "LANDING_S_MAX", WAIT_S)
    monkeypatch.setattr(pool, "_THREAD_S_MAX", WAIT_S)
    monkeypatch.setattr(landing.Landing.wait_landed, "__defaults__", (WAIT_S,))
    monkeypatch.setattr(landing.Landing.wait_file, "__defaults__", (WAIT_S,))
    monkeypatch.setattr(sync.Syncer.sync_all, "__defaults__", (WAIT_S,))
    monkeypatch.setattr(Keeper, "start", lambda keeper: None)


def shorten_device_limits(monkeypatch: pytest.MonkeyPatch, *, call_s: float = CALL_S) -> None:
    """Give a device call *call_s* seconds, and those who wait for many a while."""
    for limited in (lanes, tending):
        monkeypatch.setattr(limited, "DEVICE_CALL_S_MAX", call_s)
    monkeypatch.setattr(lanes.DiskLanes.wait, "__defaults__", (call_s,))
    monkeypatch.setattr(lanes.wait_for, "__defaults__", (call_s,))
    monkeypatch.setattr(lanes.DiskLanes.close, "__defaults__", (call_s,))
    monkeypatch.setattr(lanes.DiskLanes.close_device, "__defaults__", (call_s,))
    monkeypatch.setattr(BoundedDevice.__init__, "__kwdefaults__", {"call_s_max": call_s})
    monkeypatch.setattr(DiskOpener.__init__, "__kwdefaults__", {"open_s_max": call_s})
    wait_patiently(monkeypatch)


def wait_patiently(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let those wait long who succeed in the end: the machine may be busy."""
    monkeypatch.setattr(sync, "ACKNOWLEDGE_S_MAX", PATIENT_S)
    monkeypatch.setattr(pool, "LANDING_S_MAX", PATIENT_S)
    monkeypatch.setattr(pool, "_THREAD_S_MAX", PATIENT_S)
    monkeypatch.setattr(landing.Landing.wait_landed, "__defaults__", (PATIENT_S,))
    monkeypatch.setattr(landing.Landing.wait_file, "__defaults__", (PATIENT_S,))
    monkeypatch.setattr(sync.Syncer.sync_all, "__defaults__", (PATIENT_S,))


def scratch_folder() -> str | None:
    """Return a folder in memory if there is one: what is tested is no medium."""
    return "/dev/shm" if Path("/dev/shm").is_dir() else None


class Template:
    """A closed pool with some files, to be copied for each run."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="dynamicfs-errors-", dir=scratch_folder()))
        self.place = self.folder / "place"
        self._kept = self.folder / "kept"
        self.files: dict[bytes, bytes] = {}

    @property
    def disks(self) -> list[Path]:
        return [self.place / f"disk{number}" for number in range(1, DISK_COUNT + 1)]

    def make(self) -> None:
        """Make the pool, fill and close it, and keep it aside."""
        for disk in self.disks:
            disk.mkdir(parents=True)
        create_pool(
            self.place / "pool",
            name="tank",
            disks=[DiskPlan(path=str(disk), tier=Tier.HOT) for disk in self.disks],
            properties=PoolProperties(redundancy=ErasureCoding(2, 2), rebuild_delay_s=0.0),
        )
        life = Life(self, {})
        for number, length in enumerate((SMALL, LARGE, SMALL, LARGE)):
            life.write(b"old%d" % number, pattern(number, length))
            life.pool.filesystem.sync_all()
        life.settle()
        life.pool.close()
        self.files = life.accepted
        self.place.rename(self._kept)

    def fresh(self) -> None:
        """Put the pool back as it was made."""
        shutil.rmtree(self.place, ignore_errors=True)
        shutil.copytree(self._kept, self.place)

    def remove(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)


class Life:
    """One open pool, and what it accepted: of all files, and of those it called safe."""

    def __init__(self, template: Template, files: dict[bytes, bytes]) -> None:
        self.template = template
        self.accepted = dict(files)
        self.safe = dict(files)
        """What an fsync acknowledged; names touched since are left out."""
        self.refused: list[EngineError] = []
        self.pool = Pool(template.place / "pool")

    # What programs do; each notes what was accepted, and raises what refused it

    def inode(self, name: bytes) -> InodeId:
        return self.pool.filesystem.lookup(ROOT_INODE, name).inode.inode_id

    def write(self, name: bytes, data: bytes, *, at: int = 0) -> None:
        """Write *data* into a file, made if need be, and fsync it."""
        fs = self.pool.filesystem
        self.safe.pop(name, None)
        if name in self.accepted:
            inode_id = self.inode(name)
            handle = fs.open(inode_id, OpenMode.WRITE).handle
        else:
            made, opened = fs.create(ROOT_INODE, name, 0o644, OpenMode.WRITE, ME)
            inode_id, handle = made.inode.inode_id, opened.handle
            self.accepted[name] = b""
        try:
            count = fs.write(handle, at, data)
            before = self.accepted[name].ljust(at, b"\0")
            self.accepted[name] = before[:at] + data[:count] + before[at + count :]
            assert count == len(data), "a part of a write was accepted in silence"
            fs.sync_file(inode_id)
            self.safe[name] = self.accepted[name]
        finally:
            fs.release(handle)

    def write_unsynced(self, name: bytes, data: bytes) -> None:
        """Have *data* accepted as a file's beginning, and no more than that."""
        fs = self.pool.filesystem
        self.safe.pop(name, None)
        if name in self.accepted:
            handle = fs.open(self.inode(name), OpenMode.WRITE).handle
        else:
            handle = fs.create(ROOT_INODE, name, 0o644, OpenMode.WRITE, ME)[1].handle
            self.accepted[name] = b""
        assert fs.write(handle, 0, data) == len(data)
        self.accepted[name] = data + self.accepted[name][len(data) :]
        fs.release(handle)

    def rename(self, name: bytes, new: bytes) -> None:
        self.safe.pop(name, None)
        self.safe.pop(new, None)
        self.pool.filesystem.rename(ROOT_INODE, name, ROOT_INODE, new, RenameFlags.NONE)
        self.accepted[new] = self.accepted.pop(name)
        self.pool.filesystem.sync_file(self.inode(new))
        self.safe[new] = self.accepted[new]

    def unlink(self, name: bytes) -> None:
        self.safe.pop(name, None)
        self.pool.filesystem.unlink(ROOT_INODE, name)
        del self.accepted[name]

    def unlink_while_open(self, name: bytes) -> None:
        """Remove a file that is open, and read on."""
        fs = self.pool.filesystem
        handle = fs.open(self.inode(name), OpenMode.READ).handle
        try:
            wanted = self.accepted[name]
            self.unlink(name)
            assert bytes(fs.read(handle, 0, EVERYTHING)) == wanted
        finally:
            fs.release(handle)

    def read(self, name: bytes) -> bytes:
        fs = self.pool.filesystem
        handle = fs.open(self.inode(name), OpenMode.READ).handle
        try:
            return bytes(fs.read(handle, 0, EVERYTHING))
        finally:
            fs.release(handle)

    def check_all_files(self) -> None:
        """Read every file; a read is right, or an error of the engine's own."""
        for name, data in self.accepted.items():
            assert self.read(name) == data, f"{name!r} reads as other bytes"

    def names(self) -> set[bytes]:
        listed = self.pool.filesystem.read_directory(ROOT_INODE, 0, 1000)
        return {item.name for item in listed} - {b".", b".."}

    # What keepers do

    def turn(self, count: int = 40) -> None:
        """Let groups, and maintenance until it rests, have their turns."""
        group_turn(self.pool.engine)
        for _ in range(count):
            if self.pool.maintenance.turn() > 0:
                break
        self.pool.maintenance.checkpoints.turn()
        group_turn(self.pool.engine)

    def look_at_disks(self) -> None:
        """Take a turn of the probe: who is there, and how much room there is."""
        probe_turn(self.pool.engine, self.pool.membership.probe)

    def settle(self) -> None:
        """Commit, and collect what that frees."""
        self.pool.filesystem.sync_all()
        self.turn()

    # What operators and the test look at

    def contradictions(self) -> list[str]:
        connection = open_reader(self.pool.engine.base.database)
        try:
            return check_metadata(connection)
        finally:
            connection.close()

    def differing(self) -> list[bytes]:
        """Return names that do not read as accepted, and those nobody made."""
        wrong = [name for name, data in self.accepted.items() if self.read(name) != data]
        return wrong + sorted(self.names() ^ set(self.accepted))

    def events(self) -> str:
        return "; ".join(event.text for event in self.pool.engine.base.events.since(0))


Step = Callable[[Life], None]


def attempt(life: Life, *steps: Step) -> None:
    """Take each step; keep what was refused with an error of the engine's own."""
    for step in steps:
        try:
            step(life)
        except EngineError as error:
            life.refused.append(error)


@contextmanager
def troubled_template(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Template, TroublePlan]]:
    """Give a pool to copy and the plan that its disks follow."""
    shorten_limits(monkeypatch)
    plan = install(monkeypatch)
    template = Template()
    try:
        template.make()
        yield template, plan
    finally:
        plan.calm()
        template.remove()


def recover(life: Life) -> None:
    """Once errors have stopped: look at the disks, and bring everything to safety."""
    for _ in range(50):
        life.pool.membership.probe()
        with suppress(EngineError):
            life.pool.filesystem.sync_all()
            return
    life.pool.filesystem.sync_all()


def _whatever_is_in_tmp(folder: str, names: list[str]) -> list[str]:
    return names if Path(folder).name == "tmp" else []


def imported(template: Template) -> dict[bytes, bytes]:
    """Return what a pool made anew from copies of the disks holds: as after a crash."""
    copies = template.folder / "copies"
    shutil.rmtree(copies, ignore_errors=True)
    disks = [copies / disk.name for disk in template.disks if disk.exists()]
    for disk in disks:
        # What is being written this moment is in ``tmp``, and counts for nothing.
        shutil.copytree(template.place / disk.name, disk, ignore=_whatever_is_in_tmp)
    import_disks(disks, copies / "pool")
    with Pool(copies / "pool") as pool:
        fs = pool.filesystem
        found = {}
        for item in fs.read_directory(ROOT_INODE, 0, 1000):
            if item.name not in (b".", b".."):
                handle = fs.open(item.inode_id, OpenMode.READ).handle
                found[item.name] = bytes(fs.read(handle, 0, EVERYTHING))
                fs.release(handle)
    shutil.rmtree(copies)
    return found
