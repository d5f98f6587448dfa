"""A pool directory that is older than its disks is brought forward; a newer one is judged."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from itertools import combinations
from pathlib import Path

import pytest

from engine.errors import QuorumError, SplitHistoryError
from engine.ids import DiskUuid
from engine.metadata.checkpoint import make_checkpoint
from engine.metadata.database import open_database
from engine.metadata.decision import LocalVerdict
from engine.metadata.disks import DirectDisks
from engine.metadata.quorum import JournalSet
from engine.metadata.recovery import OpenMode
from tests.histories.paper import subsets
from tests.histories.sites import Site, content_of, copies_of, new_pool
from tests.unit.metadata.written_pool import ABC, A, B, C, D, E

FIVE = (A, B, C, D, E)


def checkpoint(site: Site, journal_set: tuple[DiskUuid, ...], tolerance: int) -> None:
    make_checkpoint(
        DirectDisks(site.devices),
        database=site.database,
        scratch=site.folder,
        quorum=JournalSet(disks=journal_set, tolerance=tolerance),
        wait_acknowledged=lambda _: None,
    )


def one_group(site: Site) -> None:
    site.write("later", A, B)


def many_groups(site: Site) -> None:
    for number in range(9):
        site.write(f"later {number}", *((A, B) if number < 5 else (A,)))
    site.write("last", B)  # The chain to it is on A.


def two_checkpoints(site: Site) -> None:
    for number in range(2):
        site.write(f"later {number}", *ABC)
        checkpoint(site, ABC, 1)
    site.write("last", A, C)


def two_epochs(site: Site) -> None:
    for number in range(2):
        site.open(*ABC)
        site.write(f"later {number}", *ABC)


def another_journal_set(site: Site) -> None:
    site.open(*ABC)
    checkpoint(site, ABC, 1)
    site.write("moved", A, B, C, journal_set=(A, B, D))
    site.open(*FIVE)


@pytest.mark.parametrize(
    "then", [one_group, many_groups, two_checkpoints, two_epochs, another_journal_set]
)
def test_a_pool_directory_that_is_an_old_copy_is_brought_forward(
    folder: Path, then: Callable[[Site], None]
) -> None:
    site = new_pool(folder / "now", FIVE, tolerance=1, groups=3, journal_set=ABC)
    old = site.copied_to(folder / "old")
    then(site)
    expected = site.names()

    opened = old.open(*FIVE)

    assert old.names() == expected
    assert opened.decision.local in (LocalVerdict.BEHIND, LocalVerdict.ABANDONED)
    assert any("replayed" in text or "made anew" in text for text in opened.events)


@pytest.mark.parametrize("tolerance", [1, 2])
@pytest.mark.parametrize("directory", ["own", "lost", "old"])
def test_each_subset_of_disks_opens_with_each_state_of_the_pool_directory(
    folder: Path, tolerance: int, directory: str
) -> None:
    """Each root is on exactly m+1 members, every time on others."""
    disks = FIVE[: 2 * tolerance + 1]
    site = new_pool(folder / "now", disks, tolerance=tolerance, groups=2)
    old = site.copied_to(folder / "old")
    holders = disks[: tolerance + 1]
    for number in range(3):
        site.write(f"acknowledged {number}", *holders)
    expected = site.names()
    outcomes: dict[bool, int] = {True: 0, False: 0}
    for number, there in enumerate(subsets(disks)):
        if not there:
            continue
        devices = copies_of(site.devices)
        trial = Site(folder / f"lost-{number}", devices)
        if directory != "lost":
            source = site if directory == "own" else old
            trial = source.copied_to(folder / f"{directory}-{number}", devices)
        before = {disk: content_of(device) for disk, device in devices.items()}
        enough = len(there) >= tolerance + 1
        outcomes[enough] += 1
        if enough:
            trial.open(*there)
            assert expected <= trial.names()
            continue
        with pytest.raises(
            QuorumError, match=f"{len(there)} of {len(disks)} journal disks are readable"
        ):
            trial.open(*there)
        assert {disk: content_of(one) for disk, one in devices.items()} == before
    assert outcomes[True] == 2 ** (len(disks) - 1), "half of all subsets have m+1 of 2m+1"


def test_after_weeks_away_an_unacknowledged_tail_is_set_aside_and_the_disk_brought_up(
    folder: Path,
) -> None:
    site = new_pool(folder / "now", ABC, tolerance=1, groups=3)
    elsewhere = site.copied_to(folder / "crashed")
    elsewhere.write("never acknowledged 1", C)
    elsewhere.write("never acknowledged 2", C)
    for week in range(4):
        site.open(A, B)
        site.write(f"week {week}", A, B)

    opened = site.open(*ABC)

    assert [entry.generation for entry in site.devices[C].stale_entries] == [4, 5]
    assert any("2 roots from generation 4 on, never acknowledged" in e for e in opened.events)
    for pair in combinations(ABC, 2):
        again = Site(folder / f"lost-{pair[0].int}-{pair[1].int}", copies_of(site.devices))
        again.open(*pair)
        assert again.names() == site.names()


def test_a_disk_that_was_away_past_every_journal_gets_a_checkpoint(folder: Path) -> None:
    site = new_pool(folder / "now", ABC, tolerance=1, groups=3)
    for week in range(3):
        site.open(A, B)
        site.write(f"week {week}", A, B)
        checkpoint(site, (A, B), 1)

    opened = site.open(*ABC)

    assert C in opened.holding
    alone = Site(folder / "lost", copies_of(site.devices))
    alone.open(C, mode=OpenMode.FORCE)
    assert alone.names() == site.names()


def test_a_pool_directory_from_the_future_of_its_disks_is_refused_with_both_dates(
    folder: Path,
) -> None:
    """All disks were set back to a backup; nobody can tell what they lost."""
    site = new_pool(folder / "now", ABC, tolerance=1, groups=6)
    backup = copies_of(site.devices, until=3)
    newer = site.copied_to(folder / "newer", backup)
    clear_outbox(newer)
    before = {disk: content_of(device) for disk, device in backup.items()}

    with pytest.raises(
        QuorumError,
        match=r"pool directory is at generation 6 .*UTC.* the disks end at generation 3 .*UTC",
    ):
        newer.open(*ABC)

    assert {disk: content_of(device) for disk, device in backup.items()} == before
    newer.open(*ABC, mode=OpenMode.FORCE)
    assert newer.names() == {f"p{number}" for number in range(1, 7)}
    assert [device.get_label() for device in backup.values()]


@pytest.mark.parametrize("opens_lost", [0, 1, 2])
def test_disks_that_were_set_back_and_written_since_are_not_overruled_by_a_newer_directory(
    folder: Path, opens_lost: int
) -> None:
    """Whichever epoch is the higher one: in it, or refused."""
    site = new_pool(folder / "now", ABC, tolerance=1, groups=3)
    backup = copies_of(site.devices)
    for number in range(opens_lost):
        site.open(*ABC)
        site.write(f"lost {number}", *ABC)
    site.write("lost", *ABC)
    newer = site.copied_to(folder / "newer", backup)
    clear_outbox(newer)
    restored = Site(folder / "restored", backup)
    restored.open(*ABC)
    restored.write("since", *ABC)

    with suppress(QuorumError, SplitHistoryError):
        newer.open(*ABC)
        assert "since" in newer.names()


def clear_outbox(site: Site) -> None:
    """Forget the unacknowledged, as the group after an acknowledgement does."""
    connection = open_database(site.database)
    connection.execute("DELETE FROM outbox")
    connection.close()
