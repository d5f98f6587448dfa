"""Where a scrub is, kept in a small file beside the database.

The file may be lost or damaged: then the next scrub begins anew. It is no
metadata, and nothing but scrub reads it.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from enum import StrEnum
from pathlib import Path

from engine.errors import UsageError
from engine.maintenance.scrub_target import parse_target


class Phase(StrEnum):
    """What a scrub does now, in this order."""

    IDLE = "idle"
    COUNT = "count"
    """Add up what is to be read; of a part of the pool, list it first."""
    METADATA = "metadata"
    VERIFY = "verify"
    LIST = "list"
    FORGET = "forget"
    """Drop what is remembered of extents that are no more."""
    SECOND_LOOK = "second look"


@dataclass(slots=True)
class ScrubState:
    """Counters of a scrub. ``cursor``: extents at or above it are done."""

    running: bool = False
    paused: bool = False
    repair: bool = False
    target: str = "all"
    phase: str = "idle"
    cursor: int = 0
    started_ns: int = 0
    finished_ns: int = 0
    last_full_ns: int = 0
    """When the last scrub of the whole pool began; for the schedule."""
    whole_ns: int = 0
    """When one of the whole pool last came to its end."""
    done_fragments: int = 0
    total_fragments: int = 0
    done_bytes: int = 0
    total_bytes: int = 0
    intact: int = 0
    corrupt: int = 0
    missing: int = 0
    misplaced: int = 0
    unreferenced: int = 0
    parity_mismatches: int = 0
    repaired: int = 0
    metadata_checked: int = 0
    metadata_damaged: int = 0
    runs_completed: int = 0

    @property
    def bad(self) -> int:
        """Fragments that are not what and where they should be."""
        return self.corrupt + self.missing + self.misplaced + self.parity_mismatches


def load_state(path: Path) -> ScrubState:
    """Return the state in *path*, an empty one when there is none to trust."""
    try:
        with open(path, encoding="utf-8", opener=_open_at_once) as file:
            values = json.loads(file.read())
    except (OSError, ValueError):
        return ScrubState()
    if not isinstance(values, dict):
        return ScrubState()
    state = ScrubState()
    for field in fields(ScrubState):
        value = values.get(field.name)
        if type(value) is not type(getattr(state, field.name)):
            return ScrubState()
        setattr(state, field.name, value)
    try:
        parse_target(state.target)
    except UsageError:
        return ScrubState()
    return state if state.phase in set(Phase) else ScrubState()


def _open_at_once(path: str, flags: int) -> int:
    """Open without waiting: a FIFO in the place of the file must not hold up a pool."""
    return os.open(path, flags | os.O_NONBLOCK | os.O_CLOEXEC)


def save_state(path: Path, state: ScrubState) -> None:
    """Write *state* to *path*: old or new after a crash. A full disk is no error."""
    temporary = path.with_suffix(".tmp")
    with suppress(OSError):
        temporary.unlink(missing_ok=True)  # Whatever it is; opening a FIFO would wait.
        temporary.write_text(json.dumps(asdict(state)), "utf-8")
        os.replace(temporary, path)
