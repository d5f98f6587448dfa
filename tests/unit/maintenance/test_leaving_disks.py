"""What is done with the extents of a disk that leaves, while others are away or damaged."""

from __future__ import annotations

from engine.maintenance.desired import Action
from engine.policy.ordering import WorkKind
from tests.unit.maintenance.test_desired import AWAY, DRAINING, WELL, decide

SPARE_ROOM = (WELL, WELL)
"""Two more disks than the extent has fragments."""


def test_a_disk_is_emptied_although_another_one_is_waited_for() -> None:
    decision = decide(DRAINING, AWAY, *(WELL,) * 4, *SPARE_ROOM)

    assert (decision.action, decision.kind) == (Action.REBUILD, WorkKind.DRAIN)
    assert decision.indexes == (0,)


def test_what_is_damaged_on_a_disk_that_leaves_is_made_again_elsewhere() -> None:
    nothing_may_be_mended: frozenset[int] = frozenset()
    decision = decide(
        DRAINING,
        *(WELL,) * 5,
        *SPARE_ROOM,
        damaged=frozenset({0}),
        mend=nothing_may_be_mended,
    )

    assert decision.action is Action.REBUILD
    assert decision.indexes == (0,)


def test_without_a_disk_to_go_to_a_drain_is_pending_with_its_reason() -> None:
    decision = decide(DRAINING, *(WELL,) * 5)

    assert decision.action is Action.PENDING
    assert "one more disk" in decision.reason
