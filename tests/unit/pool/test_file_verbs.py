"""What an operator hears about files, beside the real files on the disks."""

from __future__ import annotations

import json
import os
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.errors import PolicyError, UsageError
from engine.ids import ROOT_INODE, InodeId
from engine.limits import EXTENT_BYTES_MAX
from engine.pool.pool import Pool
from engine.pool.verbs import PoolVerbs
from engine.status.answers import Judgement, WhereView
from engine.status.facets import FileControl
from engine.vfs.interface import OpenMode
from tests.unit.pool.directory_pool import NOBODY, Place, put

REDUNDANCY = b"user.dynamicfs.redundancy"
DAY_S = 24 * 3600


@pytest.fixture
def place(tmp_path: Path) -> Place:
    made = Place(tmp_path)
    made.create()
    return made


@pytest.fixture
def pool(place: Place) -> Iterator[Pool]:
    with Pool(place.pool_dir) as opened:
        yield opened


@pytest.fixture
def files(pool: Pool) -> FileControl:
    return PoolVerbs(pool, mountpoint=lambda: "").files


def settle(pool: Pool) -> None:
    pool.filesystem.sync_all()
    pool.refresh_figures()


def stored_files(place: Place) -> dict[str, Counter[str]]:
    """Return, by extent, on which disks real fragment files of it are."""
    found: dict[str, Counter[str]] = {}
    for number, disk in enumerate(place.disks, start=1):
        for path in disk.glob("fragments/*/*"):
            found.setdefault(path.name.split(".")[0], Counter())[f"d{number}"] += 1
    return found


def attribute(pool: Pool, inode_id: InodeId, name: bytes) -> str:
    return pool.filesystem.get_xattr(inode_id, b"user.dynamicfs." + name).decode()


def test_where_names_exactly_the_files_that_are_on_the_disks(
    place: Place, pool: Pool, files: FileControl
) -> None:
    put(pool, b"f", os.urandom(2 * EXTENT_BYTES_MAX + 4321))
    settle(pool)

    view = files.where("/f")

    disks = {f"d{number}": path for number, path in enumerate(place.disks, start=1)}
    named = {disks[one.disk] / one.name for extent in view.extents for one in extent.fragments}
    assert named == {path for disk in place.disks for path in disk.glob("fragments/*/*")}
    assert dict(view.disks) == sum(stored_files(place).values(), Counter[str]())
    assert view.extent_count == len(stored_files(place)) == 3
    assert (view.size, view.pending_bytes) == (2 * EXTENT_BYTES_MAX + 4321, 0)
    assert (view.health, view.exposure, view.policy_from) == ("whole", 2, "pool")


def test_the_attributes_on_the_mount_say_what_where_says(pool: Pool, files: FileControl) -> None:
    inode_id = put(pool, b"f", os.urandom(EXTENT_BYTES_MAX))
    settle(pool)

    view = files.where("/f")

    assert attribute(pool, inode_id, b"health") == view.health == "whole"
    assert attribute(pool, inode_id, b"exposure") == str(view.exposure)
    assert attribute(pool, inode_id, b"extents") == str(view.extent_count)
    assert attribute(pool, inode_id, b"disks") == " ".join(
        f"{disk}:{count}" for disk, count in view.disks
    )
    told = json.loads(attribute(pool, inode_id, b"where"))
    assert told["extents"][0]["extent_id"] == view.extents[0].extent_id
    assert told["inode"] == inode_id


@pytest.mark.parametrize(("lost", "health", "exposure"), [(1, "degraded", 1), (2, "exposed", 0)])
def test_a_file_is_as_exposed_as_the_disks_that_are_gone_make_it(
    place: Place, pool: Pool, files: FileControl, lost: int, health: str, exposure: int
) -> None:
    put(pool, b"f", b"x" * EXTENT_BYTES_MAX)
    put(pool, b"empty", b"")
    settle(pool)
    held = sorted(disk for disk, _ in files.where("/f").disks)

    for disk in held[:lost]:
        place.move_away(int(disk[1:]) - 1)
    pool.membership.probe()

    view = files.where("/f")
    assert (view.health, view.exposure) == (health, exposure)
    states = Counter(one.state for one in view.extents[0].fragments)
    assert states == Counter(missing=lost, intact=4 - lost)
    listed = {one.name: (one.health, one.exposure) for one in files.list_directory("/", 10)}
    assert listed == {"empty": ("whole", 2), "f": (health, exposure)}
    assert files.where("/empty").health == "whole"


