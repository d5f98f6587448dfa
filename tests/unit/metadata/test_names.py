"""Directory entries, link targets and extended attributes beside plain dicts."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from engine.errors import ExistsError, NoSpaceError
from engine.ids import InodeId
from engine.limits import GROUP_BYTES_MAX, XATTR_VALUE_BYTES_MAX
from engine.metadata.database import create_database, open_database
from tests.unit.metadata.shadowed_store import ShadowedStore

ROOT, OTHER = InodeId(1), InodeId(2)


def test_a_listing_is_in_the_order_of_making_and_resumes_behind_a_cookie(
    shadowed: ShadowedStore,
) -> None:
    names = shadowed.tables.names
    made = [b"z", b"a", b"m", bytes(range(1, 47)), b"\xff\xfe"]
    with shadowed.store.operation():
        for number, name in enumerate(made, 10):
            names.insert(ROOT, name, InodeId(number))
        names.insert(OTHER, b"elsewhere", InodeId(99))

    listed = names.list_behind(ROOT, 0, 100)
    assert [entry.name for entry in listed] == made
    resumed = names.list_behind(ROOT, listed[1].cookie, 2)
    assert [entry.name for entry in resumed] == made[2:4]
    assert [entry.inode_id for entry in listed] == [10, 11, 12, 13, 14]


def test_names_deleted_behind_and_before_a_cookie_do_not_move_the_others(
    shadowed: ShadowedStore,
) -> None:
    names = shadowed.tables.names
    with shadowed.store.operation():
        for number in range(10):
            names.insert(ROOT, b"%d" % number, InodeId(number + 10))
    cookie = names.list_behind(ROOT, 0, 5)[-1].cookie

    with shadowed.store.operation():
        for gone in (b"0", b"4", b"6"):
            names.delete(ROOT, gone)
        names.insert(ROOT, b"new", InodeId(50))

    rest = [entry.name for entry in names.list_behind(ROOT, cookie, 100)]
    assert rest == [b"5", b"7", b"8", b"9", b"new"]


def test_pointing_a_name_elsewhere_keeps_its_cookie(shadowed: ShadowedStore) -> None:
    names = shadowed.tables.names
    with shadowed.store.operation():
        names.insert(ROOT, b"a", InodeId(10))
    before = names.find(ROOT, b"a")

    with shadowed.store.operation():
        names.point(ROOT, b"a", InodeId(11))

    after = names.find(ROOT, b"a")
    assert before is not None
    assert after is not None
    assert (after.inode_id, after.cookie) == (11, before.cookie)


def test_what_an_undone_operation_did_to_names_is_forgotten_with_it(
    shadowed: ShadowedStore,
) -> None:
    names = shadowed.tables.names
    with shadowed.store.operation():
        names.insert(ROOT, b"kept", InodeId(10))
        names.insert(ROOT, b"moved", InodeId(11))

    def change_and_fail() -> None:
        with shadowed.store.operation():
            names.delete(ROOT, b"kept")
            names.point(ROOT, b"moved", InodeId(12))
            names.insert(ROOT, b"new", InodeId(13))
            # Looked at inside, so all of it was seen as it will not be.
            assert names.find(ROOT, b"kept") is None
            assert names.find(ROOT, b"new") is not None
            raise ExistsError

    with pytest.raises(ExistsError):
        change_and_fail()

    found = {name: names.find(ROOT, name) for name in (b"kept", b"moved", b"new")}
    assert {name: entry and entry.inode_id for name, entry in found.items()} == {
        b"kept": 10,
        b"moved": 11,
        b"new": None,
    }


def test_more_names_than_are_remembered_are_found_all_the_same(
    shadowed: ShadowedStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.metadata.names.NAMES_CACHED_MAX", 8)
    names = shadowed.tables.names
    with shadowed.store.operation():
        for number in range(40):
            names.insert(ROOT, b"%d" % number, InodeId(number + 10))

    found = [names.find(ROOT, b"%d" % number) for number in range(41)]

    assert [entry and entry.inode_id for entry in found] == [*range(10, 50), None]
    assert len(names._found) <= 8


def test_a_directory_is_empty_when_its_last_name_went(shadowed: ShadowedStore) -> None:
    names = shadowed.tables.names
    assert names.is_empty(ROOT)
    with shadowed.store.operation():
        names.insert(ROOT, b"a", InodeId(10))
        assert not names.is_empty(ROOT)
        names.delete(ROOT, b"a")
    assert names.is_empty(ROOT)
    assert names.find(ROOT, b"a") is None


def test_attributes_are_what_a_dict_holds(shadowed: ShadowedStore) -> None:
    names = shadowed.tables.names
    oracle = {b"user.b": b"2", b"user.a": b"", b"user.c": bytes(range(256))}
    with shadowed.store.operation():
        for name, value in oracle.items():
            names.set_xattr(ROOT, name, b"old")
            names.set_xattr(ROOT, name, value)
        names.set_xattr(OTHER, b"user.a", b"of another")
    assert names.list_xattrs(ROOT) == sorted(oracle)
    assert {name: names.get_xattr(ROOT, name) for name in oracle} == oracle

    with shadowed.store.operation():
        names.remove_xattr(ROOT, b"user.b")
    assert names.get_xattr(ROOT, b"user.b") is None
    assert names.list_xattrs(ROOT) == [b"user.a", b"user.c"]


def test_forgetting_an_inode_takes_its_target_and_attributes_and_no_others(
    shadowed: ShadowedStore,
) -> None:
    names = shadowed.tables.names
    with shadowed.store.operation():
        for inode in (ROOT, OTHER):
            names.set_target(inode, b"to %d" % inode)
            names.set_xattr(inode, b"user.a", b"v")
        names.forget(ROOT)

    assert names.target(ROOT) is None
    assert names.list_xattrs(ROOT) == []
    assert names.target(OTHER) == b"to 2"
    assert names.get_xattr(OTHER, b"user.a") == b"v"


def test_an_inode_takes_a_mebibyte_of_attributes_and_no_more(shadowed: ShadowedStore) -> None:
    names, largest = shadowed.tables.names, bytes(XATTR_VALUE_BYTES_MAX)
    with shadowed.store.operation():
        for number in range(15):
            names.set_xattr(ROOT, b"user.%d" % number, largest)

        with pytest.raises(NoSpaceError):
            names.set_xattr(ROOT, b"user.15", largest)
        names.set_xattr(ROOT, b"user.7", largest)
        names.set_xattr(OTHER, b"user.15", largest)
    assert len(names.list_xattrs(ROOT)) == 15


def test_an_inode_takes_a_thousand_attributes_and_not_many_more(shadowed: ShadowedStore) -> None:
    names = shadowed.tables.names
    with shadowed.store.operation():
        for number in range(1024):
            names.set_xattr(ROOT, b"user.%d" % number, b"")

        with pytest.raises(NoSpaceError):
            names.set_xattr(ROOT, b"user.1024", b"")
        names.set_xattr(ROOT, b"user.1000", b"longer")
    assert names.get_xattr(ROOT, b"user.1000") == b"longer"


def test_names_of_attributes_are_no_more_than_can_be_listed(shadowed: ShadowedStore) -> None:
    names = shadowed.tables.names
    with shadowed.store.operation():
        for number in range(256):
            names.set_xattr(ROOT, b"user.%0250d" % number, b"")

        with pytest.raises(NoSpaceError):
            names.set_xattr(ROOT, b"user.a", b"")
        names.set_xattr(ROOT, b"user.%0250d" % 7, b"longer")
    assert sum(len(name) + 1 for name in names.list_xattrs(ROOT)) == 65_536


@pytest.mark.parametrize("how", ["one by one", "with their inodes"])
def test_attributes_that_are_removed_count_towards_the_bytes_of_a_group(
    shadowed: ShadowedStore, how: str
) -> None:
    names, largest = shadowed.tables.names, bytes(XATTR_VALUE_BYTES_MAX)
    inodes = [InodeId(number) for number in range(2, 2 + GROUP_BYTES_MAX // len(largest))]
    with shadowed.store.operation():
        for inode in inodes:
            names.set_xattr(inode, b"user.a", largest)
    shadowed.close_group()

    for inode in inodes:
        assert not shadowed.store.pressure.is_set()
        with shadowed.store.operation():
            if how == "with their inodes":
                names.forget(inode)
            else:
                names.remove_xattr(inode, b"user.a")

    assert shadowed.store.pressure.is_set()


def test_a_database_from_before_finds_the_names_of_a_file_as_quickly_as_a_new_one(
    tmp_path: Path,
) -> None:
    path = tmp_path / "meta.db"
    with closing(create_database(path)) as made:
        made.execute("DROP INDEX dentry_inode")

    with closing(open_database(path)) as opened:
        plan = opened.execute("EXPLAIN QUERY PLAN SELECT parent FROM dentry WHERE inode = 7")
        assert ["dentry_inode" in str(step) for step in plan] == [True]
