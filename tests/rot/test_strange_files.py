"""Files that are gone, older, swapped, cut, or no files at all: the pool says so or copes."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

from engine.errors import EngineError, PoolError, QuorumError
from engine.metadata.files import DATABASE_NAME
from engine.metadata.recovery import OpenMode as PoolMode
from tests.rot.rotten_pool import (
    LABEL,
    Place,
    Samples,
    errors_in,
    open_and_read,
    remove,
    wrong_answers,
)


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(path))


def _folder_with_something(path: Path) -> None:
    (path / "inner").mkdir(parents=True)
    (path / "inner" / "file").write_bytes(b"somebody's")


STRANGE: Final[dict[str, Callable[[Path], object]]] = {
    "nothing": lambda path: None,
    "an empty file": lambda path: path.write_bytes(b""),
    "zeros": lambda path: path.write_bytes(bytes(5000)),
    "other bytes": lambda path: path.write_bytes(bytes(range(256)) * 20),
    "a folder": _folder_with_something,
    "a link to nothing": lambda path: path.symlink_to("nowhere"),
    "a link to itself": lambda path: path.symlink_to(path.name),
    "a FIFO": os.mkfifo,
    "a socket": _socket,
}

ON_A_DISK: Final = (
    LABEL, "lock", "tmp", "journal", "checkpoints", "fragments", "quarantine",
    "journal/0000000000000001.log", "journal/ffffffffffffffff.log",
    "checkpoints/0000000000000003.0000000000000002", "checkpoints/unknown",
    "fragments/400", "fragments/400/1048577.1048577.9", "unknown",
)  # fmt: skip

IN_THE_POOL: Final = (
    "pool.toml", "lock", "reserve", "scrub.json", "pool.toml.new", "scrub.tmp", "scrub.db",
    "metadata.db", "metadata.db-wal", "metadata.db-shm", "metadata.db-journal",
    "metadata.db.damaged", "metadata.db.view", "unknown",
)  # fmt: skip


STEPS: Final = [
    pytest.param(2, id="every other"),
    pytest.param(1, id="every", marks=pytest.mark.soak),
]


def strange(begin: int, step: int) -> list[tuple[str, Callable[[Path], object]]]:
    """Return every *step*-th strange thing, from another one on for each *begin*."""
    return list(STRANGE.items())[begin % step :: step]


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("name", ON_A_DISK)
def test_whatever_is_in_the_place_of_a_file_on_one_disk_all_is_read_right(
    place: Place, samples: Samples, name: str, step: int
) -> None:
    for what, make in strange(ON_A_DISK.index(name), step):
        place.restore(samples.crashed)
        path = place.disks[0] / name
        remove(path)
        make(path)

        assert open_and_read(place)[0] == samples.crashed.expected, what


@pytest.mark.parametrize("step", STEPS)
def test_whatever_is_in_the_place_of_a_fragment_all_is_read_right(
    place: Place, samples: Samples, step: int
) -> None:
    for begin, name in enumerate(samples.crashed.named("disk2/fragments")):
        for what, make in strange(begin, step):
            place.restore(samples.crashed)
            remove(place.path(name))
            make(place.path(name))

            assert open_and_read(place)[0] == samples.crashed.expected, what


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("name", IN_THE_POOL)
def test_whatever_is_in_the_pool_directory_the_pool_opens_right_or_says_why_not(
    place: Place, samples: Samples, name: str, step: int
) -> None:
    taken = samples.crashed
    refused = []
    for what, make in strange(IN_THE_POOL.index(name), step):
        place.restore(taken)
        path = place.pool_dir / name
        remove(path)
        make(path)
        try:
            assert open_and_read(place)[0] == taken.expected, what
        except PoolError:
            refused.append(what)

    if name not in ("pool.toml", "lock"):
        assert refused == []


def _swap(one: Path, other: Path) -> None:
    aside = one.with_name("aside")
    one.rename(aside)
    other.rename(one)
    aside.rename(other)


@pytest.mark.parametrize("part", ["journal", "checkpoints", "fragments"])
def test_folders_swapped_between_two_disks_are_read_around(
    place: Place, samples: Samples, part: str
) -> None:
    place.restore(samples.closed)
    _swap(place.disks[0] / part, place.disks[1] / part)

    assert open_and_read(place)[0] == samples.closed.expected


@pytest.mark.parametrize("part", ["", LABEL])
def test_disks_or_labels_that_changed_places_are_missing_disks(
    place: Place, samples: Samples, part: str
) -> None:
    place.restore(samples.closed)
    _swap(place.disks[0] / part, place.disks[1] / part)

    with pytest.raises(QuorumError, match="2 of 4 journal disks are readable"):
        open_and_read(place)
    assert open_and_read(place, mode=PoolMode.READ_ONLY)[0] == samples.closed.expected


def test_fragments_of_one_extent_that_changed_places_are_read_around(
    place: Place, samples: Samples
) -> None:
    place.restore(samples.closed)
    one = place.path(samples.closed.named("disk1/fragments/400")[0])
    other = place.path(samples.closed.named("disk2/fragments/400")[0])
    mine, theirs = one.read_bytes(), other.read_bytes()
    one.write_bytes(theirs)
    other.write_bytes(mine)

    assert open_and_read(place)[0] == samples.closed.expected


OLDER: Final = {
    "label": (f"disk1/{LABEL}", f"disk2/{LABEL}"),
    "journal": ("disk1/journal/0000000000000001.log",),
    "two journals": (
        "disk1/journal/0000000000000001.log",
        "disk2/journal/0000000000000001.log",
    ),
    "database": (f"pool/{DATABASE_NAME}",),
    "configuration": ("pool/pool.toml",),
}


@pytest.mark.parametrize("sample", ["crashed", "closed"])
@pytest.mark.parametrize("what", OLDER)
def test_an_older_version_of_itself_does_not_pass_for_the_newest(
    place: Place, samples: Samples, what: str, sample: str
) -> None:
    taken = samples.crashed if sample == "crashed" else samples.closed
    place.restore(taken)
    for name in OLDER[what]:
        with place.path(name).open("wb") as file:
            file.write(samples.older.image[name])
            file.truncate(samples.older.lengths[name])

    assert open_and_read(place)[0] == taken.expected


def test_an_older_disk_as_a_whole_is_brought_up_to_date(place: Place, samples: Samples) -> None:
    place.restore(samples.closed)
    remove(place.disks[3])
    for name in samples.older.named("disk4/"):
        path = place.path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(samples.older.image[name].ljust(samples.older.lengths[name], b"\0"))
    for part in ("quarantine", "tmp"):
        (place.disks[3] / part).mkdir()

    assert open_and_read(place)[0] == samples.closed.expected
    assert open_and_read(place)[0] == samples.closed.expected


def test_files_of_an_extent_with_too_much_rot_fail_by_name_and_no_others(
    place: Place, samples: Samples
) -> None:
    place.restore(samples.closed)
    for disk in (1, 2, 3):
        for name in samples.closed.named(f"disk{disk}/fragments/800/2097154."):
            place.flip(name, 8192, 0x10)

    found, _ = open_and_read(place)

    assert errors_in(found) == {"/outer/inner/large": "ExtentUnrecoverableError"}
    assert wrong_answers(samples.closed.expected, found) == []


@pytest.mark.parametrize("disks", [(1, 2, 3), (1, 2, 3, 4)])
def test_a_pool_without_enough_labels_is_refused_by_name(
    place: Place, samples: Samples, disks: tuple[int, ...]
) -> None:
    place.restore(samples.closed)
    for disk in disks:
        place.flip(f"disk{disk}/{LABEL}", 20, 0x01)

    with pytest.raises(EngineError, match="not safe to open|no disk of pool"):
        open_and_read(place)
