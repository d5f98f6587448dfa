"""What a verb on a disk would do, found without doing it."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from typing import Final

from blake3 import blake3

from engine.errors import DeviceError, PoolBusyError, PoolError, UsageError
from engine.ids import DiskId
from engine.metadata.members import count_fragments
from engine.model.disk import DiskRecord, DiskState
from engine.model.redundancy import fragment_count
from engine.policy.capacity import reserve_bytes
from engine.policy.forecast import Forecast
from engine.policy.placement import DiskSpace
from engine.policy.plan import DiskVerb, PlanFacts, Ruling, judge
from engine.pool.disk_set import DiskPresence
from engine.pool.health_view import ERROR_KINDS
from engine.pool.outlook import Lookout, Outlook
from engine.pool.pool import Pool
from engine.pool.properties import Narrow
from engine.pool.work_rate import seconds_for
from engine.status.answers import Judgement, PlanView, TargetView

_MOVING: Final = (DiskVerb.DRAIN, DiskVerb.REPLACE, DiskVerb.FAIL)
_NEWCOMER: Final = DiskId(-1)
"""Stands for a disk that has no id yet."""

_COMMANDS: Final = {
    DiskVerb.DRAIN: "drain {pool} {disk} --yes",
    DiskVerb.REPLACE: "replace {pool} {disk} {path} --yes",
    DiskVerb.REMOVE: "remove-disk {pool} {disk} --yes",
    DiskVerb.FAIL: "fail-disk {pool} {disk} --yes",
    DiskVerb.DETACH: "detach {pool} {disk} --yes",
    DiskVerb.ATTACH: "attach {pool} {disk}",
    DiskVerb.HEAL: "set-disk-health {pool} {disk} healthy",
}


class Plans:
    """Plans verbs of one pool. Any thread; changes nothing."""

    def __init__(self, pool: Pool) -> None:
        self._pool: Final = pool
        self._base: Final = pool.engine.base
        self._lookout: Final = Lookout(pool.engine)

    def plan(self, verb: str, disk: str, replacement: str) -> PlanView:
        """Return what *verb* would do to *disk*; *replacement* is the new path of ``replace``.

        Raises:
            UsageError: no such verb or disk.
        """
        try:
            wanted = DiskVerb(verb)
        except ValueError as error:
            raise UsageError(f"{verb!r} is nothing to plan: {', '.join(DiskVerb)}") from error
        record = self._pool.membership.find(disk)
        presence = next(
            one for one in self._base.disks.presences() if one.record.disk_id == record.disk_id
        )
        basis = self.basis()
        newcomer, obstacle = None, ""
        if wanted is DiskVerb.REPLACE:
            newcomer, obstacle = self._newcomer(record, replacement)
        outlook = self._lookout.look(frozenset({record.disk_id}), newcomer=newcomer)
        facts = self._facts(wanted, presence, outlook, obstacle)
        return self._view(facts, presence, outlook, basis, replacement)

    def basis(self) -> str:
        """Return what tells disks, states and policy apart: other ones, other basis."""
        template, properties = self._base.store.template, self._pool.engine.properties
        known = [
            (
                one.record,
                one.present,
                one.marks.spare,
                one.marks.detached,
                one.marks.replaced_by,
            )
            for one in self._base.disks.presences()
        ]
        text = repr((known, properties, template.journal_set, template.tolerance))
        return blake3(text.encode()).hexdigest()[:12]

    def require_basis(self, basis: str) -> None:
        """Refuse what was planned on something else; an empty *basis* is not checked.

        Raises:
            PoolBusyError: disks, states or policy changed since.
        """
        if basis and basis != self.basis():
            raise PoolBusyError("the pool has changed since the plan was made: look at a new one")

    def _newcomer(self, old: DiskRecord, path: str) -> tuple[DiskSpace | None, str]:
        """Return the room at *path*, and why it cannot replace *old*; empty when it can."""
        try:
            real = self._pool.membership.opener.find_directory(path)
            if known := [
                space
                for one in self._base.disks.presences()
                if one.present and one.record.path == real and one.record != old
                for space in self._base.disks.spaces()
                if space.disk_id == one.record.disk_id
            ]:
                return known[0], ""
            self._pool.membership.refuse_taken(real)
            opener = self._pool.membership.opener
            facts = opener.ask(real, lambda: os.statvfs(real))
            group = str(opener.ask(real, lambda: os.stat(real)).st_dev)
        except (PoolError, DeviceError, OSError) as error:
            return None, str(error)
        total = facts.f_blocks * facts.f_frsize
        return (
            DiskSpace(
                disk_id=_NEWCOMER,
                tier=old.tier,
                state=DiskState.HEALTHY,
                free_bytes=facts.f_bavail * facts.f_frsize - reserve_bytes(total),
                total_bytes=total,
                group=group,
            ),
            "",
        )

    def _facts(
        self, verb: DiskVerb, disk: DiskPresence, outlook: Outlook, obstacle: str
    ) -> PlanFacts:
        properties = self._pool.engine.properties
        record, forecast = disk.record, outlook.forecast
        with self._pool.engine.readers.read() as connection:
            fragments = count_fragments(connection, record.disk_id)
        fullest = max(
            (target for target in forecast.targets if target.disk_id in forecast.bytes_to),
            key=forecast.used_ratio_after,
            default=None,
        )
        return PlanFacts(
            verb=verb,
            name=record.name,
            state=record.state,
            present=disk.present,
            detached=disk.marks.detached,
            fragments=fragments,
            assessment=outlook.assessment,
            may_fail=outlook.may_fail_now,
            homeless_fragments=forecast.homeless_fragments,
            homeless_bytes=forecast.homeless_bytes,
            fullest="" if fullest is None else self._name(fullest.disk_id),
            fullest_ratio=0.0 if fullest is None else forecast.used_ratio_after(fullest),
            carriers_left=outlook.journals.carriers,
            carriers_needed=outlook.journals.needed,
            healthy_left=len(forecast.targets),
            width=fragment_count(properties.redundancy),
            narrows=properties.narrow is Narrow.AUTO,
            suspicious=self._errors(record),
            jobs=self._jobs(),
            obstacle=obstacle,
        )

    def _errors(self, record: DiskRecord) -> int:
        """Return how many errors the disk had within the last ten minutes."""
        meter = self._base.disks.statistics.meter(record.uuid)
        return sum(meter.recent(kind) for kind in ERROR_KINDS)

    def _jobs(self) -> tuple[str, ...]:
        maintenance = self._pool.maintenance
        jobs = []
        if maintenance.reconcile.progress().active:
            jobs.append("a rebuild runs")
        if maintenance.scrub.progress().running:
            jobs.append("a scrub runs")
        return tuple(jobs)

    def _name(self, disk_id: DiskId) -> str:
        for one in self._base.disks.presences():
            if one.record.disk_id == disk_id:
                return one.record.name
        return "the new disk"

    def _view(
        self,
        facts: PlanFacts,
        disk: DiskPresence,
        outlook: Outlook,
        basis: str,
        replacement: str,
    ) -> PlanView:
        ruling = judge(facts)
        moves = facts.verb in _MOVING
        forecast = outlook.forecast
        words = (facts.verb, str(disk.record.uuid), replacement, basis)
        return PlanView(
            verb=facts.verb.value,
            disk=disk.record.name,
            plan_id=blake3("\0".join(words).encode()).hexdigest()[:8],
            basis=basis,
            judgement=Judgement(ruling.judged),
            reasons=ruling.reasons,
            moves_extents=outlook.moving_fragments if moves else 0,
            moves_bytes=outlook.moving_bytes if moves else 0,
            targets=self._targets(forecast) if moves else (),
            duration_s=seconds_for(self._pool, outlook.moving_bytes) if moves else None,
            may_fail_during=_may_fail_during(facts, outlook),
            used_ratio_before=_used(self._base.disks.spaces()) if moves else 0.0,
            used_ratio_after=_used_after(forecast) if moves else 0.0,
            suggestion=ruling.suggestion,
            command=self._command(facts.verb, disk.record, replacement),
            typed_name=_typed_name(ruling, disk.record),
        )

    def _targets(self, forecast: Forecast) -> tuple[TargetView, ...]:
        return tuple(
            TargetView(
                disk=self._name(target.disk_id),
                bytes=forecast.bytes_to[target.disk_id],
                used_ratio_after=forecast.used_ratio_after(target),
            )
            for target in forecast.targets
            if target.disk_id in forecast.bytes_to
        )

    def _command(self, verb: DiskVerb, record: DiskRecord, path: str) -> str:
        words = _COMMANDS[verb].format(
            pool=shlex.quote(str(self._pool.pool_dir)), disk=record.name, path=shlex.quote(path)
        )
        return f"dynamicfs {words}"


def _may_fail_during(facts: PlanFacts, outlook: Outlook) -> int:
    """Return how many more disks may fail until it is done.

    A disk that is emptied is read from until the end; one that is let go is not.
    """
    if facts.verb in (DiskVerb.FAIL, DiskVerb.DETACH) and facts.present:
        return outlook.may_fail_after
    return outlook.may_fail_now


def _typed_name(ruling: Ruling, record: DiskRecord) -> str:
    return record.name if ruling.lowers_redundancy else ""


def _used(spaces: Sequence[DiskSpace]) -> float:
    """Return how much of all devices is in use, reserves included."""
    total = {one.group: one.total_bytes for one in spaces}
    free = {one.group: max(0, one.free_bytes) for one in spaces}
    return 1.0 - sum(free.values()) / max(1, sum(total.values()))


def _used_after(forecast: Forecast) -> float:
    """Return the same for the disks that would be left."""
    ratio = [(forecast.used_ratio_after(one), one.total_bytes) for one in forecast.targets]
    return sum(used * size for used, size in ratio) / max(1, sum(size for _, size in ratio))
