"""How many losses an extent survives, and what that costs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias, assert_never

from engine.errors import UsageError
from engine.limits import BLOCK_BYTES, FRAGMENTS_PER_EXTENT_MAX
from engine.units import align_up


@dataclass(frozen=True, slots=True)
class Replication:
    """Every fragment is a whole copy."""

    copies: int

    def __post_init__(self) -> None:
        if not 1 <= self.copies <= FRAGMENTS_PER_EXTENT_MAX:
            raise UsageError(f"copies must be 1 to {FRAGMENTS_PER_EXTENT_MAX}, not {self.copies}")

    def __str__(self) -> str:
        return f"copies:{self.copies}"


@dataclass(frozen=True, slots=True)
class ErasureCoding:
    """*data* slices and *parity* slices; any *data* of them make the extent."""

    data: int
    parity: int

    def __post_init__(self) -> None:
        if self.data < 1 or self.parity < 1:
            raise UsageError(f"rs:{self.data}+{self.parity} needs at least 1+1")
        if self.data + self.parity > FRAGMENTS_PER_EXTENT_MAX - 1:
            raise UsageError(
                f"rs:{self.data}+{self.parity} is over 255 fragments, the field's bound"
            )

    def __str__(self) -> str:
        return f"rs:{self.data}+{self.parity}"


Redundancy: TypeAlias = Replication | ErasureCoding


def fragment_count(redundancy: Redundancy) -> int:
    """Return n, how many fragments an extent is stored as.

    >>> fragment_count(ErasureCoding(4, 2)), fragment_count(Replication(3))
    (6, 3)
    """
    match redundancy:
        case Replication(copies):
            return copies
        case ErasureCoding(data, parity):
            return data + parity
        case _:
            assert_never(redundancy)


def needed_count(redundancy: Redundancy) -> int:
    """Return k, how many intact fragments are enough to read the extent.

    >>> needed_count(ErasureCoding(4, 2)), needed_count(Replication(3))
    (4, 1)
    """
    match redundancy:
        case Replication():
            return 1
        case ErasureCoding(data, _):
            return data
        case _:
            assert_never(redundancy)


def tolerance(redundancy: Redundancy) -> int:
    """Return m, how many losses an extent survives.

    >>> tolerance(ErasureCoding(4, 2)), tolerance(Replication(3))
    (2, 2)
    """
    return fragment_count(redundancy) - needed_count(redundancy)


def slice_bytes(redundancy: Redundancy, stored_bytes: int) -> int:
    """Return the payload length of each fragment: ceil(stored/k), 4 KiB aligned.

    >>> slice_bytes(ErasureCoding(4, 2), 8 << 20), slice_bytes(ErasureCoding(4, 2), 5)
    (2097152, 4096)
    """
    return align_up(-(-stored_bytes // needed_count(redundancy)), BLOCK_BYTES)


def overhead_ratio(redundancy: Redundancy) -> float:
    """Return stored bytes per user byte, before headers.

    >>> overhead_ratio(ErasureCoding(4, 2)), overhead_ratio(Replication(3))
    (1.5, 3.0)
    """
    return fragment_count(redundancy) / needed_count(redundancy)


def narrowed(redundancy: Redundancy, disk_count: int) -> Redundancy | None:
    """Return the widest form of *redundancy* that fits *disk_count* disks.

    The tolerance is never lowered (P4); None when it cannot be held.

    >>> narrowed(ErasureCoding(4, 2), 6), narrowed(ErasureCoding(4, 2), 4)
    (ErasureCoding(data=4, parity=2), ErasureCoding(data=2, parity=2))
    >>> narrowed(ErasureCoding(4, 2), 2) is None, narrowed(Replication(3), 2) is None
    (True, True)
    """
    if disk_count >= fragment_count(redundancy):
        return redundancy
    match redundancy:
        case Replication():
            return None
        case ErasureCoding(_, parity):
            return ErasureCoding(disk_count - parity, parity) if disk_count > parity else None
        case _:
            assert_never(redundancy)


def parse_redundancy(text: str) -> Redundancy:
    """Read what an operator writes.

    >>> parse_redundancy("rs:4+2"), parse_redundancy("copies:3")
    (ErasureCoding(data=4, parity=2), Replication(copies=3))

    Raises:
        UsageError: *text* is neither ``rs:K+M`` nor ``copies:N``, or out of range.
    """
    kind, _, value = text.partition(":")
    try:
        if kind == "rs":
            data, _, parity = value.partition("+")
            return ErasureCoding(int(data), int(parity))
        if kind == "copies":
            return Replication(int(value))
    except ValueError as error:
        raise UsageError(f"cannot read redundancy {text!r}: write rs:4+2 or copies:3") from error
    raise UsageError(f"cannot read redundancy {text!r}: write rs:4+2 or copies:3")
