"""What repair waits for, and what is advised: that which helps."""

from __future__ import annotations

from dataclasses import replace

import pytest

from engine.policy.ordering import WorkKind
from engine.policy.waiting import WaitCount, WaitsFor
from engine.status.catalog import MEANINGS
from engine.status.codes import Code
from engine.status.verdict import conditions_of, verdict_of
from engine.status.views import ReconcileView
from tests.unit.status.pool_conditions import DEGRADED, MISSING, WELL


def _waiting(*counts: tuple[WorkKind, WaitsFor, int, str]) -> ReconcileView:
    waits = tuple(
        WaitCount(kind=str(kind), waits_for=what, items=items, reason=reason)
        for kind, what, items, reason in counts
    )
    return ReconcileView(pending_items=sum(one.items for one in waits), waits=waits)


@pytest.mark.parametrize(
    ("work", "sentence", "advice"),
    [
        (
            _waiting((WorkKind.REBUILD, WaitsFor.REPAIR, 1, "damaged")),
            "1 extent pending: damaged.",
            "Run a scrub with repair.",
        ),
        (
            _waiting((WorkKind.DRAIN, WaitsFor.ROOM, 3, "no room")),
            "3 extents pending: no room.",
            "Delete files or add a disk.",
        ),
        (
            _waiting((WorkKind.REBUILD, WaitsFor.RESUME, 2, "cancelled")),
            "2 extents pending: cancelled.",
            "Resume the rebuild.",
        ),
        (
            _waiting(
                (WorkKind.COMPACT, WaitsFor.ROOM, 900, "no room"),
                (WorkKind.REBUILD, WaitsFor.DISKS, 5, "needs 2 more disks"),
                (WorkKind.POLICY, WaitsFor.DISKS, 4, "needs one more disk"),
                (WorkKind.REBUILD, WaitsFor.REPAIR, 1, "damaged"),
            ),
            "5 extents pending: needs 2 more disks; 4 more: needs one more disk; 1 more: damaged.",
            "Add a disk or bring one back. Run a scrub with repair.",
        ),
    ],
)
def test_what_waits_is_told_with_what_helps_it(
    work: ReconcileView, sentence: str, advice: str
) -> None:
    told = [one for one in conditions_of(replace(WELL, reconcile=work)) if one.code == Code.PENDING]

    assert [(one.sentence, one.action) for one in told] == [(sentence, advice)]


def test_a_full_pool_tells_that_compaction_waits_for_room() -> None:
    work = _waiting((WorkKind.COMPACT, WaitsFor.ROOM, 3, "no room"))

    (told,) = conditions_of(replace(WELL, full=True, reconcile=work))

    assert told.sentence.endswith("asked for. 3 extents to compact wait for room, too.")
    assert told.action == "Delete files or add a disk."


def test_a_pool_that_damage_puts_at_risk_is_not_told_to_add_a_disk() -> None:
    exposed = replace(DEGRADED, may_fail=0)

    rotten = verdict_of(replace(WELL, exposure=exposed, damaged_fragments=4))
    gone = verdict_of(replace(WELL, exposure=exposed, damaged_fragments=4, disks=MISSING))

    assert (rotten.code, rotten.action) == (Code.AT_RISK, "Run a scrub with repair now.")
    assert gone.action == MEANINGS[Code.AT_RISK].action
