"""Disks that the operator takes away for maintenance, and brings back."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from engine.errors import QuorumError, UsageError
from engine.model.disk import DiskRecord
from engine.observe.events import EventSeverity
from engine.pool.assembly import Engine
from engine.pool.disk_set import DETACHED_REASON
from engine.pool.membership import CHANGE_S_MAX, Membership


class Detaching:
    """Lets go of disks and takes them back. Thread-safe."""

    def __init__(self, engine: Engine, membership: Membership) -> None:
        self._engine: Final = engine
        self._base: Final = engine.base
        self._membership: Final = membership

    def detach(self, record: DiskRecord) -> str:
        """Close and unlock a disk: its absence is no fault, and nothing is rebuilt for it.

        It stays a member, and away until ``attach``, also after a restart.

        Raises:
            UsageError: too few others can carry the journals; nothing changed.
            QuorumError: the journals could not be taken off it in time, and it is not
                detached; or that it is detached was not acknowledged in time, and
                the sentence says so: a crash may bring it back.
        """
        membership, disks = self._membership, self._base.disks
        with membership.lock:
            membership.leave_journal_set(record)
            marks = replace(disks.marks(record.disk_id), detached=True)
            try:
                membership.commit_marks(record, marks)
            except QuorumError as error:
                raise QuorumError(
                    f"{record.name} is detached, but a crash may bring it back: {error}"
                ) from error
            finally:
                # A disk with the mark is looked at by nobody. One that stayed in use,
                # because the mark was not acknowledged in time, would be taken for
                # present for ever, also when it is gone.
                if disks.marks(record.disk_id).detached:
                    self._release(record)
            self._engine.measure_space()
            membership.settle()
        return f"{record.name} is detached; attach it when it is back"

    def _release(self, record: DiskRecord) -> None:
        self._base.disks.release(record.disk_id, DETACHED_REASON)
        self._base.events.record(
            EventSeverity.INFO, record.name, f"{record.name} was {DETACHED_REASON}"
        )

    def attach(self, record: DiskRecord, path: str) -> str:
        """Take a disk back, at *path* when that is not empty.

        Raises:
            UsageError: it is there already, or not at that path.
        """
        membership, disks = self._membership, self._base.disks
        real = membership.opener.find_directory(path) if path else record.path
        with membership.lock:
            if disks.is_present(record.disk_id):
                raise UsageError(f"{record.name} is there already, at {record.path}")
            opened = membership.opener.open_member(
                real, pool=self._base.store.template.pool_uuid, disk=record.uuid
            )
            if opened.device is None:
                raise UsageError(f"{record.name} is not at {real}: {opened.reason}")
            try:
                self._commit(record, real)
            except BaseException:
                opened.device.close()
                raise
            came = membership.take_in(replace(record, path=real), opened.device)
            self._engine.measure_space()
            membership.settle()
        if not came:
            raise UsageError(f"{record.name} at {real} does not answer; it is looked for again")
        return f"{record.name} is back at {real}"

    def _commit(self, record: DiskRecord, path: str) -> None:
        """Note that the disk is not detached any more, and where it is."""
        store, members, disks = self._base.store, self._base.tables.members, self._base.disks
        marks = replace(disks.marks(record.disk_id), detached=False)
        with store.lock:
            with store.operation():
                members.set_marks(record.disk_id, marks)
                members.set_path(record.disk_id, path)
            generation = store.open_generation
        disks.set_marks(record.disk_id, marks)
        disks.set_path(record.disk_id, path)
        self._membership.write_config([one.record for one in disks.presences()])
        self._engine.make_safe(generation, CHANGE_S_MAX)
