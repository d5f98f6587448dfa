"""What a range of a file is made of at one moment: memory, parts of extents, holes."""

from __future__ import annotations

from dataclasses import dataclass

from engine.model.extent import ExtentRecord


@dataclass(frozen=True, slots=True)
class ExtentPart:
    """Bytes of a read that are in an extent."""

    at: int
    record: ExtentRecord
    offset: int
    length: int


@dataclass(slots=True)
class ReadPlan:
    """A range of a file as it was at one moment.

    ``known`` are (position, bytes) from memory; everything not covered by
    ``known`` or ``parts`` is a hole.
    """

    length: int
    known: list[tuple[int, bytes]]
    parts: list[ExtentPart]

    def assemble(self, fetched: list[bytes | memoryview]) -> bytes | memoryview:
        """Join what is known and what was fetched for ``parts``, in order."""
        if len(fetched) == 1 and not self.known and len(fetched[0]) == self.length:
            return fetched[0]
        pieces = [
            *self.known,
            *((part.at, data) for part, data in zip(self.parts, fetched, strict=True)),
        ]
        pieces.sort(key=lambda piece: piece[0])
        joined: list[bytes | memoryview] = []
        at = 0
        for position, data in pieces:
            if position > at:
                joined.append(bytes(position - at))
            joined.append(data)
            at = position + len(data)
        if at < self.length:
            joined.append(bytes(self.length - at))
        return b"".join(joined)
