"""Putting a new disk in the place of another, which may be gone."""

from __future__ import annotations

from typing import Final

from engine.errors import UsageError
from engine.model.disk import DiskRecord, DiskState, Tier
from engine.observe.events import EventSeverity
from engine.pool.assembly import Engine
from engine.pool.membership import Membership


class Replacing:
    """Begins replacements; ``Successions`` ends them. Thread-safe."""

    def __init__(self, engine: Engine, membership: Membership) -> None:
        self._engine: Final = engine
        self._base: Final = engine.base
        self._membership: Final = membership

    def replace(self, old: DiskRecord, path: str, tier: Tier) -> str:
        """Make *path* a disk and have it take what *old* has, or had.

        A disk that is there is emptied like one that drains, so it is read from
        until the end; one that is not counts as failed and is rebuilt at once.
        *path* may be another disk of the pool already: so an interrupted
        ``replace`` is repeated, and so a spare takes a disk's place.

        Raises:
            PoolError, UsageError, DeviceError: it cannot become a disk; nothing changed.
        """
        real = self._membership.opener.find_directory(path)
        with self._membership.lock:
            new = self._member_at(real)
            if new is None:
                new = self._membership.join(real, tier)
            elif new.disk_id == old.disk_id or new.state is not DiskState.HEALTHY:
                raise UsageError(f"{real} is {new.name}, which cannot take the place of {old.name}")
            is_read = self._base.disks.readable(old.disk_id)
            state = DiskState.DRAINING if is_read else DiskState.FAILED
            self._membership.commit_state(old, state, replaced_by=new.disk_id)
            self._membership.settle()
            self._engine.measure_space()
        how = "moves" if is_read else "is rebuilt"
        text = f"what {old.name} had {how} to {new.name} at {real}"
        self._base.events.record(EventSeverity.INFO, old.name, text)
        return f"{text}; {old.name} leaves the pool by itself when nothing is left on it"

    def _member_at(self, real: str) -> DiskRecord | None:
        """Return the disk of the pool that is at *real* now."""
        for one in self._base.disks.presences():
            if one.present and one.record.path == real:
                return one.record
        return None
