"""The simulated disk world: what it says may be left after a power cut, and no more.

The sets of states are listed by hand, from what POSIX promises of a flush.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TypeAlias

import pytest

from tests.simulation import CutState, World
from tests.simulation.plain_disk import PlainDisk, files_in
from tests.simulation.snapshot import LINKED_BYTES_MIN

Files: TypeAlias = dict[str, bytes]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with World(tmp_path / "live", disk_count=2) as world:
        yield world


@pytest.fixture
def disk(world: World) -> PlainDisk:
    return PlainDisk(world)


class Builds:
    """Builds states one after the other, each into a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._count = 0

    def of(self, state: CutState, number: int = 0) -> Files:
        """Return what disk *number* holds in *state*."""
        self._count += 1
        built = state.build(self._folder / str(self._count))
        files = files_in(built.disks[number])
        built.remove()
        return files

    def kinds(self, states: Iterable[CutState]) -> list[Files]:
        """Return what the first disk holds in *states*, each kind once, sorted."""
        found: list[Files] = []
        for state in states:
            files = self.of(state)
            if files not in found:
                found.append(files)
        return in_order(found)


def in_order(kinds: Iterable[Files]) -> list[Files]:
    """Return *kinds* sorted, to be compared."""
    return sorted(kinds, key=lambda files: sorted(files.items()))


@pytest.fixture
def builds(tmp_path: Path) -> Builds:
    return Builds(tmp_path / "built")


def every_kind(world: World, builds: Builds, *, sector_bytes: int | None = None) -> list[Files]:
    """Return what the first disk may hold after a power cut now."""
    return builds.kinds(world.every_state(world.position, sector_bytes=sector_bytes))


def test_what_was_not_flushed_arrived_in_any_subset_in_its_order(
    world: World, disk: PlainDisk, builds: Builds
) -> None:
    disk.create("a", b"one")
    disk.write("a", b"two", 3)
    disk.write("a", b"X", 2)

    assert every_kind(world, builds) == in_order(
        [
            {},
            {"a": b""},
            {"a": b"one"},
            {"a": b"\0\0\0two"},
            {"a": b"onetwo"},
            {"a": b"\0\0X"},
            {"a": b"onX"},
            {"a": b"\0\0Xtwo"},
            {"a": b"onXtwo"},
        ]
    )


def test_a_flush_of_a_file_does_not_keep_its_name(
    world: World, disk: PlainDisk, builds: Builds
) -> None:
    disk.create("a", b"one")
    disk.sync("a")

    assert every_kind(world, builds) == in_order([{}, {"a": b"one"}])


def test_a_flush_of_the_folder_does_not_keep_the_content(
    world: World, disk: PlainDisk, builds: Builds
) -> None:
    disk.create("a", b"one")
    disk.sync_names()

    assert every_kind(world, builds) == in_order([{"a": b""}, {"a": b"one"}])


def test_a_lost_rename_shows_the_old_names_and_its_halves_are_lost_one_by_one(
    world: World, disk: PlainDisk, builds: Builds
) -> None:
    disk.make_durable("label", b"old")
    disk.make_durable("scratch", b"new")
    disk.rename("scratch", "label")

    assert every_kind(world, builds) == in_order(
        [
            {"label": b"old", "scratch": b"new"},
            {"label": b"new"},
            {"label": b"new", "scratch": b"new"},
            {"label": b"old"},
        ]
    )


def test_both_halves_of_a_rename_give_one_file_two_names(
    world: World, disk: PlainDisk, tmp_path: Path
) -> None:
    disk.make_durable("scratch", b"new")
    disk.rename("scratch", "label")

    for number, state in enumerate(world.every_state(world.position)):
        built = state.build(tmp_path / str(number)).disks[0]
        if len(files_in(built)) == 2:
            assert os.path.samefile(built / "scratch", built / "label")
            return
    pytest.fail("no state has both names")


def test_a_rename_whose_folder_was_flushed_is_never_lost(
    world: World, disk: PlainDisk, builds: Builds
) -> None:
    disk.make_durable("label", b"old")
    disk.make_durable("scratch", b"new")
    disk.rename("scratch", "label")
    disk.sync_names()

    assert every_kind(world, builds) == [{"label": b"new"}]


