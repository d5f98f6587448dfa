"""What can happen to the disks of a world, as frozen nouns.

Files and folders are *nodes*, numbered by the world: a number is never given
again, as those of the kernel are. The roots of the disks are the first nodes,
that of the pool directory follows.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import NewType, TypeAlias

Node = NewType("Node", int)
"""A file or folder, whatever its names."""


class Kind(Enum):
    """What a node is."""

    FILE = "file"
    FOLDER = "folder"


@dataclass(frozen=True, slots=True)
class Created:
    """*name* came into *folder* with the new, empty *node* behind it."""

    folder: Node
    name: str
    node: Node
    kind: Kind


@dataclass(frozen=True, slots=True)
class Found:
    """As ``Created``, but it was there before anyone recorded, so it is durable.

    A file is *length_bytes* long and holds *runs*, bytes by their offset; the
    rest is zeros.
    """

    folder: Node
    name: str
    node: Node
    kind: Kind
    length_bytes: int
    runs: tuple[tuple[int, bytes], ...]


@dataclass(frozen=True, slots=True)
class Renamed:
    """*name* left *folder*, and *new_name* in *target* stands for *node*."""

    folder: Node
    name: str
    target: Node
    new_name: str
    node: Node


@dataclass(frozen=True, slots=True)
class Removed:
    """*name* left *folder*."""

    folder: Node
    name: str


@dataclass(frozen=True, slots=True)
class Written:
    """The file *node* got *data* from *offset_bytes* on."""

    node: Node
    offset_bytes: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Resized:
    """The file *node* was cut or lengthened to *length_bytes*."""

    node: Node
    length_bytes: int


@dataclass(frozen=True, slots=True)
class Reserved:
    """The file *node* got room for *length_bytes*, and is at least so long."""

    node: Node
    length_bytes: int


@dataclass(frozen=True, slots=True)
class FlushBegun:
    """Someone waits for all of *node* to be durable. Proves nothing yet."""

    node: Node


@dataclass(frozen=True, slots=True)
class FlushReturned:
    """What had happened to *node* at position *begun* is durable."""

    node: Node
    begun: int


ContentEvent: TypeAlias = Written | Resized | Reserved
Event: TypeAlias = Created | Found | Renamed | Removed | ContentEvent | FlushBegun | FlushReturned
