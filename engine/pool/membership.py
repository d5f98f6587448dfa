"""Disks that come, go, fail and return; and the journal set that follows them.

Thread-safe: one lock around every change (lock order 1). Nothing here runs on
a thread that serves programs.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from uuid import uuid4

from engine.device.directory import DirectoryDevice
from engine.device.protocol import Device
from engine.errors import (
    CorruptionError,
    DeviceError,
    DeviceGoneError,
    DeviceSlowError,
    EngineStoppedError,
    QuorumError,
    UsageError,
)
from engine.ids import DiskId, DiskUuid, Generation
from engine.limits import DISKS_MAX, PROBE_S
from engine.metadata.members import NO_MARKS, count_fragments
from engine.model.disk import DiskMarks, DiskRecord, DiskState, Tier
from engine.observe.events import EventSeverity
from engine.policy.journal_set import choose_journal_set
from engine.pool.assembly import Engine
from engine.pool.config import DiskPath, load_config, save_config
from engine.pool.create import refuse_labelled
from engine.pool.devices import DiskOpener
from engine.pool.disk_set import DiskPresence
from engine.pool.joining import holds_root, is_leftover, label_disk, undo_disk, unlabel_disk
from engine.pool.journal_reach import JournalReach

CHANGE_S_MAX = 60.0
"""How long a change of members waits for its acknowledgement."""


class Membership:
    """Changes of the pool's disks."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._base = engine.base
        self._disks = engine.base.disks
        self.lock = threading.Lock()
        """Around every change of members (lock order 1)."""
        self.opener = DiskOpener()
        self.on_return: list[Callable[[DiskId], None]] = []
        """Hear of a disk that is back, to test it; until it is tested it is suspect."""

    # Looking

    def probe(self) -> list[str]:
        """Look at every disk now; take in what is there, let go of what is not."""
        with self.lock:
            before = {one.record.disk_id for one in self._disks.presences() if one.present}
            for one in self._disks.presences():
                self._look_at(one)
            after = self._disks.presences()
            if before != {one.record.disk_id for one in after if one.present}:
                self._engine.measure_space()
            self.settle()
            return [_sentence(one) for one in self._disks.presences()]

    def _look_at(self, one: DiskPresence) -> None:
        disk_id = one.record.disk_id
        if one.marks.detached:
            return  # The operator has it in hand.
        if one.present:
            try:
                # Not through ``submit``: a disk marked failed is looked at, too.
                self._disks.probe(disk_id)
            except DeviceGoneError as error:
                self._disks.detach(disk_id, str(error).removeprefix(f"{one.record.path}: "))
            except DeviceError as error:
                self._disks.report_failure(disk_id, error)
            return
        opened = self.opener.open_member(
            one.record.path, pool=self._base.store.template.pool_uuid, disk=one.record.uuid
        )
        if opened.device is None:
            self._disks.note_absence(disk_id, opened.reason)
            return
        self.take_in(one.record, opened.device)

    def take_in(self, record: DiskRecord, device: Device) -> bool:
        """Reach a member that is back through *device*; False when it left again; lock held."""
        if not self._disks.attach(record.disk_id, device, on_trial=bool(self.on_return)):
            return False
        for hear in self.on_return:
            hear(record.disk_id)
        if self._base.shipper is not None:
            self._base.shipper.retry_now()
        self._base.events.record(
            EventSeverity.INFO, record.name, f"{record.name} is back at {record.path}"
        )
        return True

    # The journal set

    def settle_journal_set(self) -> None:
        """Let J follow the disks that are there."""
        with self.lock:
            self.settle()

    def settle(self, without: Collection[DiskUuid] = ()) -> None:
        """Bring J to where it should be, *without* those about to go; lock held."""
        shipper, store = self._base.shipper, self._base.store
        if shipper is None or store.stopped:
            return
        current = store.template.journal_set
        wanted = self.wanted_journal_set(without)
        tolerance = store.template.tolerance
        if len(wanted) <= min(tolerance, len(self._disks.presences()) - 1):
            self._engine.read_only_reason = (
                f"{len(wanted)} disks are left to carry the journals, {tolerance + 1} needed"
            )
            return
        try:
            if wanted != current or self._tolerance_of(wanted) != tolerance:
                self._change_journal_set(wanted)
            elif self._engine.read_only_reason:
                # A change that was not acknowledged in time may be by now, or not.
                self._engine.make_safe(store.template.generation, PROBE_S)
            self._engine.read_only_reason = ""
        except (QuorumError, DeviceError, CorruptionError, EngineStoppedError) as error:
            # Also what one disk's damage makes impossible: the pool goes on without (P7).
            self._base.events.record(
                EventSeverity.ERROR, "journals", f"the journal set could not change: {error}"
            )
            if isinstance(error, QuorumError):
                self._engine.read_only_reason = str(error)

    def wanted_journal_set(self, without: Collection[DiskUuid] = ()) -> tuple[DiskUuid, ...]:
        """Return what J should be today, *without* some of the disks that are there."""
        known = self._disks.presences()
        return choose_journal_set(
            [one.record for one in known],
            present=[
                one.record.uuid for one in known if one.present and one.record.uuid not in without
            ],
            current=self._base.store.template.journal_set,
            tolerance=self._engine.properties.tolerance,
            spares=[one.record.uuid for one in known if one.marks.spare],
        )

    def _tolerance_of(self, wanted: tuple[DiskUuid, ...]) -> int:
        """Return m for a new J: never lowered, and raised again behind a forced open."""
        possible = min(self._engine.properties.tolerance, len(wanted) - 1)
        return max(self._base.store.template.tolerance, possible)

    def _change_journal_set(self, wanted: tuple[DiskUuid, ...]) -> None:
        """Bring new members up, then commit the change as a root (C7)."""
        shipper, store = self._base.shipper, self._base.store
        assert shipper is not None
        for uuid in wanted:
            if uuid not in store.template.journal_set:
                shipper.prepare_member(uuid)
        with store.lock:
            tolerance = self._tolerance_of(wanted)
            store.take_header(replace(store.template, journal_set=wanted, tolerance=tolerance))
            generation = store.open_generation
        self._engine.make_safe(generation, CHANGE_S_MAX)
        names = {one.record.uuid: one.record.name for one in self._disks.presences()}
        self._base.events.record(
            EventSeverity.INFO,
            "journals",
            "the journals are on " + ", ".join(names[uuid] for uuid in wanted),
        )

    def leave_journal_set(self, record: DiskRecord) -> None:
        """Take a disk out of J and wait until that is acknowledged (C7); lock held.

        Raises:
            UsageError: too few others are left to carry the journals; nothing changed.
            QuorumError: the change was not acknowledged in time.
        """
        store = self._base.store
        if record.uuid not in store.template.journal_set:
            return
        left = self.wanted_journal_set({record.uuid})
        if len(left) <= min(store.template.tolerance, len(self._disks.presences()) - 1):
            raise UsageError(
                f"{record.name} carries the journals, and only {len(left)} other disks can;"
                f" {store.template.tolerance + 1} are needed: add a disk first"
            )
        self.settle({record.uuid})
        if record.uuid in store.template.journal_set or self._engine.read_only_reason:
            raise QuorumError(
                f"the journals could not be taken off {record.name}:"
                f" {self._engine.read_only_reason or 'see the events'}"
            )

    # Changing

    def find(self, disk: str) -> DiskRecord:
        """Return the disk that *disk* names: a name, a UUID prefix or a path."""
        records = [one.record for one in self._disks.presences()]
        wanted_path = str(Path(disk).resolve()) if "/" in disk else ""
        found = [
            record
            for record in records
            if disk == record.name
            or (len(disk) >= 4 and str(record.uuid).startswith(disk.lower()))
            or (wanted_path and record.path == wanted_path)
        ]
        if len(found) != 1:
            names = ", ".join(record.name for record in found or records)
            problem = "names more than one disk" if found else "names no disk of this pool"
            raise UsageError(f"{disk!r} {problem} ({names})")
        return found[0]

    def set_state(self, record: DiskRecord, state: DiskState) -> str:
        """Commit a disk's state and let everything follow it."""
        with self.lock:
            self.commit_state(record, state)
            self._base.events.record(
                EventSeverity.WARNING if state is not DiskState.HEALTHY else EventSeverity.INFO,
                record.name,
                f"{record.name} was set {state} by the operator",
            )
            self.settle()
            self._engine.measure_space()
        return f"{record.name} is {state}"

    def commit_state(
        self,
        record: DiskRecord,
        state: DiskState,
        *,
        replaced_by: DiskId | None = None,
        cause: str = "",
    ) -> None:
        """Commit a state and the marks that go with it; lock held.

        A disk that is healthy again is neither leaving nor replaced. *cause* is
        why its health changed by itself; empty when the operator wishes it so,
        which ends every doubt about the disk.
        """
        store, members = self._base.store, self._base.tables.members
        leaving = state in (DiskState.DRAINING, DiskState.FAILED)
        with self._engine.readers.read() as connection:
            fragments = count_fragments(connection, record.disk_id) if leaving else 0
        with store.lock:
            old = members.marks(record.disk_id)
            marks = replace(
                old,
                replaced_by=(replaced_by or old.replaced_by) if leaving else None,
                leaving_fragments=fragments,
                wished=old.wished if cause else state,
                since_ns=self._base.clock.now_ns(),
                cause=cause,
            )
            with store.operation():
                members.set_state(record.disk_id, state)
                members.set_marks(record.disk_id, marks)
            generation = store.open_generation
        if not cause:
            self._disks.end_doubts(record.disk_id)
        self._disks.set_state(record.disk_id, state)
        self._disks.set_marks(record.disk_id, marks)
        self._engine.make_safe(generation, CHANGE_S_MAX)

    def commit_marks(self, record: DiskRecord, marks: DiskMarks) -> None:
        """Commit what the operator decided about a disk; lock held."""
        store = self._base.store
        with store.lock:
            with store.operation():
                self._base.tables.members.set_marks(record.disk_id, marks)
            generation = store.open_generation
        self._disks.set_marks(record.disk_id, marks)
        self._engine.make_safe(generation, CHANGE_S_MAX)

    def add(self, path: str, tier: Tier, marks: DiskMarks = NO_MARKS) -> list[str]:
        """Make the directory *path* a disk of the pool; return sentences.

        The configuration names it first, so that no committed disk is ever
        unknown to an open; a crash between leaves a line that does no harm, and
        a directory that the next ``add`` of it finishes.
        """
        real = self.opener.find_directory(path)
        with self.lock:
            others = [one.record.path for one in self._disks.presences() if one.present]
            record = self.join(real, tier, marks)
        return [
            *self.opener.find_shared(real, others),
            f"{record.name} is disk {record.uuid} at {real}, tier {tier}",
        ]

    def join(self, real: str, tier: Tier, marks: DiskMarks = NO_MARKS) -> DiskRecord:
        """Make the directory *real* a disk, and wait until it is a member; lock held.

        One that stops answering is given up; what was made of it is removed again
        once it answers.
        """
        if len(self._disks.presences()) >= DISKS_MAX:
            raise UsageError(f"a pool has at most {DISKS_MAX} disks")
        if self.refuse_taken(real):
            self.opener.ask(real, lambda: unlabel_disk(real))
        record, template = self._new_record(real, tier), self._base.store.template
        device = self.opener.ask(
            real, lambda: label_disk(record, template), let_go=partial(undo_disk, real)
        )
        generation = self._insert(record, marks, device)
        self._disks.add(record, device, marks=marks)
        # First the journals: with too many of the old ones gone, only a J with
        # the new disk acknowledges its own arrival, both roots at once (C7).
        self.settle()
        self._engine.make_safe(generation, CHANGE_S_MAX)
        self._base.events.record(
            EventSeverity.INFO, record.name, f"{record.name} joined at {record.path}"
        )
        self._engine.measure_space()
        self.settle()
        return record

    def refuse_taken(self, real: str) -> bool:
        """Refuse a directory that cannot become a disk; return whether it is a leftover of ours.

        Raises:
            PoolError: it is a disk of this pool or another, or somebody's data.
            DeviceSlowError: it does not answer.
        """
        return self.opener.ask(real, lambda: self._is_leftover(real))

    def _is_leftover(self, real: str) -> bool:
        template = self._base.store.template
        reach = JournalReach(self._disks)
        if is_leftover(
            real, template=template, is_ours=lambda root: holds_root(reach, template, root)
        ):
            return True
        refuse_labelled(real)
        return False

    def _new_record(self, path: str, tier: Tier) -> DiskRecord:
        store = self._base.store
        with store.lock:
            name = self._base.tables.members.next_name()
        return DiskRecord(
            disk_id=DiskId(store.new_disk_number()),
            uuid=DiskUuid(uuid4()),
            name=name,
            path=path,
            tier=tier,
            state=DiskState.HEALTHY,
            added_generation=store.open_generation,
        )

    def _insert(self, record: DiskRecord, marks: DiskMarks, device: DirectoryDevice) -> Generation:
        """Bring the new member into the open group; return its number.

        Only from then on may fragments go to the disk: no earlier group can name it.
        When that fails the directory is what it was before.
        """
        base, store = self._base, self._base.store
        try:
            known = [one.record for one in self._disks.presences()]
            self.write_config([*known, record])
            with store.lock:
                with store.operation():
                    base.tables.members.insert(record)
                    base.tables.members.set_marks(record.disk_id, marks)
                template = store.template
                store.take_header(replace(template, members=(*template.members, record.uuid)))
                return store.open_generation
        except BaseException:
            with suppress(DeviceSlowError):
                self.opener.ask(record.path, partial(undo_disk, record.path, device))
            raise

    def write_config(self, records: Sequence[DiskRecord]) -> None:
        """Name exactly *records* in the configuration; lines of others go."""
        config = load_config(self._base.pool_dir)
        entries = tuple(DiskPath(name=one.name, uuid=one.uuid, path=one.path) for one in records)
        save_config(self._base.pool_dir, replace(config, disks=entries))


def _sentence(one: DiskPresence) -> str:
    name = one.record.name
    if one.marks.detached:
        return f"{name}: detached by the operator, last at {one.record.path}"
    if not one.present:
        return f"{name}: gone from {one.record.path}: {one.reason}"
    return f"{name}: {one.record.state}, {one.record.path}" + (
        f": {one.reason}" if one.reason else ""
    )
