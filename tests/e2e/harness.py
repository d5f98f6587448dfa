"""A whole pool on real directories, mounted by the real command line, and its end.

``LivePool`` is what an operator has: disk directories, a pool directory and a
mount point, and the ``dynamicfs`` command. Tests look at the mount with plain
system calls and at the disks with plain file reads. Every wait has a deadline,
and ``close`` leaves neither process nor mount behind, whatever happened.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from engine.model.disk import Tier
from engine.model.redundancy import ErasureCoding, Redundancy
from engine.pool.create import DiskPlan, create_pool
from engine.pool.properties import REBUILD_DELAY_S, WIDEN_DELAY_S, Narrow, PoolProperties
from engine.status.transport import Json, decode
from engine.status.views import PoolView, ScrubView
from fusebridge.mount_table import Detach, abort_connection, detach, find_mount

ROOT: Final = Path(__file__).resolve().parents[2]
DYNAMICFS: Final = (sys.executable, "-P", "-m", "dynamicfs_tui.cli")

COMMAND_S: Final = 60.0
"""How long any one command may take here."""

DEATH_S: Final = 20.0
LOOK_S: Final = 0.05
RS_4_2: Final = ErasureCoding(data=4, parity=2)


class TookTooLongError(AssertionError):
    """What a test waited for did not come about in time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a command ended: exit code, standard output, standard error."""

    code: int
    printed: str
    said: str

    @property
    def json(self) -> Json:
        """What it printed, read as JSON; an AssertionError shows what it was instead."""
        try:
            value: Json = json.loads(self.printed)
        except ValueError as error:
            raise AssertionError(f"no JSON (code {self.code}): {self!r}") from error
        return value


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class FragmentFile:
    """One fragment's file on a disk, told by its name."""

    extent: int
    index: int
    layout: int
    disk: int
    path: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolPlan:
    """How a pool is to be made. The defaults are those of ``dynamicfs init``."""

    disk_count: int = 6
    redundancy: Redundancy = RS_4_2
    narrow: Narrow = Narrow.OFF
    rebuild_delay_s: float = REBUILD_DELAY_S
    widen_delay_s: float = WIDEN_DELAY_S


def wait_for(what: str, condition: Callable[[], bool], *, limit_s: float = 20.0) -> None:
    """Look until *condition* holds.

    Raises:
        TookTooLongError: it did not within *limit_s* seconds; *what* is named.
    """
    end_s = time.monotonic() + limit_s
    while not condition():
        if time.monotonic() > end_s:
            raise TookTooLongError(f"after {limit_s} s still not: {what}")
        time.sleep(LOOK_S)


def command_environment() -> dict[str, str]:
    """Return the environment in which ``dynamicfs`` of this checkout runs."""
    return {**os.environ, "PYTHONPATH": str(ROOT)}


def is_running(pid: int) -> bool:
    """Whether a thread of the process lives; one that only waits to be collected does not."""
    for stat in Path(f"/proc/{pid}/task").glob("*/stat"):
        with suppress(FileNotFoundError, ProcessLookupError):
            if stat.read_text().rpartition(")")[2].split()[0] not in ("Z", "X"):
                return True
    return False


def wait_for_death(pid: int) -> None:
    """Wait until the process is no more."""
    wait_for(f"process {pid} is dead", lambda: not is_running(pid), limit_s=DEATH_S)


