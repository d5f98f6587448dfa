"""Who ends suid and sgid by what, and whose a new file is: as on a plain file system."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

from tests.posix.people import ANN, BEN, ROOT, TEAM_GID, Person, acting_as
from tests.posix.sides import write_direct

pytestmark = pytest.mark.fuse

MODES: Final = (0o4777, 0o2777, 0o6777, 0o4666, 0o6755, 0o2666, 0o6644, 0o2745)
"""sgid without execution once marked mandatory locking: members of the group keep it."""
PERMITTED_NOTHING: Final = b"\1\0\0\2" + bytes(16)
"""A valid ``security.capability`` of version 2."""
SUPPLEMENTARY_OF_ANN: Final = TEAM_GID


def _write(path: Path) -> None:
    fd = os.open(path, os.O_WRONLY)
    os.write(fd, b"x")
    os.close(fd)


def _append(path: Path) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_APPEND)
    os.write(fd, b"x")
    os.close(fd)


def _ftruncate(path: Path) -> None:
    fd = os.open(path, os.O_WRONLY)
    os.ftruncate(fd, 1)
    os.close(fd)


CHANGES: Final[dict[str, Callable[[Path], object]]] = {
    "write": _write,
    "append": _append,
    "write direct": lambda path: write_direct(os.fsencode(path), 0, 1),
    "truncate": lambda path: os.truncate(path, 1),
    "ftruncate": _ftruncate,
    "open truncating": lambda path: os.close(os.open(path, os.O_WRONLY | os.O_TRUNC)),
    "chmod": lambda path: path.chmod(stat.S_IMODE(path.stat().st_mode) | 0o4000),
    "give away": lambda path: os.chown(path, BEN.uid, BEN.gid),
    "chown to a group of one's own": lambda path: os.chown(path, -1, SUPPLEMENTARY_OF_ANN),
    "chown to nobody else": lambda path: os.chown(path, -1, -1),
    "rename": lambda path: path.rename(path.with_suffix(".new")).rename(path),
    "read": lambda path: path.read_bytes(),
}


def _mode_after(folder: Path, change: str, mode: int, person: Person, owner: int) -> int:
    path = folder / f"{change}-{mode:o}-{person.name}-{owner}"
    path.write_bytes(b"content")
    os.chown(path, person.uid, owner)
    path.chmod(mode)
    with acting_as(ROOT if change == "give away" else person):  # Nobody else may.
        CHANGES[change](path)
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_ends_what_it_ends_on_a_plain_file_system(
    change: str, folder: Path, plain: Path
) -> None:
    for mode in MODES:
        for person in (ROOT, ANN):
            for group in (person.gid, SUPPLEMENTARY_OF_ANN, BEN.gid):
                case = (change, mode, person, group)

                assert _mode_after(folder, *case) == _mode_after(plain, *case), case


def test_a_write_ends_the_capabilities_of_a_program(folder: Path) -> None:
    path = folder / "program"
    path.write_bytes(b"content")
    os.setxattr(path, "security.capability", PERMITTED_NOTHING)
    assert os.listxattr(path) == ["security.capability"]

    _append(path)

    assert os.listxattr(path) == []


def test_root_keeps_what_a_users_write_ends(folder: Path) -> None:
    assert _mode_after(folder, "write", 0o6777, ROOT, 0) == 0o6777
    assert _mode_after(folder, "write", 0o6777, ANN, ANN.gid) == 0o777
    assert _mode_after(folder, "give away", 0o6777, ROOT, 0) == 0o777


@pytest.mark.parametrize("kind", ["fifo", "file"])
def test_giving_to_nobody_else_ends_the_mark_of_strangers_and_is_for_the_owner(
    kind: str, folder: Path, plain: Path
) -> None:
    for owner in (ANN, BEN):
        for group in (ANN.gid, SUPPLEMENTARY_OF_ANN, BEN.gid):
            seen = []
            for place in (folder, plain):
                path = place / f"{owner.name}-{group}"
                os.mkfifo(path) if kind == "fifo" else path.touch()
                os.chown(path, owner.uid, group)
                path.chmod(0o2644)
                with acting_as(ANN):
                    try:
                        os.chown(path, -1, -1)
                        refused = False
                    except PermissionError:
                        refused = True
                seen.append((path.stat().st_mode, refused))

            assert seen[0] == seen[1], (owner, group)


def test_who_may_write_but_owns_nothing_ends_what_its_groups_do_not_keep(
    folder: Path, plain: Path
) -> None:
    for mode in (0o2666, 0o6666, 0o6676, 0o2676):
        for group in (ROOT.gid, ANN.gid, SUPPLEMENTARY_OF_ANN):
            modes = []
            for place in (folder, plain):
                path = place / f"{mode:o}-{group}"
                path.write_bytes(b"content")
                os.chown(path, ROOT.uid, group)
                path.chmod(mode)
                with acting_as(ANN):
                    _write(path)
                modes.append(path.stat().st_mode)

            assert modes[0] == modes[1], (mode, group)


@pytest.mark.parametrize("parent", [0o777, 0o2777, 0o3777, 0o1777])
def test_what_is_made_in_a_directory_has_the_plain_owner_group_and_mode(
    parent: int, folder: Path, plain: Path
) -> None:
    seen = []
    for place in (folder, plain):
        above = place / "above"
        above.mkdir()
        os.chown(above, BEN.uid, SUPPLEMENTARY_OF_ANN)
        above.chmod(parent)
        for person in (ROOT, ANN):
            with acting_as(person):
                (above / f"dir-{person.name}").mkdir(0o775)
                (above / f"dir-{person.name}" / "inner").mkdir()
                os.close(os.open(above / f"file-{person.name}", os.O_CREAT | os.O_RDWR, 0o2775))
                (above / f"link-{person.name}").symlink_to("target")
                os.mkfifo(above / f"fifo-{person.name}")
        found = ((path, path.lstat()) for path in sorted(above.rglob("*")))
        seen.append(
            [(str(path.relative_to(above)), s.st_mode, s.st_uid, s.st_gid) for path, s in found]
        )

    assert seen[0] == seen[1]
    assert len(seen[0]) == 10
