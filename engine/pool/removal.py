"""Taking a disk out of the pool once nothing is left on it."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from engine.errors import DamagedRecordError, DeviceError, EngineError, UsageError
from engine.format.label import decode_label, encode_label
from engine.ids import Generation
from engine.limits import STEP_ROWS_MAX
from engine.model.disk import DiskRecord, DiskState
from engine.observe.events import EventSeverity
from engine.pool.assembly import Engine
from engine.pool.membership import CHANGE_S_MAX, Membership


class Removal:
    """Removes disks. Thread-safe: under the lock of the membership."""

    def __init__(self, engine: Engine, membership: Membership) -> None:
        self._engine: Final = engine
        self._base: Final = engine.base
        self._membership: Final = membership

    def remove(self, record: DiskRecord) -> str:
        """Take *record* out of the pool: member table, root, configuration, label.

        First J leaves it, then new data does (it is draining from then on), and
        what was on its way to it has landed, before its emptiness is looked at
        for the last time, in the operation that removes it. Its id and UUID are
        never used again.

        Raises:
            UsageError: fragments are on it, or too few others can carry the journals.
            QuorumError: it was not acknowledged in time; it may be later.
        """
        with self._membership.lock:
            self._refuse_unless_empty(record)
            self._membership.leave_journal_set(record)
            if record.state not in (DiskState.DRAINING, DiskState.FAILED):
                self._membership.commit_state(record, DiskState.DRAINING)
            self._engine.syncer.sync_all(CHANGE_S_MAX)
            self._forget_dropped(record)
            generation = self._commit(record)
            try:
                self._engine.make_safe(generation, CHANGE_S_MAX)
                # Only now, so that no committed member is ever unknown to an open.
                known = [one.record for one in self._base.disks.presences()]
                self._membership.write_config([one for one in known if one.uuid != record.uuid])
            finally:
                # The database knows it no more, whatever became of the rest.
                self._base.disks.remove(record.disk_id)
                self._engine.measure_space()
            retired = self._retire(record)
            self._membership.settle()
        text = f"{record.name} is no disk of the pool any more"
        self._base.events.record(EventSeverity.INFO, record.name, f"{text}; it was {record.path}")
        return text if retired else f"{text}; its label still says so, for it could not be reached"

    def _refuse_unless_empty(self, record: DiskRecord) -> None:
        with self._base.store.lock:
            holds = self._base.tables.members.has_fragments(record.disk_id)
        if holds:
            raise UsageError(
                f"fragments are on {record.name}: drain it first, or mark it failed"
                " and let the rebuild finish"
            )

    def _forget_dropped(self, record: DiskRecord) -> None:
        """Forget files that were to be deleted from it, in bounded steps (P8)."""
        store, members = self._base.store, self._base.tables.members
        count = STEP_ROWS_MAX
        while count == STEP_ROWS_MAX:
            with store.operation():
                count = members.forget_dropped(record.disk_id, STEP_ROWS_MAX)

    def _commit(self, record: DiskRecord) -> Generation:
        """Remove the rows and the member, if it is empty still; return the group."""
        store, tables = self._base.store, self._base.tables
        with store.lock:
            if tables.members.has_fragments(record.disk_id):
                raise UsageError(f"{record.name} was given fragments meanwhile; it is draining now")
            with store.operation():
                tables.members.remove(record.disk_id)
            # A copy may be under way to it that was begun before it was draining.
            tables.extents.refuse_disk(record.disk_id)
            template = store.template
            members = tuple(uuid for uuid in template.members if uuid != record.uuid)
            store.take_header(replace(template, members=members))
            return store.open_generation

    def _retire(self, record: DiskRecord) -> bool:
        """Say in its label that it left, so that nobody takes it for a missing member.

        Behind the last of our own calls: one that tells labels of a journal set
        would write over it what it read before.
        """
        pool = self._base.store.template.pool_uuid
        opened = self._membership.opener.open_member(record.path, pool=pool, disk=record.uuid)
        if opened.device is None:
            return False
        try:
            label = decode_label(opened.device.get_label())
            opened.device.set_label(encode_label(replace(label, retired=True)))
        except (DeviceError, DamagedRecordError):
            return False
        finally:
            opened.device.close()
        return True


class Successions:
    """Disks that leave by themselves once their replacement has what they had."""

    def __init__(self, engine: Engine, removal: Removal) -> None:
        self._base: Final = engine.base
        self._removal: Final = removal
        self._told = ""

    def finish(self) -> None:
        """Remove every replaced disk that is empty. For the probe thread; never raises."""
        for one in self._base.disks.presences():
            if one.marks.replaced_by is None or self._base.store.stopped:
                continue
            with self._base.store.lock:
                holds = self._base.tables.members.has_fragments(one.record.disk_id)
            if holds:
                continue
            try:
                self._removal.remove(one.record)
            except EngineError as error:
                # Once for each reason: it is tried again at every probe.
                if str(error) != self._told:
                    self._told = str(error)
                    self._base.events.record(
                        EventSeverity.WARNING, one.record.name, f"it cannot leave yet: {error}"
                    )
