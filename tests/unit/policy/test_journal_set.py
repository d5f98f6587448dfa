"""Which disks carry the journals while others leave."""

from __future__ import annotations

from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from engine.ids import DiskId, DiskUuid, Generation
from engine.model.disk import DiskRecord, DiskState, Tier
from engine.policy.journal_set import choose_journal_set


def disk(number: int, state: DiskState) -> DiskRecord:
    return DiskRecord(
        disk_id=DiskId(number),
        uuid=DiskUuid(UUID(int=number)),
        name=f"d{number}",
        path="",
        tier=Tier.HOT,
        state=state,
        added_generation=Generation(1),
    )


POOLS = st.lists(st.sampled_from([*DiskState]), min_size=1, max_size=9).map(
    lambda states: [disk(number, state) for number, state in enumerate(states, 1)]
)


@given(POOLS, st.integers(0, 3), st.data())
def test_a_draining_disk_carries_journals_only_where_the_others_are_too_few(
    disks: list[DiskRecord], tolerance: int, data: st.DataObject
) -> None:
    uuids = [one.uuid for one in disks]
    present = data.draw(st.sets(st.sampled_from(uuids)))
    current = data.draw(st.sets(st.sampled_from(uuids)))

    chosen = choose_journal_set(disks, present=present, current=current, tolerance=tolerance)

    states = {one.uuid: one.state for one in disks}
    staying = [
        uuid for uuid in present if states[uuid] not in (DiskState.DRAINING, DiskState.FAILED)
    ]
    if len(staying) >= tolerance + 1:
        assert set(chosen) <= set(staying)
        assert len(chosen) == min(len(staying), 2 * tolerance + 1)
    else:
        assert set(staying) <= set(chosen)
    assert all(states[uuid] is not DiskState.FAILED for uuid in chosen)
