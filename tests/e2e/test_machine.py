"""A mounted pool beside a plain directory: the same calls, the same outcomes.

Every example works in a directory of its own on one mounted pool, with the
kernel's caches as they are. Disks that go and come, scrubs, rebuilds, new
mounts and killed servers are steps like any other (P1-P4, P7).
"""

from __future__ import annotations

import itertools
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from hypothesis import seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, rule, run_state_machine_as_test

from engine.errors import UsageError
from engine.pool.remote_control import RemoteControl, reach_owner
from tests.e2e.harness import LivePool, live_pool
from tests.e2e.twin_verbs import DataVerbs, NameVerbs
from tests.e2e.twins import Twins

LOST_MAX: Final = 2
"""What the pool's redundancy bears."""

LIVES: Final = st.sampled_from([0, 0, 0, 0, 0, 0, 0, 1])
"""How often an example may end the server; each costs a second or two."""


class MountedMachine(NameVerbs, DataVerbs):
    """One example: a directory on the mount, and one on a plain file system."""

    def __init__(self, pool: LivePool, plain: Path, number: int) -> None:
        super().__init__()
        self.pool = pool
        self.lives = 0
        self.lost: list[int] = []
        name = f"example{number}"
        (pool.mountpoint / name).mkdir()
        (plain / name).mkdir()
        self.twins = Twins(pool.mountpoint / name, plain / name)

    def teardown(self) -> None:
        self.twins.close()
        self._bring_disks_back()
        for side in (self.twins.ours, self.twins.theirs):
            shutil.rmtree(side.root)

    def _control(self) -> RemoteControl:
        control = reach_owner(self.pool.pool_dir)
        assert control is not None
        return control

    @initialize(lives=LIVES)
    def begin(self, lives: int) -> None:
        self.lives = lives
        self.fill()

    # Trouble

    @rule(number=st.integers(0, 5))
    def lose_a_disk(self, number: int) -> None:
        if number not in self.lost and len(self.lost) < LOST_MAX:
            self.pool.take_away(number)
            self.lost.append(number)

    @rule()
    def disks_come_back(self) -> None:
        self._bring_disks_back()

    def _bring_disks_back(self) -> None:
        if not self.lost:
            return
        with self._control() as control:
            # A directory that went and came between two looks may have missed writes:
            # the pool has to see it gone before it sees it again, as a probe does.
            control.probe_disks()
            while self.lost:
                self.pool.bring_back(self.lost.pop())
            control.probe_disks()

    @rule(repair=st.sampled_from(["repair", "look"]))
    def scrub(self, repair: str) -> None:
        with self._control() as control:
            try:
                control.start_scrub(repair=repair == "repair")
            except UsageError:
                return  # One runs already.

    @rule()
    def rebuild(self) -> None:
        with self._control() as control:
            control.start_rebuild()

    @rule()
    def sync_and_check(self) -> None:
        with self._control() as control:
            control.sync()
            assert control.check() == ()

    @rule()
    def remount(self) -> None:
        if self._spend_a_life():
            self.pool.remount()

    @rule()
    def kill_the_server_after_a_sync(self) -> None:
        """What syncfs acknowledged is there, whatever happens next (P2)."""
        if self._spend_a_life():
            descriptor = os.open(self.twins.ours.root, os.O_RDONLY)
            os.fsync(descriptor)
            os.close(descriptor)
            self.pool.sync()
            self.pool.kill()
            self.pool.mount()

    def _spend_a_life(self) -> bool:
        if not self.lives:
            return False
        self.lives -= 1
        self.twins.close()
        return True


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A directory on a file system of the kernel's, in memory where there is one."""
    memory = Path("/dev/shm")
    above = memory if memory.is_dir() else tmp_path_factory.mktemp("plain")
    with tempfile.TemporaryDirectory(dir=above, prefix="dynamicfs-plain-") as folder:
        yield Path(folder)


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LivePool]:
    """One pool for every example: a new one would cost more than the example."""
    with live_pool(tmp_path_factory.mktemp("twin-pool")) as live:
        yield live


def _machine_on(pool: LivePool, plain: Path) -> type[MountedMachine]:
    """Return a machine each of whose examples has a directory of its own."""
    numbers = itertools.count()

    class MachineHere(MountedMachine):
        def __init__(self) -> None:
            super().__init__(pool, plain, next(numbers))

    return MachineHere


@pytest.mark.timeout(600)
def test_a_mount_does_what_a_plain_directory_does(pool: LivePool, plain: Path) -> None:
    # Each step goes through two kernels' file systems; tests/posix compares far more.
    limits = settings(
        max_examples=settings().max_examples * 2 // 3,
        stateful_step_count=40,
        report_multiple_bugs=False,
    )
    run_state_machine_as_test(_machine_on(pool, plain), settings=limits)


@pytest.mark.soak
@pytest.mark.timeout(0)
def test_a_mount_does_what_a_plain_directory_does_for_long(pool: LivePool, plain: Path) -> None:
    number = int(os.environ.get("DYNAMICFS_SEED", "1"))
    limits = settings(
        max_examples=2000, stateful_step_count=60, derandomize=False, report_multiple_bugs=False
    )

    run_state_machine_as_test(seed(number)(_machine_on(pool, plain)), settings=limits)
