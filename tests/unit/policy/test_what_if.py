"""What a loss means, beside a slow and obvious count of every single extent."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from engine.ids import DiskId, DiskUuid
from engine.metadata.quorum import JournalSet
from engine.policy.what_if import Fate, Holding, Share, assess, fate_of, journals_writable

DISKS = st.integers(1, 7).map(DiskId)


@dataclass(frozen=True)
class Extent:
    """One extent, as a person would write it down: a fragment on each of *intact*."""

    needed: int
    intact: frozenset[DiskId]
    length: int


EXTENTS = st.lists(
    st.builds(
        Extent,
        needed=st.integers(1, 4),
        intact=st.frozensets(DISKS, max_size=6),
        length=st.integers(1, 100),
    ),
    max_size=12,
)


def holding(extent: Extent) -> Holding:
    return Holding(
        needed=extent.needed,
        holders=extent.intact,
        extents=1,
        length_bytes=extent.length,
        fragment_bytes=10,
    )


def survives(extent: Extent, lost: set[DiskId], more: int) -> bool:
    """Whether *extent* can be read without *lost* and the worst *more* further disks."""
    return len([one for one in extent.intact if one not in lost]) - more >= extent.needed


@given(EXTENTS, st.sets(DISKS))
def test_lost_is_what_cannot_be_read_and_exposed_what_the_next_loss_would_cost(
    extents: list[Extent], lost: set[DiskId]
) -> None:
    assessment = assess(map(holding, extents), lost)

    unreadable = [one for one in extents if not survives(one, lost, 0)]
    touched = [one for one in extents if one not in unreadable and one.intact & lost]
    thin = [one for one in touched if not survives(one, lost, 1)]
    assert assessment.lost == Share(
        extents=len(unreadable), length_bytes=sum(one.length for one in unreadable)
    )
    assert assessment.exposed == Share(
        extents=len(thin), length_bytes=sum(one.length for one in thin)
    )
    assert assessment.degraded.extents == len(touched) - len(thin)
    assert assessment.unaffected.extents == len(extents) - len(unreadable) - len(touched)


@given(EXTENTS, st.sets(DISKS))
def test_so_many_more_losses_are_survived_as_it_says_and_no_more(
    extents: list[Extent], lost: set[DiskId]
) -> None:
    least = assess(map(holding, extents), lost).least_left

    left = [one for one in extents if survives(one, lost, 0)]
    if least is None:
        assert left == []
        return
    assert all(survives(one, lost, least) for one in left)
    assert not all(survives(one, lost, least + 1) for one in left)


@given(EXTENTS, st.sets(DISKS))
def test_what_is_rebuilt_is_each_intact_fragment_on_the_lost_disks_that_can_be(
    extents: list[Extent], lost: set[DiskId]
) -> None:
    assessment = assess(map(holding, extents), lost)

    fragments = sum(len(one.intact & lost) for one in extents if survives(one, lost, 0))
    assert assessment.rebuild_fragments == fragments
    assert assessment.rebuild_bytes == 10 * fragments


@given(EXTENTS, st.sets(DISKS), st.sets(DISKS))
def test_a_further_loss_never_makes_anything_better(
    extents: list[Extent], lost: set[DiskId], more: set[DiskId]
) -> None:
    order = [Fate.UNAFFECTED, Fate.DEGRADED, Fate.EXPOSED, Fate.LOST]

    for one in map(holding, extents):
        assert order.index(fate_of(one, lost)) <= order.index(fate_of(one, lost | more))


@given(EXTENTS, st.sets(DISKS))
def test_extents_alike_fare_as_one_by_one(extents: list[Extent], lost: set[DiskId]) -> None:
    together = [
        Holding(
            needed=one.needed,
            holders=one.intact,
            extents=3,
            length_bytes=3 * one.length,
            fragment_bytes=30,
        )
        for one in extents
    ]

    assert assess(together, lost) == assess(map(holding, 3 * extents), lost)


@given(st.integers(1, 9), st.integers(0, 4), st.data())
def test_changes_are_taken_when_the_journals_can_follow_the_disks_that_are_left(
    disk_count: int, tolerance: int, data: st.DataObject
) -> None:
    members = min(disk_count, 2 * tolerance + 1)
    tolerance = min(tolerance, members - 1)
    quorum = JournalSet(
        disks=tuple(DiskUuid(UUID(int=number + 1)) for number in range(members)),
        tolerance=tolerance,
    )
    lost = data.draw(st.sets(st.integers(0, disk_count - 1)))

    writable = journals_writable(
        holding=sum(number not in lost for number in range(members)),
        meeting=quorum.meeting_count,
        acknowledging=quorum.acknowledging_count,
        carriers=disk_count - len(lost),
    )

    # Any m members may go. What is left must be able to tell every later open.
    if len(lost) <= min(tolerance, disk_count - tolerance - 1):
        assert writable
    if disk_count - len(lost) <= tolerance:
        assert not writable
