"""A whole engine in memory that is maintained by hand and meets every trouble disks have."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final
from uuid import UUID

from engine.device.memory import MemoryDevice
from engine.extents.verdict import Verdict
from engine.format.label import encode_label
from engine.ids import DiskId, DiskUuid, Epoch, ExtentId
from engine.maintenance.check import check_metadata
from engine.metadata.database import open_reader
from engine.model.disk import DiskRecord, DiskState, Tier
from engine.model.label import DiskLabel
from engine.pool.assembly import Engine
from engine.pool.maintenance import Maintenance
from engine.pool.membership import Membership
from tests.memory_engine import POOL, MemoryEngine

LOSSES_MAX: Final = 2
"""How many disks the pool may lose."""

TURNS_MAX: Final = 3000
PAUSE_S: Final = 0.01


class TroubledEngine(MemoryEngine):
    """One thread drives it; builders land beside, as in a pool."""

    def __init__(self, folder: Path) -> None:
        self._rotten: dict[tuple[DiskUuid, str], bytes] = {}
        self.failed: set[DiskUuid] = set()
        super().__init__(folder)

    def _open(self) -> Engine:
        engine = super()._open()
        self.membership = Membership(engine)
        self.maintenance = Maintenance(engine, journal_bytes=0)
        # What readers find reaches maintenance, as in a pool; opening comes before it.
        engine.base.disks._on_corruption = self._hear
        self.membership.settle_journal_set()
        return engine

    def _hear(self, extent_id: ExtentId, index: int, disk_id: DiskId, kind: Verdict) -> None:
        self.maintenance.report(extent_id, index, disk_id, kind)

    # What is wrong now, told without the engine

    def rotten_disks(self) -> set[DiskUuid]:
        """Return the disks on which a fragment still is not what was written."""
        for uuid, name in list(self._rotten):
            file = self.devices[uuid]._files.get(name)
            if file is None or file.data == self._rotten[uuid, name]:
                del self._rotten[uuid, name]
        return {uuid for uuid, _ in self._rotten}

    def harmed(self) -> set[DiskUuid]:
        """Return the disks that do not count now; a failed one does when it was replaced."""
        needed = {uuid for uuid in self.failed if self.fragments_on(uuid)}
        return self.missing | needed | self.rotten_disks()

    def may_harm(self, *uuids: DiskUuid) -> bool:
        """Whether the pool bears the loss of these, too, and goes on (P3, P4)."""
        journals = set(self.engine.base.store.template.journal_set)
        answering = journals - self.missing - self.failed - set(uuids)
        return len(self.harmed() | set(uuids)) <= LOSSES_MAX < len(answering)

    # Trouble

    def rot(self, uuid: DiskUuid, position: int) -> None:
        """Flip a byte in every fragment of the disk."""
        device = self.devices[uuid]
        for name, file in list(device._files.items()):
            if not name.startswith("fragments/"):
                continue
            data = bytearray(file.data)
            data[position % len(data)] ^= 0xFF
            self._rotten.setdefault((uuid, name), file.data)
            changed = replace(file, data=bytes(data))
            device._files[name] = changed
            if name in device._durable:
                device._durable[name] = changed

    def forget_pages(self) -> None:
        """Empty the page cache, so that reads ask the disks."""
        store = self.engine.base.store
        with store.lock:
            rows = list(store.connection.execute("SELECT id FROM extent"))
        for (extent_id,) in rows:
            self.engine.reader.cache.drop_extent(ExtentId(extent_id))

    def answer_again(self) -> None:
        """Let missing disks answer as if nothing had been; they missed what came meanwhile."""
        for uuid in self.missing:
            self.devices[uuid].come_back()
        self.missing.clear()
        self._attach_detached()
        assert self.engine.base.shipper is not None
        self.engine.base.shipper.retry_now()
        self.membership.settle_journal_set()

    def _attach_detached(self) -> None:
        for one in self.engine.base.disks.presences():
            if not one.present:
                device = self.devices[one.record.uuid]
                device.lose_power()
                self.engine.base.disks.attach(one.record.disk_id, device)

    def fail(self, uuid: DiskUuid) -> None:
        """Mark a disk failed, as an operator does."""
        self.membership.set_state(self._record(uuid), DiskState.FAILED)
        self.failed.add(uuid)

    def pardon(self, uuid: DiskUuid) -> None:
        """Take a failed disk back: what it holds counts again."""
        self.membership.set_state(self._record(uuid), DiskState.HEALTHY)
        self.failed.remove(uuid)

    def _record(self, uuid: DiskUuid) -> DiskRecord:
        return next(one for one in self._records if one.uuid == uuid)

    def add_disk(self) -> None:
        """A new, empty disk joins: ``Membership.add`` without its directory."""
        base = self.engine.base
        number = base.store.new_disk_number()
        record = DiskRecord(
            disk_id=DiskId(number),
            uuid=DiskUuid(UUID(int=1000 + number)),
            name=f"d{number}",
            path=f"/memory/{number}",
            tier=Tier.HOT,
            state=DiskState.HEALTHY,
            added_generation=base.store.open_generation,
        )
        device = self.devices[record.uuid] = MemoryDevice()
        device.set_label(encode_label(self._label(record)))
        self._records.append(record)
        with base.store.lock:
            with base.store.operation():
                base.tables.members.insert(record)
            template = base.store.template
            members = (*template.members, record.uuid)
            base.store.take_header(replace(template, members=members))
            generation = base.store.open_generation
        base.disks.add(record, device)
        self.membership.settle_journal_set()
        self.engine.make_safe(generation, 10.0)
        self.engine.measure_space()

    def _label(self, record: DiskRecord) -> DiskLabel:
        template = self.engine.base.store.template
        return DiskLabel(
            pool_uuid=POOL,
            pool_name="tank",
            disk_uuid=record.uuid,
            disk_name=record.name,
            tier=record.tier,
            epoch=Epoch(template.epoch),
            journal_set=template.journal_set,
        )

    # Maintenance

    def take_turns(self, count: int) -> None:
        """Let maintenance take so many steps, fewer when there is nothing to do."""
        for _ in range(count):
            if self.maintenance.turn():
                return

    def rebuild(self) -> None:
        """Mend everything that can be mended, now."""
        self.maintenance.reconcile.start_now()
        for _ in range(TURNS_MAX):
            rest_s = self.maintenance.turn()
            if rest_s and not self.maintenance.reconcile.has_work():
                return
            # It rests for the foreground's sake: by the clock, not by turns.
            threading.Event().wait(min(rest_s, PAUSE_S))
        raise AssertionError("reconcile does not come to rest")

    def fragments_on(self, uuid: DiskUuid) -> int:
        """Return how many fragments the metadata places on a disk."""
        store = self.engine.base.store
        with store.lock:
            query = "SELECT count(*) FROM fragment WHERE disk = ?"
            rows = list(store.connection.execute(query, (self._record(uuid).disk_id,)))
        return int(rows[0][0])

    def contradictions(self) -> Sequence[str]:
        """Return what ``check`` finds on the newest committed group."""
        self.commit()
        connection = open_reader(self.engine.base.database)
        try:
            connection.execute("BEGIN")
            return check_metadata(connection)
        finally:
            connection.close()