def test_losses_beyond_one_files_tolerance_lose_that_file_alone(
    place: Place, pool: Pool, files: FileControl
) -> None:
    fs = pool.filesystem
    folder = fs.make_directory(ROOT_INODE, b"folder", 0o755, NOBODY).inode.inode_id
    for name, redundancy in ((b"weak", b"rs:3+1"), (b"strong", b"copies:4"), (b"plain", b"")):
        attributes, opened = fs.create(folder, name, 0o644, OpenMode.WRITE, NOBODY)
        fs.set_xattr(attributes.inode.inode_id, REDUNDANCY, redundancy)
        fs.write(opened.handle, 0, name * 1000)
        fs.release(opened.handle)
    settle(pool)
    held = [disk for disk, _ in files.where("/folder/weak").disks]

    for disk in held[:2]:
        place.move_away(int(disk[1:]) - 1)
    pool.membership.probe()

    health = {one.name: one.health for one in files.list_directory("/folder", 10)}
    assert health["weak"] == "lost"
    assert "lost" not in (health["strong"], health["plain"])
    assert [one.health for one in files.list_directory("/", 10)] == ["lost"]
    for name in (b"strong", b"plain"):
        handle = fs.open(fs.lookup(folder, name).inode.inode_id, OpenMode.READ).handle
        assert bytes(fs.read(handle, 0, 1 << 20)) == name * 1000
        fs.release(handle)


def test_where_tells_what_is_accepted_and_in_no_extent_yet(pool: Pool, files: FileControl) -> None:
    fs = pool.filesystem
    attributes, opened = fs.create(ROOT_INODE, b"f", 0o644, OpenMode.WRITE, NOBODY)
    fs.write(opened.handle, 0, b"x" * 5000)
    before = files.where("/f")
    fs.sync_file(attributes.inode.inode_id)
    settle(pool)
    after = files.where("/f")
    fs.release(opened.handle)

    assert (before.size, before.extent_count, before.pending_bytes) == (5000, 0, 5000)
    assert (after.size, after.extent_count, after.pending_bytes) == (5000, 1, 0)


def test_only_what_is_there_can_be_asked_for(files: FileControl) -> None:
    with pytest.raises(UsageError, match="no /nothing/here"):
        files.where("/nothing/here")


def policies(view: WhereView) -> set[str]:
    return {extent.redundancy for extent in view.extents}


def test_a_policy_of_the_pool_decides_for_new_data_and_survives_a_new_open(place: Place) -> None:
    with Pool(place.pool_dir) as pool:
        files = PoolVerbs(pool, mountpoint=lambda: "").files
        put(pool, b"before", b"x" * 1000)
        sentence = files.set_redundancy("", "copies:3")
        assert "copies:3: it survives the loss of 2 disks" in sentence
        put(pool, b"after", b"x" * 1000)
        settle(pool)
        assert policies(files.where("/after")) == {"copies:3"}
    with Pool(place.pool_dir) as pool:
        view = PoolVerbs(pool, mountpoint=lambda: "").files.where("/after")
        assert (view.redundancy, view.policy_from) == ("copies:3", "pool")


def test_a_weaker_policy_is_granted_and_said_to_be_weaker(pool: Pool, files: FileControl) -> None:
    put(pool, b"f", b"x")

    plan = files.plan_redundancy("/f", "copies:1")
    sentence = files.set_redundancy("/f", "copies:1")

    assert (plan.judgement, plan.typed_name) == (Judgement.RISKY, "copies:1")
    assert plan.reasons[0] == "it survives the loss of 0 disks instead of 2"
    assert plan.command == f"dynamicfs change-policy {pool.pool_dir} /f copies:1"

    assert "survives the loss of 0 disks" in sentence
    assert "names and attributes still survive 2, this data does not" in sentence
    view = files.where("/f")
    assert (view.redundancy, view.policy_from) == ("copies:1", "file")
    assert [(one.path, one.redundancy) for one in files.list_policies(9)] == [("/f", "copies:1")]


