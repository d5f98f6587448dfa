"""What reconcile keeps between two lives of a process: wishes and totals.

A small file beside the database. It may be lost or damaged: then defaults
hold, and the round begins anew. Which work there is, is never read from it.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from engine.policy.pacing import Priority


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundTotals:
    """What happened since a round began. A round ends when nothing is left to do."""

    running: bool = False
    started_ns: int = 0
    worked_s: float = 0.0
    """Without pauses, and without the time the pool was closed."""
    rate_bytes_s: float = 0.0
    done_items: int = 0
    done_bytes: int = 0
    written_bytes: int = 0
    last_result: str = ""
    irrecoverable: tuple[str, ...] = ()
    """Files that the last round could not mend, at most a screenful."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkState:
    """What the operator wants, and the totals of the round."""

    paused: bool = False
    cancelled: str = ""
    """Fingerprint of the disks and the policy when the round was cancelled."""
    limit_bytes_s: int = 0
    priority: str = str(Priority.NORMAL)
    full_speed_until_ns: int = 0
    preferred: tuple[str, ...] = ()
    hasty: bool = False
    """The round was asked for: no delays, and known damage is mended."""
    widening: bool = False
    """A policy was changed: what it wants wider is so without delay."""
    rebalancing: bool = False
    compacting: bool = False
    """The operator asked for it, and it is not done."""
    totals: RoundTotals = RoundTotals()


def load_work_state(path: Path) -> WorkState:
    """Return the state in *path*, the default when there is none to trust."""
    try:
        values = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return WorkState()
    if not isinstance(values, dict):
        return WorkState()
    totals = values.pop("totals", None)
    wishes = _checked(values, WorkState())
    counted = _checked(totals, RoundTotals()) if isinstance(totals, dict) else None
    if wishes is None or counted is None or wishes.get("priority") not in set(Priority):
        return WorkState()
    return WorkState(**wishes, totals=RoundTotals(**counted))  # type: ignore[arg-type]


def _checked(
    values: dict[str, object], default: WorkState | RoundTotals
) -> dict[str, object] | None:
    """Return *values* by field, each of the type its default has, else None."""
    checked: dict[str, object] = {}
    for field in fields(default):
        expected = getattr(default, field.name)
        if isinstance(expected, RoundTotals):
            continue
        # A wish that is newer than the file has its default.
        value = values.get(field.name, expected)
        if isinstance(expected, tuple) and isinstance(value, list):
            value = tuple(str(one) for one in value)
        if type(value) is not type(expected):
            return None
        checked[field.name] = value
    return checked


def save_work_state(path: Path, state: WorkState) -> None:
    """Write *state* to *path*: old or new after a crash. A full disk is no error."""
    temporary = path.with_suffix(".tmp")
    with suppress(OSError):
        temporary.write_text(json.dumps(asdict(state)), "utf-8")
        os.replace(temporary, path)