def test_a_rename_between_folders_is_kept_by_each_folder_for_its_half(
    world: World, disk: PlainDisk, builds: Builds
) -> None:
    disk.make_folder("in")
    disk.make_durable("a", b"1")
    disk.move("a", "in")
    disk.sync_names("in")

    assert every_kind(world, builds) == in_order([{"in/a": b"1"}, {"a": b"1", "in/a": b"1"}])


def test_a_truncation_and_a_write_after_it_arrive_without_each_other(
    world: World, disk: PlainDisk, builds: Builds
) -> None:
    disk.make_durable("a", b"abcdef")
    disk.truncate("a", 2)
    disk.write("a", b"XY", 3)

    assert every_kind(world, builds) == in_order(
        [{"a": b"abcdef"}, {"a": b"ab"}, {"a": b"abcXYf"}, {"a": b"ab\0XY"}]
    )


def test_reserved_room_may_be_lost_and_is_zeros_where_it_is_not(
    world: World, disk: PlainDisk, builds: Builds
) -> None:
    disk.make_durable("a", b"abc")
    disk.preallocate("a", 5)

    assert every_kind(world, builds) == in_order([{"a": b"abc"}, {"a": b"abc\0\0"}])


def test_what_is_in_a_folder_is_lost_with_the_folder_s_own_name(
    world: World, disk: PlainDisk, builds: Builds
) -> None:
    disk.make_folder("in")
    disk.create("in/a", b"1")
    disk.sync("in/a")
    disk.sync_names("in")

    assert every_kind(world, builds) == in_order([{}, {"in/a": b"1"}])


def test_a_removed_file_comes_back_whole_until_its_folder_was_flushed(
    world: World, disk: PlainDisk, builds: Builds
) -> None:
    disk.make_durable("a", b"1")
    disk.unlink("a")
    before = every_kind(world, builds)
    disk.sync_names()

    assert before == in_order([{"a": b"1"}, {}])
    assert every_kind(world, builds) == [{}]


def test_changes_of_one_name_that_arrived_apply_in_their_order(
    world: World, disk: PlainDisk, builds: Builds
) -> None:
    for data in (b"1", b"2"):
        disk.create("a", data)
        disk.sync("a")
        if data == b"1":
            disk.unlink("a")

    assert every_kind(world, builds) == in_order([{}, {"a": b"1"}, {"a": b"2"}])


def test_a_write_over_old_bytes_tears_at_512_bytes(
    world: World, disk: PlainDisk, builds: Builds
) -> None:
    disk.make_durable("a", b"o" * 1200)
    disk.write("a", b"n" * 700, 500)

    first, second, third = (slice(500, 512), slice(512, 1024), slice(1024, 1200))
    expected = []
    for arrived in range(8):
        data = bytearray(b"o" * 1200)
        for bit, part in enumerate((first, second, third)):
            if arrived >> bit & 1:
                data[part] = b"n" * (part.stop - part.start)
        expected.append({"a": bytes(data)})
    assert every_kind(world, builds, sector_bytes=512) == in_order(expected)


def test_a_write_inside_one_sector_does_not_tear(
    world: World, disk: PlainDisk, builds: Builds
) -> None:
    disk.make_durable("a", b"o" * 5000)
    disk.write("a", b"n" * 700, 500)

    old, new = b"o" * 5000, b"o" * 500 + b"n" * 700 + b"o" * 3800
    assert every_kind(world, builds, sector_bytes=4096) == in_order([{"a": old}, {"a": new}])


def test_a_torn_write_at_the_end_may_leave_the_length_without_the_bytes(
    world: World, disk: PlainDisk, builds: Builds
) -> None:
    disk.make_durable("a", b"")
    disk.write("a", b"n" * 600)

    assert every_kind(world, builds, sector_bytes=512) == in_order(
        [
            {"a": b""},
            {"a": bytes(600)},
            {"a": b"n" * 512},
            {"a": b"n" * 512 + bytes(88)},
            {"a": bytes(512) + b"n" * 88},
            {"a": b"n" * 600},
        ]
    )


def test_a_flush_that_has_not_returned_keeps_nothing(
    world: World, disk: PlainDisk, builds: Builds
) -> None:
    disk.make_durable("a", b"")
    disk.write("a", b"1")
    begun = disk.begin_flush("a")
    during = every_kind(world, builds)
    disk.end_flush("a", begun)

    assert during == in_order([{"a": b""}, {"a": b"1"}])
    assert every_kind(world, builds) == [{"a": b"1"}]


