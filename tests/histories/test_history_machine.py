"""A pool's whole life beside the names that were acknowledged in it."""

from __future__ import annotations

import shutil
from contextlib import suppress
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from engine.errors import PoolError, QuorumError, SplitHistoryError
from engine.ids import DiskUuid, Epoch, Generation
from engine.metadata.catchup import copy_base, copy_records, find_common
from engine.metadata.checkpoint import make_checkpoint
from engine.metadata.disks import DirectDisks
from engine.metadata.labels import tell_label
from engine.metadata.quorum import JournalSet
from engine.metadata.recovery import OpenedMetadata, OpenMode
from tests.histories.sites import Site, new_pool, quick_folder
from tests.unit.metadata.written_pool import A, B, C, D, E

FIVE = (A, B, C, D, E)
DISKS = st.sampled_from(FIVE)
SUBSETS = st.lists(DISKS, unique=True).map(tuple)
MOSTLY_ALL = st.one_of(st.just(FIVE), SUBSETS)
DIRECTORIES = st.sampled_from(["kept", "lost", "old"])

Disks = tuple[DiskUuid, ...]


class HistoryMachine(RuleBasedStateMachine):
    """What was acknowledged is there, in every open for writing that was not forced.

    Nothing runs in a thread: each root reaches the disks that are drawn, in order,
    and counts as the quorum rules of ``decisions/0002`` say. ``histories`` are the
    names acknowledged in each history; there is more than one only after force.
    """

    def __init__(self) -> None:
        super().__init__()
        self._lent = quick_folder()
        self.folder = self._lent.__enter__()
        self.site = new_pool(
            self.folder / "pool-0", FIVE, tolerance=1, groups=1, journal_set=(A, B, C)
        )
        self.histories: list[set[str]] = [{"p1"}]
        self.mine = 0
        self.quorum = JournalSet(disks=(A, B, C), tolerance=1)
        self.changes: list[JournalSet] = []
        self.alive: set[DiskUuid] = {A, B, C}
        self.pending: set[str] = set()
        self.last = Generation(1)
        self.epoch = Epoch(1)
        self.is_open = True
        self.copies: list[Path] = []
        self.count = 0

    def teardown(self) -> None:
        self._lent.__exit__(None, None, None)

    # A session

    @rule(reached=MOSTLY_ALL)
    def write(self, reached: Disks) -> None:
        if self.is_open:
            self._commit(set(reached))

    def _commit(self, reached: set[DiskUuid], journal_set: Disks | None = None) -> None:
        """Put one root where it is drawn to; who missed it gets nothing more."""
        name = self._next("n")
        self.alive &= reached
        root = self.site.write(name, *sorted(self.alive), journal_set=journal_set)
        self.last = root.generation
        self.pending.add(name)
        self._note_acknowledged()

    def _note_acknowledged(self) -> None:
        enough = self.quorum.count(self.alive) >= self.quorum.acknowledging_count
        met = all(before.count(self.alive) >= before.meeting_count for before in self.changes)
        if enough and met:
            self.histories[self.mine] |= self.pending
            self.pending, self.changes = set(), []

    def _next(self, prefix: str) -> str:
        self.count += 1
        return f"{prefix}{self.count}"

    @rule(disk=DISKS)
    def a_member_returns(self, disk: DiskUuid) -> None:
        if self.is_open and disk in self.quorum.disks and self._bring(disk):
            self.alive.add(disk)
            self._note_acknowledged()

    def _bring(self, disk: DiskUuid) -> bool:
        """Bring *disk* to the newest root as the shipper does; False without a source."""
        disks = DirectDisks(self.site.devices)
        source = next(iter(sorted(self.alive - {disk})), None)
        if source is None or disk in self.alive:
            return False
        last = find_common(disks, disk, source)
        if last is None:
            last = copy_base(disks, disk, source, scratch=self.folder)
        self.site.devices[disk].journal_set_aside(Generation(last + 1))
        while last < self.last:
            last = copy_records(disks, disk, source, after=last, until=self.last)
        return True

    @rule(old=DISKS, new=DISKS, reached=MOSTLY_ALL, are_told=st.booleans())
    def a_member_is_replaced(
        self, old: DiskUuid, new: DiskUuid, reached: Disks, *, are_told: bool
    ) -> None:
        members = self.quorum.disks
        if not self.is_open or self.changes or old not in members or new in members:
            return
        self.alive.discard(new)
        if not self._bring(new):
            return
        tell_label(self.site.devices[new], epoch=self.epoch, journal_set=members)
        self.alive.add(new)
        self.changes = [self.quorum]
        changed = tuple(new if disk == old else disk for disk in members)
        self.quorum = JournalSet(disks=changed, tolerance=self.quorum.tolerance)
        self._commit(set(reached), changed)
        if not self.changes and are_told:
            for disk in {*members, *changed} & set(reached):
                tell_label(self.site.devices[disk], epoch=self.epoch, journal_set=changed)

    @rule()
    def checkpoint(self) -> None:
        if not self.is_open or self.pending:
            return
        with suppress(QuorumError):
            make_checkpoint(
                DirectDisks({disk: self.site.devices[disk] for disk in self.alive}),
                database=self.site.database,
                scratch=self.folder,
                quorum=self.quorum,
                wait_acknowledged=lambda _: None,
            )

    # Between sessions

    @rule(directory=DIRECTORIES)
    def crash(self, directory: str) -> None:
        for device in self.site.devices.values():
            device.lose_power()
        self.is_open = False
        folder = self.folder / self._next("pool-")
        if directory == "kept":
            shutil.copytree(self.site.folder, folder)
            self.copies.append(self.site.folder)
        elif directory == "old" and self.copies:
            shutil.copytree(self.copies[self.count % len(self.copies)], folder)
        self.site = Site(folder, self.site.devices)

    @rule(there=SUBSETS, reached=st.integers(0, 5))
    def open_some(self, there: Disks, reached: int) -> None:
        if not self.is_open:
            self._open(there, OpenMode.READ_WRITE, reached)

    @rule(reached=st.integers(2, 5))
    def open_all(self, reached: int) -> None:
        if not self.is_open:
            self._open(FIVE, OpenMode.READ_WRITE, reached)
            assert self.is_open or len(self.histories) > 1

    @rule(there=SUBSETS)
    def force_open(self, there: Disks) -> None:
        if not self.is_open and self.count % 3 == 0:
            self._open(there, OpenMode.FORCE, 5)

    def _open(self, there: Disks, mode: OpenMode, reached: int) -> None:
        opened: OpenedMetadata | None = None
        refusal = ""
        try:
            opened = self.site.open(*there, mode=mode, epoch_to=reached)
        except SplitHistoryError as error:
            refusal = f"split: {error}"
        except (QuorumError, PoolError) as error:
            refusal = str(error)
        if opened is None:
            assert refusal, "refused without a reason"
            is_forced_apart = len(self.histories) > 1
            assert is_forced_apart or not refusal.startswith("split"), refusal
            assert is_forced_apart or set(there) != set(FIVE), refusal
            return
        self._take_over(self.site.names(), mode)
        header = opened.head.header
        members = opened.holding if mode is OpenMode.FORCE else header.journal_set
        self.quorum = JournalSet(disks=members, tolerance=min(1, len(members) - 1))
        self.alive = set(opened.holding[:reached])
        self.last = Generation(opened.head.generation + 1)
        self.epoch = opened.next_epoch
        self.is_open = self.quorum.count(self.alive) >= self.quorum.acknowledging_count

    def _take_over(self, names: set[str], mode: OpenMode) -> None:
        """Check what an open found, and go on from it."""
        self.pending, self.changes = set(), []
        if mode is OpenMode.FORCE:
            self.histories.append(names)
            self.mine = len(self.histories) - 1
            return
        found = [number for number, known in enumerate(self.histories) if known <= names]
        assert found, f"acknowledged and missing: {self.histories[self.mine] - names}"
        self.mine = max(found)
        self.histories[self.mine] = names


TestHistoryMachine = HistoryMachine.TestCase
TestHistoryMachine.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)
