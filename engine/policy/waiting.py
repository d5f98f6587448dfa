"""What pending work waits for, in kinds that tell what would help."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class WaitsFor(StrEnum):
    """What pending work needs and maintenance cannot give itself."""

    DISKS = "disks"
    ROOM = "room"
    REPAIR = "repair"
    """Leave to mend damage that was found: a plain scrub changes no fragment."""
    RESUME = "resume"
    """The operator, who cancelled the round."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitCount:
    """Pending work of one kind, a ``WorkKind``, that waits for one thing."""

    kind: str
    waits_for: WaitsFor
    items: int
    reason: str = ""
    """That of one of them; empty when none is listed."""
