"""Policies of files and directories, set with plain system calls and with commands."""

from __future__ import annotations

import errno
import os
import shutil
from collections import Counter
from pathlib import Path

import pytest

from engine.status.answers import WhereView
from engine.status.transport import decode
from tests.e2e.harness import LivePool, wait_for

REDUNDANCY = "user.dynamicfs.redundancy"
HEALTH = "user.dynamicfs.health"
SIZE = 300_000


def where(pool: LivePool, path: Path) -> WhereView:
    return decode(WhereView, pool.command("where", str(path), "--json").json)


def stored_as(pool: LivePool, path: Path) -> set[str]:
    return {extent.redundancy for extent in where(pool, path).extents}


def real_fragments(pool: LivePool, path: Path) -> tuple[set[Path], set[Path]]:
    """Return the files that ``where`` names, and those on the disks of the same extents."""
    view = where(pool, path)
    disks = {f"d{number}": disk for number, disk in enumerate(pool.disks, start=1)}
    named = {disks[one.disk] / one.name for extent in view.extents for one in extent.fragments}
    extents = {extent.extent_id for extent in view.extents}
    return named, {one.path for one in pool.fragments() if one.extent in extents}


def test_each_file_of_a_directory_survives_what_its_own_policy_says(pool: LivePool) -> None:
    folder = pool.mountpoint / "mixed"
    folder.mkdir()
    os.setxattr(folder, REDUNDANCY, b"copies:5")
    contents = {name: os.urandom(SIZE) for name in ("inherits", "one", "rs31")}
    for name, content in contents.items():
        path = folder / name
        path.touch()
        if name == "one":
            os.setxattr(path, REDUNDANCY, b"copies:1")
        if name == "rs31":
            os.setxattr(path, REDUNDANCY, b"rs:3+1")
        path.write_bytes(content)
    pool.sync()
    assert stored_as(pool, folder / "inherits") == {"copies:5"}
    assert stored_as(pool, folder / "rs31") == {"rs:3+1"}
    named, found = real_fragments(pool, folder / "inherits")
    assert named == found
    assert Counter(path.stat().st_size > SIZE for path in found) == {True: 5}
    holder = where(pool, folder / "one").disks[0][0]
    pool.remount()

    pool.take_away(int(holder[1:]) - 1)
    pool.find_disks(1)

    assert os.getxattr(folder / "one", HEALTH) == b"lost"
    with pytest.raises(OSError, match="Input/output error"):
        (folder / "one").read_bytes()
    for name in ("inherits", "rs31"):
        assert os.getxattr(folder / name, HEALTH) != b"lost"
        assert (folder / name).read_bytes() == contents[name]
    assert pool.command("where", str(folder / "one")).code == 4


def test_what_the_disks_cannot_hold_is_refused_by_both_ways(pool: LivePool) -> None:
    path = pool.mountpoint / "f"
    path.write_bytes(b"x")

    with pytest.raises(OSError, match="Invalid argument") as refused:
        os.setxattr(path, REDUNDANCY, b"copies:7")
    outcome = pool.command("change-policy", str(pool.pool_dir), str(path), "rs:6+2")

    assert refused.value.errno == errno.EINVAL
    assert outcome.code == 1
    assert "add 2 or choose a narrower redundancy" in outcome.said
    assert os.getxattr(path, REDUNDANCY) == b"rs:4+2"


def test_a_copy_with_attributes_takes_along_what_was_set_and_nothing_else(pool: LivePool) -> None:
    original, plain = pool.mountpoint / "original", pool.mountpoint / "plain"
    original.write_bytes(b"x")
    plain.write_bytes(b"x")
    os.setxattr(original, REDUNDANCY, b"copies:3")

    for path in (original, plain):
        shutil.copy2(path, path.with_suffix(".copy"))

    assert os.listxattr(original.with_suffix(".copy")) == [REDUNDANCY]
    assert os.getxattr(original.with_suffix(".copy"), REDUNDANCY) == b"copies:3"
    assert os.listxattr(plain.with_suffix(".copy")) == []
    with pytest.raises(PermissionError):
        os.setxattr(plain, HEALTH, b"whole")


def test_a_policy_by_command_holds_for_old_and_new_data_and_over_a_remount(pool: LivePool) -> None:
    folder = pool.mountpoint / "d"
    folder.mkdir()
    (folder / "old").write_bytes(os.urandom(SIZE))
    content = (folder / "old").read_bytes()
    pool.sync()
    assert stored_as(pool, folder / "old") == {"rs:4+2"}

    pool.must("change-policy", str(pool.pool_dir), str(folder), "copies:3")
    (folder / "new").write_bytes(content)
    pool.sync()

    assert stored_as(pool, folder / "new") == {"copies:3"}
    wait_for(
        "old data is encoded anew",
        lambda: stored_as(pool, folder / "old") == {"copies:3"},
        limit_s=60.0,
    )
    pool.remount()
    assert (folder / "old").read_bytes() == (folder / "new").read_bytes() == content
    status = pool.must("policy-status", str(pool.pool_dir), str(folder / "new"), "--json").json
    assert status == {"path": "/d/new", "redundancy": "copies:3", "from": "directory /d"}
    policies = pool.ask("policy-status").json
    assert policies == {
        "redundancy": "rs:4+2",
        "policies": [{"path": "/d", "is_directory": True, "redundancy": "copies:3"}],
    }