def test_a_directory_decides_for_what_is_below_until_it_inherits(
    pool: Pool, files: FileControl
) -> None:
    fs = pool.filesystem
    outer = fs.make_directory(ROOT_INODE, b"outer", 0o755, NOBODY).inode.inode_id
    inner = fs.make_directory(outer, b"inner", 0o755, NOBODY).inode.inode_id
    fs.release(fs.create(inner, b"f", 0o644, OpenMode.WRITE, NOBODY)[1].handle)

    files.set_redundancy("/outer", "rs:3+1")
    below = files.where("/outer/inner/f")
    plans = [
        files.plan_redundancy(path, "inherit") for path in ("/outer/inner/f", "/outer", "/outer/")
    ]
    files.set_redundancy("/outer", "inherit")
    again = files.where("/outer/inner/f")

    assert (below.redundancy, below.policy_from) == ("rs:3+1", "directory /outer")
    assert (again.redundancy, again.policy_from) == ("rs:2+2", "pool")
    assert not files.list_policies(9)
    assert [plan.reasons[0] for plan in plans] == [
        "it survives the loss of 1 disk, as now",
        "it survives the loss of 2 disks, more than now",
        "it survives the loss of 2 disks, more than now",
    ]
    assert {plan.judgement for plan in plans} == {Judgement.SAFE}


def test_a_plan_of_a_policy_counts_what_would_be_encoded_anew(
    place: Place, pool: Pool, files: FileControl
) -> None:
    fs = pool.filesystem
    folder = fs.make_directory(ROOT_INODE, b"d", 0o755, NOBODY).inode.inode_id
    own = fs.make_directory(folder, b"own", 0o755, NOBODY).inode.inode_id
    files.set_redundancy("/d/own", "copies:2")
    for parent, name in ((folder, b"a"), (own, b"b"), (ROOT_INODE, b"c")):
        put(pool, name, os.urandom(98_304), parent=parent)
        settle(pool)
    # These two share an extent, which is as strong as the stronger of them wants.
    put(pool, b"x", os.urandom(61_440), parent=folder)
    put(pool, b"y", os.urandom(61_440))
    settle(pool)

    counted = {
        (path, wanted): files.plan_redundancy(path, wanted).moves_extents
        for path, wanted in [
            ("/d", "copies:2"), ("/d", "rs:2+2"), ("/d/own", "inherit"), ("/d/a", "rs:3+1"),
            ("", "copies:3"), ("/d", "rs:5+1"),
        ]
    }  # fmt: skip
    plan = files.plan_redundancy("/d", "copies:3")

    assert list(counted.values()) == [1, 0, 1, 1, 3, 0]
    files.set_redundancy("/d", "copies:3")
    put(pool, b"like-a", os.urandom(98_304), parent=folder)
    settle(pool)
    put(pool, b"like-x-and-y", os.urandom(122_880), parent=folder)
    settle(pool)
    written = sum(size_of(place, files.where(f"/d/{one}")) for one in ("like-a", "like-x-and-y"))
    assert (plan.moves_extents, plan.moves_bytes) == (2, written)


def size_of(place: Place, view: WhereView) -> int:
    """Return the bytes of all fragment files of a file."""
    disks = {f"d{number}": path for number, path in enumerate(place.disks, start=1)}
    named = {disks[one.disk] / one.name for extent in view.extents for one in extent.fragments}
    return sum(path.stat().st_size for path in named)


@pytest.mark.parametrize("path", ["", "/", "/f"])
def test_what_the_disks_cannot_hold_is_refused(pool: Pool, files: FileControl, path: str) -> None:
    put(pool, b"f", b"x")

    with pytest.raises(PolicyError):
        files.set_redundancy(path, "rs:5+1")

    assert files.where("/f").redundancy == "rs:2+2"
    plan = files.plan_redundancy(path, "rs:5+1")
    assert plan.judgement is Judgement.BLOCKED
    assert "add 1 or choose a narrower redundancy" in plan.reasons[0]


# Orphans


def leave_orphan(place: Place, extent: int, *, age_s: float) -> Path:
    """Copy a fragment of extent 1 to the name of another: nobody names it."""
    original = next(place.disks[0].glob("fragments/*/*"))
    path = original.with_name(f"{extent}.{extent}.0")
    path.write_bytes(original.read_bytes())
    written_s = time.time() - age_s
    os.utime(path, (written_s, written_s))
    return path


