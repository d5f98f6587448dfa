"""Disks that were written apart are refused together, whoever brings them and how."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.errors import QuorumError, SplitHistoryError
from engine.ids import DiskUuid, Epoch
from engine.metadata.importing import import_pool, survey
from engine.metadata.labels import tell_label
from engine.metadata.recovery import OpenMode
from tests.histories.paper import Shape, history, judge, root_after, scan_of
from tests.histories.sites import Site, content_of, copies_of, new_pool
from tests.unit.metadata.written_pool import ABC, A, B, C, D

FIRST = {"p1", "p2", "p3"}


@pytest.fixture
def here(folder: Path) -> Site:
    """Three disks, m=1, three groups on all of them."""
    return new_pool(folder / "here", ABC, tolerance=1, groups=3)


def settle(site: Site, *journal_set: DiskUuid) -> None:
    """Name *journal_set* in its labels, as a change of J that was acknowledged does."""
    for disk in journal_set:
        tell_label(site.devices[disk], epoch=Epoch(2), journal_set=journal_set)


def check_refused_without_a_change(sites: list[Site], folder: Path, *wanted: str) -> None:
    """Every mode at every site and an import are refused; no byte of a disk changes."""
    devices = sites[0].devices
    before = {disk: content_of(device) for disk, device in devices.items()}
    names = [site.names() for site in sites]
    sentences: set[str] = set()
    fresh = Site(folder / "fresh", devices)
    for site in (*sites, fresh):
        for mode in OpenMode:
            with pytest.raises(SplitHistoryError) as refused:
                site.open(*devices, mode=mode)
            sentences.add(str(refused.value))
    with pytest.raises(SplitHistoryError):
        survey(devices)
    with pytest.raises(SplitHistoryError):
        import_pool(devices, folder / "imported")

    for sentence in sentences:
        for part in wanted:
            assert part in sentence, sentence
    assert {disk: content_of(device) for disk, device in devices.items()} == before
    assert [site.names() for site in sites] == names


def test_a_part_forced_open_elsewhere_and_the_rest_opened_here_are_two_histories(
    here: Site, folder: Path
) -> None:
    there = here.copied_to(folder / "there")
    here.open(A, B)
    here.write("mine", A, B)
    there.open(C, mode=OpenMode.FORCE)
    there.write("theirs", C)

    check_refused_without_a_change(
        [here, there],
        folder,
        "two histories",
        "generation 5 of epoch 2 (2023-11-14 22:13 UTC) on disk d2",
        "generation 5 of epoch 2 (2023-11-14 22:13 UTC) on disk d0, disk d1",
    )


def test_a_part_that_lags_behind_in_its_history_is_named_with_it(here: Site, folder: Path) -> None:
    there = here.copied_to(folder / "there")
    here.open(A, B)
    here.write("mine", A)
    there.open(C, mode=OpenMode.FORCE)

    check_refused_without_a_change([here, there], folder, "on disk d0, disk d1", "on disk d2")


def test_three_parts_forced_open_apart_are_three_histories_each_named(
    here: Site, folder: Path
) -> None:
    second, third = here.copied_to(folder / "second"), here.copied_to(folder / "third")
    for number, (site, disk) in enumerate(zip((here, second, third), ABC, strict=True)):
        site.open(disk, mode=OpenMode.FORCE)
        for write in range(number):
            site.write(f"of {number}, {write}", disk)

    check_refused_without_a_change(
        [here, second, third],
        folder,
        "3 histories of one pool",
        *("generation 4 of epoch 2", "generation 5 of epoch 2", "generation 6 of epoch 2"),
        *("on disk d0", "on disk d1", "on disk d2"),
    )


def test_without_the_disks_of_the_other_history_each_goes_on(here: Site, folder: Path) -> None:
    there = here.copied_to(folder / "there")
    here.open(A, B)
    here.write("mine", A, B)
    there.open(C, mode=OpenMode.FORCE)
    there.write("theirs", C)

    here.open(A, B)
    there.open(C, mode=OpenMode.FORCE)

    assert here.names() == FIRST | {"mine"}
    assert there.names() == FIRST | {"theirs"}


def test_neither_half_of_four_disks_opens_alone_without_force(folder: Path) -> None:
    """J is three of the four with m=1: one half has two of them, the other one."""
    here = new_pool(folder / "here", (A, B, C, D), tolerance=1, groups=2, journal_set=ABC)
    there = here.copied_to(folder / "there")

    with pytest.raises(QuorumError, match="1 of 3 journal disks are readable, 2 needed"):
        there.open(C, D)
    here.open(A, B)

    assert there.copied_to(folder / "third").open(A, B, C, D).head.epoch == 2


def test_a_copy_that_was_only_read_elsewhere_is_no_second_history(here: Site, folder: Path) -> None:
    there = here.copied_to(folder / "there")
    there.open(C, mode=OpenMode.READ_ONLY)
    here.open(A, B)
    here.write("mine", A, B)

    there.open(*ABC)

    assert there.names() == FIRST | {"mine"}


def test_an_open_elsewhere_whose_first_root_reached_no_disk_is_no_second_history(
    here: Site, folder: Path
) -> None:
    there = here.copied_to(folder / "there")
    there.open(B, C, epoch_to=0)
    here.open(A, B)
    here.write("mine", A, B)

    opened = there.open(*ABC)

    assert there.names() == FIRST | {"mine"}
    assert opened.decision.local.value == "abandoned"


def test_force_is_remembered_and_what_was_left_out_unwritten_comes_back(here: Site) -> None:
    here.open(A, mode=OpenMode.FORCE)
    here.write("alone", A)

    here.open(*ABC)

    assert here.names() == FIRST | {"alone"}
    alone, *others = [content_of(here.devices[disk])[2] for disk in ABC]
    assert others == [alone[:-1], alone[:-1]]  # The last is of the open itself.


def test_a_disk_forced_open_alone_asks_for_force_again_until_its_j_is_settled(here: Site) -> None:
    here.open(A, mode=OpenMode.FORCE)

    with pytest.raises(QuorumError, match="1 of 3 journal disks are readable"):
        here.open(A)
    settle(here, A)
    here.open(A)


@pytest.mark.parametrize("returned", [(B,), (C,), (B, C)])
def test_force_is_remembered_and_what_was_left_out_with_roots_of_its_own_is_refused(
    here: Site, folder: Path, returned: tuple[object, ...]
) -> None:
    """A forced open proves nothing about a tail: it went on without asking."""
    here.write("acknowledged", B, C)
    alone = Site(folder / "alone", here.devices)
    alone.open(A, mode=OpenMode.FORCE)

    there = [disk for disk in ABC if disk == A or disk in returned]
    with pytest.raises(SplitHistoryError):
        alone.open(*there, mode=OpenMode.FORCE)


def test_a_forced_history_that_was_opened_again_without_force_is_still_a_second_one(
    here: Site, folder: Path
) -> None:
    alone = Site(folder / "alone", here.devices)
    alone.open(A, mode=OpenMode.FORCE)
    settle(alone, A)
    alone.open(A)
    alone.write("alone", A)
    for _ in range(3):
        here.open(B, C)

    check_refused_without_a_change([here, alone], folder, "on disk d1, disk d2", "on disk d0")


def test_disks_that_were_cloned_and_opened_apart_without_force_are_two_histories(
    here: Site, folder: Path
) -> None:
    """Neither open could know of the other, so both took one epoch."""
    clone = here.copied_to(folder / "clone", copies_of(here.devices))
    for site in (here, clone):
        site.open(*ABC)
        site.write(f"of {site.folder.name}", *ABC)
    here.open(*ABC)  # A higher epoch on one side proves nothing about the other.
    mixed = {A: here.devices[A], B: here.devices[B], C: clone.devices[C]}
    meeting = [here.copied_to(folder / "1", mixed), clone.copied_to(folder / "2", mixed)]

    check_refused_without_a_change(meeting, folder, "on disk d0, disk d1", "on disk d2")


def test_a_branch_below_every_checkpoint_is_seen_by_its_epoch() -> None:
    """A and B were set back to a backup and written since; C went on past their fork."""
    shape = Shape(name="2+1", disks=ABC, tolerance=1)
    roots = history(shape, count=6)
    base, since = (
        root_after(before, journal_set=ABC, tolerance=1, epoch=epoch, salt=salt)
        for before, epoch, salt in ((roots[5], 2, "on"), (roots[2], 3, "since"))
    )
    head = root_after(base, journal_set=ABC, tolerance=1, epoch=3)
    scans = {
        A: scan_of(A, [*roots[:3], since], told=ABC, epoch=3),
        B: scan_of(B, [*roots[:3], since], told=ABC, epoch=3),
        C: scan_of(C, [base, head], told=ABC, epoch=3, checkpoint=base),
    }

    with pytest.raises(SplitHistoryError, match=r"generation 8 .*generation 4 of epoch 3"):
        judge(scans, ABC)


def test_a_forced_open_is_not_overruled_by_a_later_open_of_the_others_under_a_higher_epoch(
    here: Site, folder: Path
) -> None:
    alone = Site(folder / "alone", here.devices)
    # Promises B and C the epoch that the forced open takes, and goes no further.
    here.copied_to(folder / "promise").open(B, C, epoch_to=0)
    alone.open(A, mode=OpenMode.FORCE)
    alone.write("alone", A)
    here.open(B, C)
    here.write("others", B, C)

    check_refused_without_a_change([here, alone], folder, "on disk d1, disk d2", "on disk d0")
