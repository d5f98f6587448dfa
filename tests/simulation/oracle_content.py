"""What a file may hold after a power cut, from what was done to it (P2, O3, O4).

Bytes land in the order they were written, each file's together with the size
they imply. A cut of a file is metadata and is committed with the names, so it
may come before bytes that were written earlier; growth without bytes comes
with the bytes that were pending then, or later, never before.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import TypeAlias


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """Operation *number* wrote *data* at *offset* (bytes)."""

    number: int
    offset: int
    data: bytes

    def applied_to(self, content: bytes) -> bytes:
        """Return *content* with the bytes in it; a gap before them is zeros."""
        if not self.data:
            return content
        before = content.ljust(self.offset, b"\0")
        return before[: self.offset] + self.data + before[self.offset + len(self.data) :]


@dataclass(frozen=True, slots=True, kw_only=True)
class Resized:
    """Operation *number* set the length, which was *before*, to *size* (bytes)."""

    number: int
    before: int
    size: int

    @property
    def grows(self) -> bool:
        """Whether it only adds zeros."""
        return self.size > self.before

    def applied_to(self, content: bytes) -> bytes:
        """Return *content* cut or grown; what is shorter already stays when cut."""
        if self.grows:
            return content.ljust(self.size, b"\0")
        return content[: self.size]


ContentChange: TypeAlias = Written | Resized


def content_after(changes: Sequence[ContentChange]) -> bytes:
    """Return what programs see after all *changes*.

    >>> write = Written(number=1, offset=2, data=b"ab")
    >>> content_after([write, Resized(number=2, before=4, size=3)])
    b'\\x00\\x00a'
    """
    content = b""
    for change in changes:
        content = change.applied_to(content)
    return content


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """Which changes a content would be made of: all cuts, and the others up to a point."""

    written: int
    """Number of the newest write that arrived."""
    grown: int
    """Number of the newest growth without bytes that arrived."""


def _made_of(
    changes: Sequence[ContentChange], left: Left, torn: tuple[Written, Written] | None
) -> bytes:
    content = b""
    for change in changes:
        match change:
            case Written() if torn is not None and change is torn[0]:
                content = torn[1].applied_to(content)
            case Written():
                if change.number <= left.written:
                    content = change.applied_to(content)
            case Resized() if change.grows:
                if change.number <= left.grown:
                    content = change.applied_to(content)
            case Resized():
                content = change.applied_to(content)
    return content


def _choices(changes: Sequence[ContentChange], floor: int) -> Iterator[Left]:
    writes = [0] + [one.number for one in changes if isinstance(one, Written)]
    growths = [0] + [one.number for one in changes if isinstance(one, Resized) and one.grows]
    oldest_write = max(number for number in writes if number <= floor)
    oldest_growth = max(number for number in growths if number <= floor)
    for grown in growths:
        pending_then = max(number for number in writes if number <= grown)
        for written in writes:
            if grown >= oldest_growth and written >= max(oldest_write, pending_then):
                yield Left(written=written, grown=grown)


def is_possible(
    found: bytes,
    changes: Sequence[ContentChange],
    *,
    floor: int,
    ceiling: int,
    split_bytes: int | None,
) -> bool:
    """Whether a file may hold *found* in a root that has operation *ceiling* as its newest.

    *changes* are all that was done to the file, oldest first. What operation
    *floor* saw is safe. A write of more than *split_bytes* may have arrived in
    part, from its beginning: it filled one builder and went on in the next.
    """
    known = [one for one in changes if one.number <= ceiling]
    for left in _choices(known, floor):
        if _made_of(known, left, None) == found:
            return True
        torn = _following_write(known, left.written)
        if torn is None or split_bytes is None or len(torn.data) <= split_bytes:
            continue
        head = Written(number=torn.number, offset=torn.offset, data=_common(found, torn))
        if head.data and _made_of(known, left, (torn, head)) == found:
            return True
    return False


def _following_write(changes: Sequence[ContentChange], number: int) -> Written | None:
    for one in changes:
        if isinstance(one, Written) and one.number > number:
            return one
    return None


def _common(found: bytes, write: Written) -> bytes:
    """Return the beginning of the write's bytes that *found* has in their place."""
    there = found[write.offset : write.offset + len(write.data)]
    pairs = zip(there, write.data, strict=False)
    return bytes(mine for mine, _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
