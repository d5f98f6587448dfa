"""Which names a device takes, so that none leads out of its disk."""

from __future__ import annotations

from typing import Final

from engine.errors import DeviceDeniedError
from engine.limits import NAME_BYTES_MAX

LABEL_NAME: Final = "dynamicfs-disk.json"
LOCK_NAME: Final = "lock"
TMP_FOLDER: Final = "tmp"
JOURNAL_FOLDER: Final = "journal"
QUARANTINE_FOLDER: Final = "quarantine"
FOLDERS: Final = ("fragments", JOURNAL_FOLDER, "checkpoints", QUARANTINE_FOLDER, TMP_FOLDER)
"""What an initialised disk holds beside its label."""

UNDO_FOLDER: Final = ".forgetful"
"""Where the power-cut double keeps what it may have to bring back."""

RESERVED: Final = frozenset({LABEL_NAME, LOCK_NAME, TMP_FOLDER, JOURNAL_FOLDER, UNDO_FOLDER})
"""First parts of names that belong to the device itself."""


def check_name(name: str) -> None:
    """Refuse what is not a plain relative name.

    Raises:
        DeviceDeniedError: *name* is absolute, climbs, is empty, or is reserved.
    """
    parts = name.split("/")
    if parts[0] in RESERVED or not name.isascii() or "\0" in name:
        raise DeviceDeniedError(f"not a name of this disk: {name!r}")
    for part in parts:
        if part in ("", ".", "..") or len(part) > NAME_BYTES_MAX:
            raise DeviceDeniedError(f"not a relative name: {name!r}")


def folder_of(name: str) -> str:
    """Return the folder part of *name*, ``""`` for the top.

    >>> folder_of("fragments/0/1.1.0"), folder_of("a")
    ('fragments/0', '')
    """
    return name.rpartition("/")[0]


def folder_chain(folder: str) -> list[str]:
    """Return *folder* and all above it, innermost first, without the top.

    >>> folder_chain("fragments/0/1")
    ['fragments/0/1', 'fragments/0', 'fragments']
    """
    chain = []
    while folder:
        chain.append(folder)
        folder = folder_of(folder)
    return chain


def sort_key(name: str) -> tuple[tuple[str, ...], str]:
    """Order names folder by folder: those of a folder before its sub-folders'.

    >>> sorted(["b", "a/x", "a/b/c"], key=sort_key)
    ['b', 'a/x', 'a/b/c']
    """
    folder, _, leaf = name.rpartition("/")
    return tuple(folder.split("/")) if folder else (), leaf


def quarantine_name(name: str, sequence: int) -> str:
    """Return the flat name that *name* gets when it is set aside.

    >>> quarantine_name("fragments/0/1.1.0", 3)
    'quarantine/fragments-0-1.1.0.3'
    """
    flat = name.replace("/", "-")[-(NAME_BYTES_MAX - 24) :]
    return f"{QUARANTINE_FOLDER}/{flat}.{sequence}"