def test_a_flush_keeps_nothing_that_was_written_after_it_began(
    world: World, disk: PlainDisk, builds: Builds
) -> None:
    disk.make_durable("a", b"")
    disk.write("a", b"1")
    begun = disk.begin_flush("a")
    disk.write("a", b"2", 1)
    disk.end_flush("a", begun)

    assert every_kind(world, builds) == in_order([{"a": b"1"}, {"a": b"12"}])


def test_disks_lose_independently(world: World, disk: PlainDisk, builds: Builds) -> None:
    disk.create("a")
    PlainDisk(world, 1).create("b")

    both = {
        (tuple(builds.of(state, 0)), tuple(builds.of(state, 1)))
        for state in world.every_state(world.position)
    }
    assert both == {((), ()), (("a",), ()), ((), ("b",)), (("a",), ("b",))}


def test_a_cut_before_the_end_knows_nothing_of_what_follows(
    world: World, disk: PlainDisk, builds: Builds
) -> None:
    disk.make_durable("a", b"1")
    before = world.position
    disk.unlink("a")
    disk.sync_names()
    disk.make_durable("a", b"2")

    assert builds.kinds(world.every_state(world.position)) == [{"a": b"2"}]
    assert builds.kinds(world.every_state(before)) == [{"a": b"1"}]


def test_samples_are_legal_and_reach_whatever_a_file_or_the_names_can_be(
    world: World, disk: PlainDisk, builds: Builds
) -> None:
    disk.make_durable("a", b"o" * 1024)
    disk.make_durable("b", b"b")
    disk.write("a", b"n" * 1024)
    disk.rename("b", "c")
    legal = every_kind(world, builds, sector_bytes=512)

    cuts = [world.position]
    sampled = builds.kinds(world.states(seed=3, cuts=cuts, samples_per_cut=300))

    assert [files for files in sampled if files not in legal] == []
    assert len({files["a"] for files in sampled}) == 4
    assert len({tuple(files) for files in sampled}) == 4


def test_a_cut_has_a_state_with_nothing_and_one_with_everything_volatile(
    world: World, disk: PlainDisk, builds: Builds
) -> None:
    disk.make_durable("a", b"1")
    disk.write("a", b"2")
    disk.create("b")

    cut = world.position
    states = list(world.states(seed=1, cuts=[cut], samples_per_cut=0))

    assert [state.name for state in states] == [f"cut {cut} nothing", f"cut {cut} everything"]
    assert [builds.of(state) for state in states] == [{"a": b"1"}, {"a": b"2", "b": b""}]


def test_a_state_is_the_same_again_by_its_name(
    world: World, disk: PlainDisk, builds: Builds
) -> None:
    for number in range(20):
        disk.create(f"f{number}", bytes([number]) * 2000)

    states = [
        *world.states(seed=8, cuts=[world.position, 9], samples_per_cut=10),
        *world.every_state(2, sector_bytes=512),
    ]
    first = [builds.of(state) for state in states]

    assert [builds.of(world.state(state.name)) for state in states] == first
    assert len(builds.kinds(states)) > 15


def test_a_name_of_no_state_is_refused(world: World) -> None:
    with pytest.raises(ValueError, match="not the name of a state"):
        world.state("cut 3 sideways")


def test_a_large_fragment_of_one_state_is_not_taken_for_that_of_another(
    world: World, disk: PlainDisk, builds: Builds
) -> None:
    first, second = b"1" * LINKED_BYTES_MIN, b"2" * LINKED_BYTES_MIN
    disk.make_folder("fragments")
    disk.create("fragments/a", first)
    disk.write("fragments/a", second, 1)
    disk.sync_names()
    disk.sync_names("fragments")

    assert every_kind(world, builds) == in_order(
        [
            {"fragments/a": b""},
            {"fragments/a": first},
            {"fragments/a": b"\0" + second},
            {"fragments/a": b"1" + second},
        ]
    )


def test_a_file_that_was_not_seen_to_come_is_durable(tmp_path: Path, builds: Builds) -> None:
    live = tmp_path / "live"
    (live / "disk0" / "in").mkdir(parents=True)
    (live / "disk0" / "in" / "a").write_bytes(b"1")
    with World(live, disk_count=1) as world:
        PlainDisk(world).write("in/a", b"2")

    assert every_kind(world, builds) == in_order([{"in/a": b"1"}, {"in/a": b"2"}])
