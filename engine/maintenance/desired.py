"""What policy would choose for an extent today, compared with its record.

Pure: facts in, one decision out. Reconcile asks for every extent when facts
changed, and once more under the write lock before it works on one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto

from blake3 import blake3

from engine.ids import DiskId
from engine.model.disk import DiskState
from engine.model.extent import ExtentRecord, FragmentRef
from engine.model.redundancy import (
    Redundancy,
    fragment_count,
    narrowed,
    overhead_ratio,
    tolerance,
)
from engine.policy.exposure import exposure_of
from engine.policy.ordering import WorkKind
from engine.policy.placement import minimum_disks
from engine.policy.waiting import WaitsFor


class Action(Enum):
    """What is to be done with an extent."""

    KEEP = auto()
    """It is as policy wants it."""
    WAIT = auto()
    """A disk is missing, and its delay has not passed."""
    REBUILD = auto()
    """Write the fragments ``indexes`` anew."""
    RECODE = auto()
    """Encode it with ``redundancy``, narrower or wider."""
    COMPACT = auto()
    """Move its ``live_bytes`` into a new extent of ``redundancy``, with those of others."""
    PENDING = auto()
    """It needs what is not there; ``reason`` says what."""
    LOST = auto()
    """Fewer fragments than needed may still be readable."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskFacts:
    """A disk as this decision needs it.

    ``readable``: its fragments count. ``waiting``: missing, but not for long
    enough. Neither: given up, though it may be ``present`` and still asked as
    a last source.
    """

    state: DiskState
    present: bool
    waiting: bool = False

    @property
    def readable(self) -> bool:
        """Whether its fragments count as there."""
        return self.present and self.state is not DiskState.FAILED

    @property
    def takes_fragments(self) -> bool:
        """Whether a fragment may be written to it."""
        return self.present and self.state is DiskState.HEALTHY