class LivePool:
    """A pool below one directory. One thread at a time, but for ``disks`` and ``mountpoint``."""

    def __init__(self, root: Path, plan: PoolPlan | None = None) -> None:
        """Make the disks' directories below *root*, and the pool."""
        self.plan = plan or PoolPlan()
        self.root = root
        self.pool_dir = root / "pool"
        self.mountpoint = root / "mount"
        self.disks = [root / f"disk{number}" for number in range(self.plan.disk_count)]
        self._server_pids: set[int] = set()
        for place in (self.mountpoint, *self.disks):
            place.mkdir(parents=True, exist_ok=True)
        create_pool(
            self.pool_dir,
            name="live",
            disks=[DiskPlan(path=str(disk), tier=Tier.HOT) for disk in self.disks],
            properties=PoolProperties(
                redundancy=self.plan.redundancy,
                narrow=self.plan.narrow,
                rebuild_delay_s=self.plan.rebuild_delay_s,
                widen_delay_s=self.plan.widen_delay_s,
            ),
        )

    # The command line

    def command(self, verb: str, *arguments: str) -> Outcome:
        """Run ``dynamicfs VERB ARGUMENTS…``."""
        done = subprocess.run(
            [*DYNAMICFS, verb, *arguments],
            capture_output=True,
            text=True,
            timeout=COMMAND_S,
            env=command_environment(),
            cwd=self.root,
            check=False,
        )
        return Outcome(code=done.returncode, printed=done.stdout, said=done.stderr)

    def ask(self, verb: str, *arguments: str) -> Outcome:
        """Run ``dynamicfs VERB POOL ARGUMENTS… --json``."""
        return self.command(verb, str(self.pool_dir), *arguments, "--json")

    def must(self, verb: str, *arguments: str) -> Outcome:
        """Run ``dynamicfs VERB ARGUMENTS…`` and demand success."""
        outcome = self.command(verb, *arguments)
        assert outcome.code == 0, f"{verb}: {outcome}"
        return outcome

    def view(self) -> PoolView:
        """Return what ``status --json`` tells."""
        return decode(PoolView, self.ask("status").json)

    def scrub(self, *options: str) -> ScrubView:
        """Run a scrub to its end and return what it found."""
        return decode(ScrubView, self.ask("scrub", *options).json)

    def extents(self) -> Json:
        """Return what ``list-extents --json`` tells, every extent."""
        outcome = self.ask("list-extents", "--limit", "100000")
        assert outcome.code == 0, outcome
        return outcome.json

    def metrics(self) -> dict[str, dict[str, float]]:
        """Return what ``metrics --json`` tells: name, label, value."""
        return decode(dict[str, dict[str, float]], self.ask("metrics").json)

    def metric(self, name: str) -> float:
        """Return one metric, summed over its labels."""
        return sum(self.metrics().get(name, {}).values())

    # Mounting and ending

    def mount(self) -> Path:
        """Mount read-write, and return the mount point."""
        return self._mount("--read-write")

    def mount_for_everybody(self) -> Path:
        """Mount read-write so that other users reach it, and return the mount point."""
        return self._mount("--read-write", "--allow-other")

    def mount_read_only(self) -> Path:
        """Mount as the command does unless asked, and return the mount point."""
        return self._mount()

    def _mount(self, *options: str) -> Path:
        self.must("mount", *options, str(self.pool_dir), str(self.mountpoint))
        self._server_pids.add(self.server_pid)
        return self.mountpoint

    @property
    def server_pid(self) -> int:
        """The process that has the pool open."""
        return int((self.pool_dir / "lock").read_text())

    def unmount(self) -> None:
        """Unmount; returns when all is durable."""
        self.must("unmount", str(self.mountpoint))

    def remount(self) -> Path:
        """Unmount and mount again: nothing is in any cache afterwards."""
        self.unmount()
        return self.mount()

    def sync(self) -> None:
        """Make all that was written durable."""
        self.must("sync", str(self.mountpoint))

    def kill(self) -> None:
        """SIGKILL the server: no handler, no cleanup."""
        pid = self.server_pid
        os.kill(pid, signal.SIGKILL)
        wait_for_death(pid)

    def close(self) -> None:
        """End what still runs and take the mount away; harmless when repeated."""
        with suppress(OSError, ValueError):
            self._server_pids.add(self.server_pid)
        for pid in self._server_pids:
            if _serves(pid, self.pool_dir):
                self._abort()
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
                wait_for_death(pid)
        while find_mount(str(self.mountpoint.resolve())) is not None:
            detach(str(self.mountpoint), Detach.NOW)

    def _abort(self) -> None:
        """Let go of whoever waits in the kernel for a server that is to be killed."""
        entry = find_mount(str(self.mountpoint.parent.resolve() / self.mountpoint.name))
        if entry is not None:
            with suppress(OSError):
                abort_connection(entry.device, entry.mountpoint)

    # Disks

    def take_away(self, number: int) -> None:
        """Move a disk's directory aside, as if the disk were gone."""
        self.disks[number].rename(self.away(number))

    def bring_back(self, number: int) -> None:
        """Move it back."""
        self.away(number).rename(self.disks[number])

    def away(self, number: int) -> Path:
        """Return where a disk's directory is while it is away."""
        return self.root / f"away{number}"

    def fragments(self) -> list[FragmentFile]:
        """Return every fragment file on the disks that are there, by extent and index."""
        found = []
        for number, disk in enumerate(self.disks):
            for path in disk.glob("fragments/*/*"):
                with suppress(FileNotFoundError):  # collected meanwhile
                    extent, layout, index = map(int, path.name.split("."))
                    found.append(
                        FragmentFile(
                            extent=extent, index=index, layout=layout, disk=number, path=path
                        )
                    )
        return sorted(found)

    def raw_bytes(self) -> int:
        """Return the bytes that all fragments occupy, those set aside included."""
        files = [
            path
            for disk in self.disks
            for folder in ("fragments", "quarantine", "tmp")
            for path in (disk / folder).rglob("*")
        ]
        total = 0
        for path in files:
            with suppress(FileNotFoundError):
                total += path.stat().st_blocks * 512 if path.is_file() else 0
        return total

    def find_disks(self, missing: int) -> None:
        """Wait until the pool has noticed that exactly *missing* disks are not there.

        Figures over all extents follow the disks by up to a second.
        """
        wait_for(
            f"{missing} disks missing in status",
            lambda: sum(not disk.present for disk in self.view().disks) == missing,
        )

    def redundancies(self) -> set[str]:
        """Return every redundancy that an extent has, such as ``rs:4+2``."""
        extents = self.extents()
        assert isinstance(extents, list)
        return {str(extent["redundancy"]) for extent in extents if isinstance(extent, dict)}


def _serves(pid: int, pool_dir: Path) -> bool:
    """Whether *pid* is a process of ours that serves *pool_dir*: numbers are used again."""
    with suppress(OSError):
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        return is_running(pid) and os.fsencode(pool_dir) in words
    return False


@contextmanager
def live_pool(root: Path, plan: PoolPlan | None = None) -> Iterator[LivePool]:
    """Make a pool, mount it read-write, and leave nothing behind."""
    pool = LivePool(root, plan)
    try:
        pool.mount()
        yield pool
    finally:
        pool.close()


def run_tool(command: Sequence[str | Path], *, limit_s: float = COMMAND_S) -> str:
    """Run a program of others and return its output; AssertionError unless it succeeds."""
    done = subprocess.run(
        [str(word) for word in command],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=limit_s,
        check=False,
    )
    assert done.returncode == 0, f"{command[0]} failed ({done.returncode}):\n{done.stdout[-3000:]}"
    return done.stdout
