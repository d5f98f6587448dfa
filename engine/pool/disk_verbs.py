"""Verbs of disks on an open pool (``engine.status.facets.DiskControl``). Thread-safe."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

from engine.errors import QuorumError, ReadOnlyError, UsageError
from engine.model.disk import DiskRecord, DiskState, Tier
from engine.policy.plan import DiskVerb
from engine.pool.audited import note_judgement
from engine.pool.detaching import Detaching
from engine.pool.plans import Plans
from engine.pool.pool import Pool
from engine.pool.removal import Removal
from engine.pool.replacing import Replacing
from engine.pool.sparing import set_spare
from engine.pool.what_if import WhatIf
from engine.status.answers import Judgement, PlanView, WhatIfView
from engine.vfs.landing import LandingError


class DiskVerbs:
    """What an operator may ask here of *pool*."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._plans = Plans(pool)
        self._what_if = WhatIf(pool)
        self._detaching = Detaching(pool.engine, pool.membership)
        self._removal = Removal(pool.engine, pool.membership)
        self._replacing = Replacing(pool.engine, pool.membership)

    # Look

    def plan(self, verb: str, disk: str, replacement: str) -> PlanView:
        """Return what *verb* would do to *disk*; *replacement* is the new path of ``replace``."""
        return self._plans.plan(verb, disk, replacement)

    def what_if(self, disks: Sequence[str]) -> WhatIfView:
        """Return what losing *disks* now would mean."""
        return self._what_if.answer(disks)

    # Act

    def drain(self, disk: str, basis: str = "") -> str:
        """Move all fragments off *disk*; it stays a member, draining, until removed."""
        record = self._agreed(DiskVerb.DRAIN, disk, basis)
        self._pool.membership.set_state(record, DiskState.DRAINING)
        # What was on its way to the disk is counted as on it when this returns;
        # what cannot land now, for want of disks say, is moved when it has.
        with suppress(LandingError, QuorumError):
            self._pool.engine.syncer.sync_all()
        self._follow()
        return f"{record.name} is being emptied; remove it when nothing is left on it"

    def fail(self, disk: str, basis: str = "", *, force: bool = False) -> str:
        """Mark *disk* failed and rebuild what it had; *force*: although that is blocked."""
        record = self._agreed(DiskVerb.FAIL, disk, basis, force=force)
        sentence = self._pool.membership.set_state(record, DiskState.FAILED)
        self._follow()
        return sentence

    def replace(self, disk: str, path: str, tier: str, basis: str = "") -> str:
        """Make *path* a disk and move what *disk* had to it; *disk* may be gone."""
        try:
            wanted = Tier(tier) if tier else None
        except ValueError as error:
            raise UsageError(f"{tier!r} is no tier: {', '.join(Tier)}") from error
        record = self._agreed(DiskVerb.REPLACE, disk, basis, path)
        sentence = self._replacing.replace(record, path, wanted or record.tier)
        self._follow()
        return sentence

    def remove(self, disk: str, basis: str = "") -> str:
        """Take *disk* out of the pool; UsageError while extents still have fragments on it."""
        sentence = self._removal.remove(self._agreed(DiskVerb.REMOVE, disk, basis))
        self._follow()
        return sentence

    def detach(self, disk: str, basis: str = "") -> str:
        """Let go of *disk* for maintenance: closed, absent without fault or rebuild."""
        sentence = self._detaching.detach(self._agreed(DiskVerb.DETACH, disk, basis))
        self._follow()
        return sentence

    def attach(self, disk: str, path: str) -> str:
        """Take a detached disk back, at *path* when that is not empty."""
        self._require_started()
        sentence = self._detaching.attach(self._pool.membership.find(disk), path)
        self._follow()
        return sentence

    def set_spare(self, disk: str, *, spare: bool) -> str:
        """Make *disk* a spare, or an ordinary disk."""
        return set_spare(self._pool, disk, spare=spare)

    def _agreed(
        self, verb: DiskVerb, disk: str, basis: str, path: str = "", *, force: bool = False
    ) -> DiskRecord:
        """Return the disk, if what was planned still holds and nothing speaks against it.

        *force* overrules what a plan says, not the basis it was made on.

        Raises:
            ReadOnlyError: the pool cannot be changed.
            PoolBusyError: *basis* is no longer the pool's.
            UsageError: no such disk, or a plan made now is blocked.
        """
        self._require_started()
        self._plans.require_basis(basis)
        plan = self._plans.plan(verb, disk, path)
        note_judgement(plan.judgement)
        if plan.judgement is Judgement.BLOCKED and not force:
            raise UsageError(plan.reasons[0])
        return self._pool.membership.find(disk)

    def _require_started(self) -> None:
        """Also where too few journals are left: a disk more, or back, is the cure."""
        if reason := self._pool.engine.base.store.stopped:
            raise ReadOnlyError(f"the pool cannot be changed now: {reason}")

    def _follow(self) -> None:
        self._pool.refresh_figures()
        self._pool.maintenance.wake.set()
