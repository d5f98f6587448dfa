"""What policy would choose for an extent: a table, and what holds for all facts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.ids import DiskId, Epoch, ExtentId, Generation, LayoutId
from engine.maintenance.desired import Action, Desired, DiskFacts, PoolFacts, desired_for
from engine.model.disk import DiskState, Tier
from engine.model.extent import ExtentRecord, FragmentRef
from engine.model.redundancy import (
    ErasureCoding,
    Redundancy,
    Replication,
    fragment_count,
    needed_count,
    tolerance,
)
from engine.policy.ordering import WorkKind

WELL = DiskFacts(state=DiskState.HEALTHY, present=True)
SUSPECT = DiskFacts(state=DiskState.SUSPECT, present=True)
DRAINING = DiskFacts(state=DiskState.DRAINING, present=True)
FAILED = DiskFacts(state=DiskState.FAILED, present=True)
GONE = DiskFacts(state=DiskState.HEALTHY, present=False)
AWAY = DiskFacts(state=DiskState.HEALTHY, present=False, waiting=True)

RS = ErasureCoding(4, 2)


def record(redundancy: Redundancy = RS) -> ExtentRecord:
    """An extent whose fragment i lies on disk i + 1."""
    return ExtentRecord(
        extent_id=ExtentId(1),
        redundancy=redundancy,
        tier=Tier.WARM,
        length_bytes=100,
        epoch=Epoch(1),
        generation=Generation(1),
        fragments=tuple(
            FragmentRef(index, DiskId(index + 1), LayoutId(1), bytes(32))
            for index in range(fragment_count(redundancy))
        ),
    )


def decide(
    *disks: DiskFacts,
    extent: ExtentRecord | None = None,
    damaged: frozenset[int] = frozenset(),
    mend: frozenset[int] | None = None,
    narrow_auto: bool = False,
    widen_ready: bool = False,
    wanted: Redundancy = RS,
) -> Desired:
    facts = PoolFacts(
        disks={DiskId(number): disk for number, disk in enumerate(disks, start=1)},
        wanted=wanted,
        narrow_auto=narrow_auto,
        widen_ready=widen_ready,
    )
    allowed = damaged if mend is None else mend
    return desired_for(extent or record(), facts, damaged=damaged, mend=allowed)


SIX = (WELL,) * 6
LESS_ONE = (GONE, *(WELL,) * 5)


@pytest.mark.parametrize(
    ("decision", "action", "indexes", "exposure"),
    [
        (decide(*SIX), Action.KEEP, (), 2),
        (decide(*SIX[:5], SUSPECT), Action.KEEP, (), 2),
        (decide(AWAY, *SIX[:5]), Action.WAIT, (), 1),
        (decide(*LESS_ONE, WELL), Action.REBUILD, (0,), 1),
        (decide(FAILED, *SIX[:5], WELL), Action.REBUILD, (0,), 1),
        (decide(*LESS_ONE), Action.PENDING, (), 1),
        (decide(*LESS_ONE, SUSPECT), Action.PENDING, (), 1),
        (decide(GONE, GONE, *SIX[:4], WELL), Action.REBUILD, (0,), 0),
        (decide(GONE, GONE, GONE, *SIX[:3], WELL), Action.LOST, (), -1),
        (decide(FAILED, GONE, GONE, *SIX[:3], WELL), Action.REBUILD, (0,), -1),
        (decide(*SIX, damaged=frozenset({3})), Action.REBUILD, (3,), 1),
        (decide(*SIX, damaged=frozenset({3}), mend=frozenset()), Action.PENDING, (), 1),
        (decide(*SIX[:5], SUSPECT, damaged=frozenset({5})), Action.PENDING, (), 1),
        (decide(*SIX[:5], SUSPECT, WELL, damaged=frozenset({5})), Action.REBUILD, (5,), 1),
        (
            decide(*LESS_ONE, WELL, damaged=frozenset({3}), mend=frozenset()),
            Action.REBUILD,
            (0, 3),
            0,
        ),
        (decide(*SIX[:5], DRAINING, WELL), Action.REBUILD, (5,), 2),
        (decide(*SIX[:5], DRAINING), Action.PENDING, (), 2),
        (decide(*SIX[:5]), Action.PENDING, (), 1),
    ],
)
def test_the_table_of_decisions(
    decision: Desired, action: Action, indexes: tuple[int, ...], exposure: int
) -> None:
    assert (decision.action, decision.indexes, decision.exposure) == (action, indexes, exposure)


@pytest.mark.parametrize(
    ("decision", "reason"),
    [
        (decide(*LESS_ONE), "needs one more disk, or re-encode 3+2: +11 % space"),
        (
            decide(GONE, GONE, *SIX[:4]),
            "needs 2 more disks, or re-encode 2+2: +33 % space",
        ),
        (decide(GONE, *(SUSPECT,) * 3, WELL, WELL), "needs one more disk"),
        (
            decide(GONE, WELL, WELL, extent=record(Replication(3)), wanted=Replication(3)),
            "needs one more disk",
        ),
    ],
)
def test_pending_says_what_would_help(decision: Desired, reason: str) -> None:
    assert decision.action is Action.PENDING
    assert decision.reason == reason


def test_narrow_auto_reencodes_to_the_healthy_disks() -> None:
    decision = decide(*LESS_ONE, narrow_auto=True)

    assert decision.action is Action.RECODE
    assert decision.redundancy == ErasureCoding(3, 2)


def test_a_spare_disk_is_preferred_to_a_narrower_form() -> None:
    assert decide(*LESS_ONE, WELL, narrow_auto=True).action is Action.REBUILD


def test_a_narrower_extent_is_widened_only_when_the_width_was_healthy_long_enough() -> None:
    narrow = record(ErasureCoding(3, 2))

    assert decide(*SIX, extent=narrow).action is Action.KEEP
    wide = decide(*SIX, extent=narrow, widen_ready=True)
    assert (wide.action, wide.redundancy) == (Action.RECODE, RS)


@pytest.mark.parametrize(
    ("decision", "action", "form"),
    [
        # Another tolerance, another kind, fewer data slices: as new data would be written.
        (decide(*SIX, extent=record(ErasureCoding(3, 1))), Action.RECODE, RS),
        (decide(*SIX, extent=record(Replication(3))), Action.RECODE, RS),
        (decide(*SIX, extent=record(), wanted=ErasureCoding(2, 2)), Action.RECODE, "rs:2+2"),
        (decide(*SIX, extent=record(), wanted=ErasureCoding(4, 1)), Action.RECODE, "rs:4+1"),
        (decide(*SIX, extent=record(), wanted=Replication(3)), Action.RECODE, "copies:3"),
        # Five disks for six fragments: narrower, unless it is that already.
        (decide(*SIX[:5], extent=record(ErasureCoding(3, 1))), Action.RECODE, "rs:3+2"),
        (
            decide(*SIX[:5], extent=record(ErasureCoding(3, 2)), wanted=ErasureCoding(6, 2)),
            Action.KEEP,
            None,
        ),
        (decide(*SIX[:2], extent=record(Replication(2))), Action.PENDING, None),
        # While a disk is waited for, nothing is moved.
        (decide(AWAY, *SIX[:5], wanted=ErasureCoding(2, 2)), Action.WAIT, None),
        # No disk for the lost fragment, but the policy was changed to what is there.
        (decide(*LESS_ONE, wanted=ErasureCoding(3, 2)), Action.RECODE, "rs:3+2"),
        (decide(*SIX[:5], DRAINING, wanted=ErasureCoding(3, 2)), Action.RECODE, "rs:3+2"),
        # With a disk for it, the fragment comes first: it is less to write.
        (decide(*LESS_ONE, WELL, wanted=ErasureCoding(3, 2)), Action.REBUILD, None),
    ],
)
def test_the_table_of_policies(
    decision: Desired, action: Action, form: Redundancy | str | None
) -> None:
    assert decision.action is action
    if form is not None:
        assert (str(decision.redundancy), decision.kind) == (str(form), WorkKind.POLICY)


def test_what_its_files_want_counts_more_than_the_pool() -> None:
    facts = PoolFacts(
        disks={DiskId(number): WELL for number in range(1, 7)},
        wanted=RS,
        narrow_auto=False,
        widen_ready=False,
    )

    decision = desired_for(
        record(), facts, damaged=frozenset(), mend=frozenset(), wanted=Replication(3)
    )

    assert (decision.action, decision.redundancy) == (Action.RECODE, Replication(3))


DISKS = st.sampled_from([WELL, SUSPECT, DRAINING, FAILED, GONE, AWAY])
FORMS = st.sampled_from([RS, ErasureCoding(2, 2), ErasureCoding(3, 1), Replication(3)])


@given(
    form=FORMS,
    disks=st.lists(DISKS, min_size=3, max_size=9),
    damaged=st.frozensets(st.integers(0, 5)),
    mends=st.booleans(),
    narrow_auto=st.booleans(),
)
def test_every_decision_can_be_carried_out_and_never_lowers_the_tolerance(
    form: Redundancy,
    disks: list[DiskFacts],
    damaged: frozenset[int],
    mends: bool,  # noqa: FBT001
    narrow_auto: bool,  # noqa: FBT001
) -> None:
    extent = record(form)
    damaged &= frozenset(range(fragment_count(form)))

    decision = decide(
        *disks,
        extent=extent,
        damaged=damaged,
        mend=damaged if mends else frozenset(),
        narrow_auto=narrow_auto,
        wanted=form,
    )

    facts = {DiskId(number): disk for number, disk in enumerate(disks, start=1)}
    healthy = {number for number, disk in facts.items() if disk.takes_fragments}
    holders = {ref.disk_id for ref in extent.fragments}
    whole = [
        ref
        for ref in extent.fragments
        if ref.index not in damaged and facts.get(ref.disk_id, GONE).readable
    ]
    assert decision.exposure == max(-1, len(whole) - needed_count(form))
    if decision.action is Action.REBUILD:
        in_place = [i for i in decision.indexes if extent.fragments[i].disk_id in healthy]
        assert len(decision.indexes) - len(in_place) <= len(healthy - holders)
        replaceable = {ref.index for ref in extent.fragments if ref not in whole} | {
            ref.index for ref in whole if facts[ref.disk_id].state is DiskState.DRAINING
        }
        assert set(decision.indexes) <= replaceable
    if decision.action is Action.RECODE:
        assert decision.redundancy is not None
        assert tolerance(decision.redundancy) == tolerance(form)
        assert fragment_count(decision.redundancy) <= len(healthy)
    if decision.action is Action.PENDING:
        assert decision.reason
    if len(whole) == len(extent.fragments) and all(disk == WELL for disk in disks):
        assert decision.action is Action.KEEP
