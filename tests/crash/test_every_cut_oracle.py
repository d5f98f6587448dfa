"""The oracle of the power cuts says no where it must: each promise, broken by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest

from engine.ids import InodeId
from tests.simulation.oracle import FoundTree, History
from tests.simulation.oracle_content import ContentChange, Resized, Written, is_possible
from tests.simulation.oracle_tree import Node

FILE = InodeId(7)
OTHER_FILE = InodeId(8)


def _wrote(number: int, offset: int, data: bytes) -> Written:
    return Written(number=number, offset=offset, data=data)


def _resized(number: int, before: int, size: int) -> Resized:
    return Resized(number=number, before=before, size=size)


def _possible(changes: list[ContentChange], *, floor: int = 0, ceiling: int = 99) -> set[bytes]:
    """Return those of a few contents that the oracle accepts."""
    asked = {b"", b"abc", b"aXc", b"ab", b"a", b"abc\0\0", b"\0\0\0", b"\0\0\0\0\0", b"aX"}
    return {
        content
        for content in asked
        if is_possible(content, changes, floor=floor, ceiling=ceiling, split_bytes=None)
    }


def test_a_file_may_be_as_it_was_before_or_after_each_write() -> None:
    changes: list[ContentChange] = [_wrote(1, 0, b"abc"), _wrote(2, 1, b"X")]

    assert _possible(changes) == {b"", b"abc", b"aXc"}


def test_what_was_synced_does_not_go_back() -> None:
    changes: list[ContentChange] = [_wrote(1, 0, b"abc"), _wrote(2, 1, b"X")]

    assert _possible(changes, floor=1) == {b"abc", b"aXc"}


def test_bytes_are_never_newer_than_the_names_beside_them() -> None:
    changes: list[ContentChange] = [_wrote(1, 0, b"abc"), _wrote(2, 1, b"X")]

    assert _possible(changes, ceiling=1) == {b"", b"abc"}


def test_a_cut_may_come_before_bytes_written_earlier() -> None:
    changes: list[ContentChange] = [_wrote(1, 0, b"abc"), _wrote(2, 1, b"X"), _resized(3, 3, 2)]

    assert _possible(changes, floor=1) == {b"ab", b"aX"}


def test_growth_without_bytes_waits_for_the_bytes_before_it() -> None:
    changes: list[ContentChange] = [_wrote(1, 0, b"abc"), _resized(2, 3, 5)]

    assert _possible(changes) == {b"", b"abc", b"abc\0\0"}


@pytest.mark.parametrize(("split_bytes", "is_fine"), [(None, False), (3, False), (2, True)])
def test_only_a_write_over_two_builders_may_arrive_in_part(
    split_bytes: int | None,
    is_fine: bool,  # noqa: FBT001
) -> None:
    changes = [_wrote(1, 0, b"abc")]

    assert is_possible(b"ab", changes, floor=0, ceiling=1, split_bytes=split_bytes) is is_fine


def _two_files() -> tuple[History, FoundTree]:
    """A file made at 10, synced at 20, then another made at 30; as found at the end."""
    history = History()
    history.begin("create a", 10)
    first = Node(inode_id=FILE, is_directory=False, mode=0o644)
    history.made(history.tree.root, "a", first)
    history.done()
    history.begin("write a", 12)
    history.wrote(first, 0, b"abc")
    history.done()
    history.acknowledge(20, first)
    history.begin("create b", 30)
    second = Node(inode_id=OTHER_FILE, is_directory=False, mode=0o644)
    history.made(history.tree.root, "b", second)
    history.done()
    contents = {FILE: b"abc", OTHER_FILE: b""}
    return history, FoundTree(picture=history.operations[-1].after, contents=contents)


def test_what_was_seen_last_is_fine_from_where_it_began() -> None:
    history, found = _two_files()

    assert history.contradictions(found, 30) == []
    assert history.contradictions(found, 29) != []


def test_names_go_back_to_an_acknowledged_moment_at_most() -> None:
    history, found = _two_files()
    empty = FoundTree(picture=history.operations[0].after, contents={})

    assert history.contradictions(empty, 19) == []
    assert history.contradictions(empty, 20) != []


def test_a_tree_that_never_was_is_refused() -> None:
    history, found = _two_files()
    never = tuple(entry for entry in found.picture if entry.path != "a")

    assert history.contradictions(replace(found, picture=never), 30) != []


def test_a_changed_attribute_is_refused() -> None:
    history, found = _two_files()
    changed = tuple(replace(entry, mode=0o600) for entry in found.picture)

    assert history.contradictions(replace(found, picture=changed), 30) != []


def test_other_bytes_are_refused() -> None:
    history, found = _two_files()

    before = replace(found, contents={FILE: b"abc", OTHER_FILE: b""})
    assert history.contradictions(before, 60) == []