GONE = DiskFacts(state=DiskState.FAILED, present=False)
"""A disk that is not part of the pool."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolFacts:
    """What every decision of one moment rests on."""

    disks: Mapping[DiskId, DiskFacts]
    wanted: Redundancy
    narrow_auto: bool
    widen_ready: bool
    """The full width was healthy for the whole widen delay."""
    policy_version: int = 0
    """Changes with what files want for themselves; 0 while none wants anything."""

    @property
    def healthy_count(self) -> int:
        """How many disks take fragments."""
        return sum(disk.takes_fragments for disk in self.disks.values())

    def wants_other(self, before: PoolFacts) -> bool:
        """Whether a policy was changed since *before*."""
        return (self.wanted, self.policy_version) != (before.wanted, before.policy_version)

    def fingerprint(self) -> str:
        """Return a short text that tells other disks or another policy apart."""
        disks = sorted((one, str(disk.state), disk.present) for one, disk in self.disks.items())
        text = f"{disks} {self.wanted} {self.policy_version}"
        return blake3(text.encode()).hexdigest(8)


@dataclass(frozen=True, slots=True, kw_only=True)
class Desired:
    """The decision for one extent. ``exposure``: more losses it survives now."""

    action: Action
    exposure: int
    kind: WorkKind = WorkKind.REBUILD
    indexes: tuple[int, ...] = ()
    target: DiskId | None = None
    """Where the only one of ``indexes`` goes; None leaves it to placement."""
    redundancy: Redundancy | None = None
    live_bytes: int = 0
    reason: str = ""
    waits_for: WaitsFor = WaitsFor.DISKS
    """Of what is pending."""


CHANGES = frozenset({Action.REBUILD, Action.RECODE, Action.COMPACT})
"""Actions that are queued as work."""


@dataclass(frozen=True, slots=True)
class _Survey:
    """The fragments of one extent, by what is known of them."""

    intact: int
    doubtful: int
    """On a disk that answers, yet damaged or given up: a source of last resort."""
    waiting: int
    gone: tuple[FragmentRef, ...]
    damaged: tuple[FragmentRef, ...]
    leaving: tuple[FragmentRef, ...]


def desired_for(
    record: ExtentRecord,
    facts: PoolFacts,
    *,
    damaged: frozenset[int],
    mend: frozenset[int],
    wanted: Redundancy | None = None,
) -> Desired:
    """Return what is to be done with *record*.

    *damaged* are indexes known to be bad, *mend* those of them that may be
    mended now. *wanted* is what its files want, None what the pool does. The
    tolerance is lowered only where that was wanted (P4), and what an extent
    has stays until its new form is durable (P5).
    """
    wanted = wanted or facts.wanted
    survey = _survey(record, facts, damaged)
    exposure = exposure_of(record.redundancy, survey.intact)
    if survey.intact + survey.doubtful < record.needed_count:
        return Desired(action=Action.LOST, exposure=exposure, reason=_lost_reason(record, survey))
    # Work on an extent mends all of it: one copy, one commit.
    mendable = survey.damaged if survey.gone else _of(survey.damaged, mend)
    if bad := (*survey.gone, *mendable):
        return _mended(record, facts, bad, _Why(WorkKind.REBUILD, exposure, wanted))
    if survey.leaving:
        return _mended(record, facts, survey.leaving, _Why(WorkKind.DRAIN, exposure, wanted))
    if survey.waiting:
        return Desired(action=Action.WAIT, exposure=exposure, reason="a disk is missing")
    if survey.damaged:
        return Desired(
            action=Action.PENDING,
            exposure=exposure,
            reason="damaged: scrub with repair or rebuild mends it",
            waits_for=WaitsFor.REPAIR,
        )
    return _reshaped(record, facts, wanted, exposure)


def _reshaped(record: ExtentRecord, facts: PoolFacts, wanted: Redundancy, exposure: int) -> Desired:
    """Decide on a whole extent: as wanted, narrower than that, or of another policy."""
    if record.redundancy == wanted:
        return Desired(action=Action.KEEP, exposure=exposure)
    if is_narrower(record.redundancy, wanted):
        action = Action.RECODE if facts.widen_ready else Action.KEEP
        return Desired(action=action, exposure=exposure, kind=WorkKind.WIDEN, redundancy=wanted)
    # As new data would be written now: narrower where the width is not there.
    form = narrowed(wanted, facts.healthy_count)
    if form == record.redundancy:
        return Desired(action=Action.KEEP, exposure=exposure)
    if form is None:
        needed = minimum_disks(wanted)
        return Desired(
            action=Action.PENDING,
            exposure=exposure,
            kind=WorkKind.POLICY,
            reason=f"{wanted} needs {needed} healthy disks, {facts.healthy_count} are there",
        )
    return Desired(action=Action.RECODE, exposure=exposure, kind=WorkKind.POLICY, redundancy=form)


def is_narrower(redundancy: Redundancy, wanted: Redundancy) -> bool:
    """Whether *redundancy* is *wanted* with fewer data slices.

    >>> from engine.model.redundancy import ErasureCoding
    >>> is_narrower(ErasureCoding(3, 2), ErasureCoding(4, 2))
    True
    >>> is_narrower(ErasureCoding(3, 1), ErasureCoding(4, 2))
    False
    """
    same_kind = type(redundancy) is type(wanted) and tolerance(redundancy) == tolerance(wanted)
    return same_kind and fragment_count(redundancy) < fragment_count(wanted)


def _survey(record: ExtentRecord, facts: PoolFacts, damaged: frozenset[int]) -> _Survey:
    intact = doubtful = waiting = 0
    gone: list[FragmentRef] = []
    bad: list[FragmentRef] = []
    leaving: list[FragmentRef] = []
    for ref in record.fragments:
        disk = facts.disks.get(ref.disk_id, GONE)
        if not disk.readable and not disk.waiting:
            gone.append(ref)
            doubtful += disk.present and ref.index not in damaged
        elif ref.index in damaged:
            bad.append(ref)
            if disk.state is DiskState.DRAINING:
                leaving.append(ref)
            # One rotten page does not spoil the others: each is proven alone.
            doubtful += disk.present
        elif disk.waiting:
            waiting += 1
        else:
            intact += 1
            if disk.state is DiskState.DRAINING:
                leaving.append(ref)
    return _Survey(intact, doubtful, waiting, tuple(gone), tuple(bad), tuple(leaving))


def _of(refs: tuple[FragmentRef, ...], indexes: frozenset[int]) -> tuple[FragmentRef, ...]:
    return tuple(ref for ref in refs if ref.index in indexes)


@dataclass(frozen=True, slots=True)
class _Why:
    """Why fragments are to be replaced, and what the extent should be."""

    kind: WorkKind
    exposure: int
    wanted: Redundancy


def _mended(
    record: ExtentRecord, facts: PoolFacts, bad: tuple[FragmentRef, ...], why: _Why
) -> Desired:
    """Decide how to replace *bad*: elsewhere, in place, narrower, or not now."""
    holders = {ref.disk_id for ref in record.fragments}
    others = sum(
        disk.takes_fragments for disk_id, disk in facts.disks.items() if disk_id not in holders
    )
    in_place = [ref for ref in bad if facts.disks.get(ref.disk_id, GONE).takes_fragments]
    elsewhere = [ref for ref in bad if ref not in in_place]
    short = len(elsewhere) - others
    if short > 0 and not is_narrower(record.redundancy, why.wanted):
        # A policy that was changed because disks are missing is the way out.
        reshaped = _reshaped(record, facts, why.wanted, why.exposure)
        if reshaped.action is Action.RECODE:
            return reshaped
    exposure, kind = why.exposure, why.kind
    narrow = narrowed(record.redundancy, facts.healthy_count)
    if short > 0 and facts.narrow_auto and narrow not in (None, record.redundancy):
        return Desired(
            action=Action.RECODE, exposure=exposure, kind=WorkKind.NARROW, redundancy=narrow
        )
    # What can be done is done: each fragment more is one loss more survived.
    possible = sorted(ref.index for ref in (*in_place, *elsewhere[:others]))
    if possible:
        return Desired(action=Action.REBUILD, exposure=exposure, kind=kind, indexes=tuple(possible))
    return Desired(
        action=Action.PENDING,
        exposure=exposure,
        kind=kind,
        reason=_pending_reason(record.redundancy, narrow, short),
    )


def _pending_reason(redundancy: Redundancy, narrow: Redundancy | None, short: int) -> str:
    """Return what would help, and what the other way would cost.

    >>> from engine.model.redundancy import ErasureCoding
    >>> _pending_reason(ErasureCoding(4, 2), ErasureCoding(3, 2), 1)
    'needs one more disk, or re-encode 3+2: +11 % space'
    >>> _pending_reason(ErasureCoding(4, 2), None, 2)
    'needs 2 more disks'
    """
    needs = "needs one more disk" if short == 1 else f"needs {short} more disks"
    if narrow is None or narrow == redundancy:
        return needs
    growth = overhead_ratio(narrow) / overhead_ratio(redundancy) - 1
    form = str(narrow).partition(":")[2]
    return f"{needs}, or re-encode {form}: +{growth * 100:.0f} % space"


def _lost_reason(record: ExtentRecord, survey: _Survey) -> str:
    there = survey.intact + survey.doubtful
    text = f"{there} fragments are left, {record.needed_count} are needed"
    if survey.waiting:
        text += f"; {survey.waiting} are on disks that are missing"
    return text
