"""Shipper, power loss and reopening beside a list of what was acknowledged."""

from __future__ import annotations

import shutil
import tempfile
from contextlib import suppress
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from engine.errors import (
    CorruptionError,
    DeviceError,
    PoolError,
    QuorumError,
)
from engine.ids import DiskUuid, Epoch, Generation
from engine.metadata.checkpoint import make_checkpoint
from engine.metadata.journals import JournalShipper
from engine.metadata.quorum import JournalSet
from engine.metadata.recovery import OpenMode, open_metadata
from tests.unit.metadata.written_pool import (
    A,
    B,
    C,
    D,
    E,
    LaneDisks,
    WrittenPool,
    properties,
    shipped,
)

FIVE = (A, B, C, D, E)
DISKS = st.sampled_from(FIVE)
SUBSETS = st.lists(DISKS, unique=True)
WAIT_S = 5.0


class JournalMachine(RuleBasedStateMachine):
    """Acknowledged is there: whatever is lost, as long as the pool opens read-write.

    ``acknowledged`` are the groups a waiter was told of. Disks that are away
    fail every call; a power cut ends the process at once and may take the
    database in the pool directory with it. Rules that make no sense now return:
    a precondition would depend on what threads did, and break replaying.
    """

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="journal-machine-"))
        self.pool = WrittenPool(self.folder / "pool", FIVE, journal_set=(A, B, C))
        self.acknowledged: set[str] = set()
        self.submitted: list[tuple[int, str]] = []
        self.journal_set: tuple[DiskUuid, ...] = (A, B, C)
        self.epoch = Epoch(1)
        self.shipper: JournalShipper | None = None
        self.opens = 0

    @initialize()
    def begin(self) -> None:
        self._ship_from(Generation(0), ())
        self._write(self.journal_set)
        self._wait()

    def _ship_from(self, head: Generation, lagging: tuple[DiskUuid, ...]) -> None:
        self.disks = LaneDisks(self.pool.devices)
        self.shipper = JournalShipper(
            self.disks,
            tolerance=1,
            journal_set=self.journal_set,
            acknowledged=head,
            on_event=lambda severity, text: None,
            behind=dict.fromkeys(lagging),
            scratch=self.folder,
        )

    def _write(self, journal_set: tuple[DiskUuid, ...]) -> None:
        assert self.shipper is not None
        devices, self.pool.devices = self.pool.devices, {}
        record = self.pool.write(epoch=self.epoch, journal_set=journal_set)
        self.pool.devices = devices
        self.submitted.append((record.generation, f"p{len(self.pool.records)}"))
        self.shipper.submit(shipped(record))

    def _wait(self) -> None:
        assert self.shipper is not None
        with suppress(QuorumError):
            self.shipper.wait_acknowledged(Generation(self.submitted[-1][0]), 0.3)
        self._note_acknowledged()

    def _note_acknowledged(self) -> None:
        if self.shipper is not None:
            newest = self.shipper.acknowledged
            self.acknowledged |= {name for number, name in self.submitted if number <= newest}

    def _is_open(self) -> bool:
        return self.shipper is not None

    @rule(count=st.integers(1, 3))
    def write(self, count: int) -> None:
        if self._is_open():
            for _ in range(count):
                self._write(self.journal_set)
            self._wait()

    @rule(old=DISKS, new=DISKS)
    def change_the_journal_set(self, old: DiskUuid, new: DiskUuid) -> None:
        if self.shipper is None or old not in self.journal_set or new in self.journal_set:
            return
        try:
            self.shipper.prepare_member(new)
        except (DeviceError, CorruptionError, QuorumError):
            return
        self.journal_set = tuple(new if disk == old else disk for disk in self.journal_set)
        self._write(self.journal_set)
        self._wait()

    @rule(disk=DISKS)
    def a_disk_goes_away(self, disk: DiskUuid) -> None:
        self.pool.devices[disk].go_away()

    @rule(disk=DISKS)
    def a_disk_comes_back(self, disk: DiskUuid) -> None:
        self.pool.devices[disk].come_back()
        if self.shipper is not None:
            self.shipper.retry_now()

    @rule()
    def checkpoint(self) -> None:
        if self.shipper is None:
            return
        shipper = self.shipper
        with suppress(QuorumError, DeviceError):
            make_checkpoint(
                self.disks,
                database=self.pool.database,
                scratch=self.folder,
                quorum=JournalSet(disks=self.journal_set, tolerance=1),
                wait_acknowledged=lambda generation: shipper.wait_acknowledged(generation, 0.3),
            )

    @rule(lose_database=st.booleans())
    def lose_power(self, lose_database: bool) -> None:  # noqa: FBT001
        self._stop()
        for device in self.pool.devices.values():
            device.lose_power()
        if lose_database:
            shutil.rmtree(self.pool.folder)
            self.pool.folder.mkdir()

    def _stop(self) -> None:
        self._note_acknowledged()
        if self.shipper is not None:
            self.shipper.close(0)
            self.disks.close()
            self._note_acknowledged()
            self.shipper = None

    @rule(there=SUBSETS)
    def open_again(self, there: list[DiskUuid]) -> None:
        if not self._is_open():
            self._open({disk for disk in there if self._is_there(disk)})

    @rule()
    def open_with_everything(self) -> None:
        for device in self.pool.devices.values():
            device.come_back()
        if not self._is_open():
            self._open(set(FIVE))
        assert self._is_open()

    def _is_there(self, disk: DiskUuid) -> bool:
        try:
            self.pool.devices[disk].get_label()
        except DeviceError:
            return False
        return True

    def _open(self, there: set[DiskUuid]) -> None:
        try:
            opened = open_metadata(
                self.pool.folder, self.pool.only(*sorted(there)), mode=OpenMode.READ_WRITE
            )
        except (QuorumError, PoolError):
            if there == set(FIVE):
                raise
            return
        present = set(properties(opened.database))
        assert self.acknowledged <= present
        self.acknowledged = present  # Bringing everything to the head made it safe.
        self.submitted = []
        self.epoch = opened.next_epoch
        self.journal_set = opened.head.header.journal_set
        self._ship_from(opened.head.generation, opened.lagging)
        self._write(self.journal_set)
        self._wait()

    @invariant()
    def what_was_acknowledged_was_committed(self) -> None:
        assert len(self.acknowledged) <= len(self.pool.records)

    def teardown(self) -> None:
        self._stop()
        shutil.rmtree(self.folder)


TestJournalMachine = JournalMachine.TestCase
TestJournalMachine.settings = settings(max_examples=25, stateful_step_count=20, deadline=None)
