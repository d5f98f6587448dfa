"""Disks that come, go, fail and return; and the journal set that follows them.

Thread-safe: one lock around every change (lock order 1). Nothing here runs on
a thread that serves programs.
"""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

from engine.device.directory import DirectoryDevice
from engine.device.directory_setup import prepare_disk
from engine.errors import (
    CorruptionError,
    DeviceError,
    DeviceGoneError,
    EngineStoppedError,
    NameTakenError,
    PoolError,
    QuorumError,
    UsageError,
)
from engine.format.label import encode_label
from engine.ids import DiskId, DiskUuid, Generation
from engine.limits import DISKS_MAX, PROBE_S
from engine.model.disk import DiskRecord, DiskState, Tier
from engine.model.label import DiskLabel
from engine.observe.events import EventSeverity
from engine.policy.journal_set import choose_journal_set
from engine.pool.assembly import Engine
from engine.pool.config import DiskPath, load_config, save_config
from engine.pool.create import refuse_labelled
from engine.pool.devices import DiskOpener, require_directory, shared_devices
from engine.pool.disk_set import DiskPresence

CHANGE_S_MAX = 60.0
"""How long a change of members waits for its acknowledgement."""


class Membership:
    """Changes of the pool's disks."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._base = engine.base
        self._disks = engine.base.disks
        self._lock = threading.Lock()
        self._opener = DiskOpener()

    # Looking

    def probe(self) -> list[str]:
        """Look at every disk now; take in what is there, let go of what is not."""
        with self._lock:
            before = {one.record.disk_id for one in self._disks.presences() if one.present}
            for one in self._disks.presences():
                self._look_at(one)
            after = self._disks.presences()
            if before != {one.record.disk_id for one in after if one.present}:
                self._engine.measure_space()
            self._settle_journal_set()
            return [_sentence(one) for one in self._disks.presences()]

    def _look_at(self, one: DiskPresence) -> None:
        disk_id = one.record.disk_id
        if one.present:
            try:
                # Not through ``submit``: a disk marked failed is looked at, too.
                self._disks.probe(disk_id)
            except DeviceGoneError as error:
                self._disks.detach(disk_id, str(error).removeprefix(f"{one.record.path}: "))
            except DeviceError as error:
                self._disks.report_failure(disk_id, error)
            return
        opened = self._opener.open_member(
            one.record.path, pool=self._base.store.template.pool_uuid, disk=one.record.uuid
        )
        if opened.device is None:
            self._disks.note_absence(disk_id, opened.reason)
            return
        if not self._disks.attach(disk_id, opened.device):
            return
        if self._base.shipper is not None:
            self._base.shipper.retry_now()
        self._base.events.record(
            EventSeverity.INFO, one.record.name, f"{one.record.name} is back at {one.record.path}"
        )

    # The journal set

    def settle_journal_set(self) -> None:
        """Let J follow the disks that are there."""
        with self._lock:
            self._settle_journal_set()

    def _settle_journal_set(self) -> None:
        shipper, store = self._base.shipper, self._base.store
        if shipper is None or store.stopped:
            return
        current = store.template.journal_set
        wanted = self._wanted_journal_set()
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

    def _wanted_journal_set(self) -> tuple[DiskUuid, ...]:
        known = self._disks.presences()
        return choose_journal_set(
            [one.record for one in known],
            present=[one.record.uuid for one in known if one.present],
            current=self._base.store.template.journal_set,
            tolerance=self._engine.properties.tolerance,
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
        store, tables = self._base.store, self._base.tables
        with self._lock:
            with store.operation():
                tables.members.set_state(record.disk_id, state)
            with store.lock:
                generation = store.open_generation
            self._disks.set_state(record.disk_id, state)
            self._engine.make_safe(generation, CHANGE_S_MAX)
            self._base.events.record(
                EventSeverity.WARNING if state is not DiskState.HEALTHY else EventSeverity.INFO,
                record.name,
                f"{record.name} was set {state} by the operator",
            )
            self._settle_journal_set()
            self._engine.measure_space()
        return f"{record.name} is {state}"

    def add(self, path: str, tier: Tier) -> list[str]:
        """Make the directory *path* a disk of the pool; return sentences.

        The configuration names it first, so that no committed disk is ever
        unknown to an open; a crash between leaves a line that does no harm.
        """
        real = require_directory(path)
        with self._lock:
            known = self._disks.presences()
            if len(known) >= DISKS_MAX:
                raise UsageError(f"a pool has at most {DISKS_MAX} disks")
            refuse_labelled(real)
            record, device = self._prepare(real, tier)
            generation = self._insert(record, device)
            self._disks.add(record, device)
            # First the journals: with too many of the old ones gone, only a J with
            # the new disk acknowledges its own arrival, both roots at once (C7).
            self._settle_journal_set()
            self._engine.make_safe(generation, CHANGE_S_MAX)
            self._base.events.record(
                EventSeverity.INFO, record.name, f"{record.name} joined at {record.path}"
            )
            self._engine.measure_space()
            self._settle_journal_set()
            others = [one.record.path for one in known if one.present]
            warnings = [text for text in shared_devices([*others, real]) if real in text]
        return [*warnings, f"{record.name} is disk {record.uuid} at {real}, tier {tier}"]

    def _prepare(self, path: str, tier: Tier) -> tuple[DiskRecord, DirectoryDevice]:
        store = self._base.store
        number = store.new_disk_number()
        record = DiskRecord(
            disk_id=DiskId(number),
            uuid=DiskUuid(uuid4()),
            name=f"d{number}" if number < 1000 else f"d{len(self._disks.presences()) + 1}",
            path=path,
            tier=tier,
            state=DiskState.HEALTHY,
            added_generation=store.open_generation,
        )
        try:
            prepare_disk(path)
        except NameTakenError as error:
            raise PoolError(f"{path} is a disk already") from error
        device = DirectoryDevice.open(path)
        template = store.template
        device.set_label(
            encode_label(
                DiskLabel(
                    pool_uuid=template.pool_uuid,
                    pool_name=template.pool_name,
                    disk_uuid=record.uuid,
                    disk_name=record.name,
                    tier=tier,
                    epoch=template.epoch,
                    journal_set=template.journal_set,
                )
            )
        )
        return record, device

    def _insert(self, record: DiskRecord, device: DirectoryDevice) -> Generation:
        """Bring the new member into the open group; return its number.

        Only from then on may fragments go to the disk: no earlier group can name it.
        """
        base, store = self._base, self._base.store
        try:
            config = load_config(base.pool_dir)
            entry = DiskPath(name=record.name, uuid=record.uuid, path=record.path)
            save_config(base.pool_dir, replace(config, disks=(*config.disks, entry)))
            with store.lock:
                with store.operation():
                    base.tables.members.insert(record)
                template = store.template
                store.take_header(replace(template, members=(*template.members, record.uuid)))
                return store.open_generation
        except BaseException:
            device.close()
            raise


def _sentence(one: DiskPresence) -> str:
    name = one.record.name
    if not one.present:
        return f"{name}: gone from {one.record.path}: {one.reason}"
    return f"{name}: {one.record.state}, {one.record.path}" + (
        f": {one.reason}" if one.reason else ""
    )