def leave_real_orphan(place: Place, *, age_s: float) -> list[Path]:
    """Put back, after the file was deleted, what the collector took away."""
    with Pool(place.pool_dir) as pool:
        put(pool, b"gone", b"x" * EXTENT_BYTES_MAX)
        settle(pool)
        pool.close()
    kept = {path: path.read_bytes() for disk in place.disks for path in disk.glob("fragments/*/*")}
    with Pool(place.pool_dir) as pool:
        pool.filesystem.unlink(ROOT_INODE, b"gone")
        deadline_s = time.monotonic() + 20
        pool.filesystem.sync_all()
        while any(path.exists() for path in kept):
            assert time.monotonic() < deadline_s
            pool.maintenance.make_room()
        pool.close()
    for path, content in kept.items():
        path.write_bytes(content)
        os.utime(path, (time.time() - age_s, time.time() - age_s))
    return sorted(kept)


def test_an_old_orphan_is_found_and_deleted(place: Place) -> None:
    left = leave_real_orphan(place, age_s=2 * DAY_S)

    with Pool(place.pool_dir) as pool:
        files = PoolVerbs(pool, mountpoint=lambda: "").files
        found = files.find_orphans(100, 24)
        disks = {f"d{number}": path for number, path in enumerate(place.disks, start=1)}
        assert sorted(disks[one.disk] / one.name for one in found) == left
        assert all(one.removable and not one.reason for one in found)
        assert sum(one.bytes for one in found) == sum(path.stat().st_size for path in left)

        sentence = files.clean_orphans(24)

        assert sentence.startswith(f"{len(left)} orphans deleted")
        assert not any(path.exists() for path in left)
        assert not files.find_orphans(100, 24)


def test_a_young_orphan_goes_only_when_asked_for(place: Place) -> None:
    left = leave_real_orphan(place, age_s=3600)

    with Pool(place.pool_dir) as pool:
        files = PoolVerbs(pool, mountpoint=lambda: "").files
        assert {one.reason for one in files.find_orphans(100, 24)} == {"it is younger than 24 h"}
        assert files.clean_orphans(24).startswith("0 orphans deleted")
        assert all(path.exists() for path in left)
        # An earlier open left it: nobody can be about to name it.
        assert files.clean_orphans(0).startswith(f"{len(left)} orphans deleted")


def test_what_is_not_provably_ours_is_told_and_stays(place: Place) -> None:
    with Pool(place.pool_dir) as pool:
        put(pool, b"f", b"x" * EXTENT_BYTES_MAX)
        settle(pool)
        files = PoolVerbs(pool, mountpoint=lambda: "").files
        disk = int(files.where("/f").disks[0][0][1:]) - 1
        place.disks[0], place.disks[disk] = place.disks[disk], place.disks[0]
        path = leave_orphan(place, 99_999_999, age_s=3 * DAY_S)

        (found,) = files.find_orphans(100, 24)
        assert not found.removable
        assert "not what its name says" in found.reason
        assert files.clean_orphans(0).startswith("0 orphans deleted, 0 B; 1 stay")
        assert path.exists()


def test_what_was_written_since_the_open_stays_however_young_it_may_be(place: Place) -> None:
    with Pool(place.pool_dir) as pool:
        put(pool, b"f", b"x" * EXTENT_BYTES_MAX)
        settle(pool)
        kept = {
            path: path.read_bytes() for disk in place.disks for path in disk.glob("fragments/*/*")
        }
        pool.filesystem.unlink(ROOT_INODE, b"f")
        pool.filesystem.sync_all()
        deadline_s = time.monotonic() + 20
        while any(path.exists() for path in kept):
            assert time.monotonic() < deadline_s
            pool.maintenance.make_room()
        settle(pool)
        for path, content in kept.items():
            path.write_bytes(content)
        files = PoolVerbs(pool, mountpoint=lambda: "").files

        reasons = {one.reason for one in files.find_orphans(100, 0)}

        assert reasons == {"it was written since the pool was opened"}
        assert files.clean_orphans(0).startswith("0 orphans deleted")
