"""What repair waits for, and what helps in each case. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from engine.policy.ordering import WorkKind
from engine.policy.waiting import WaitCount, WaitsFor
from engine.status.sentences import counted
from engine.status.views import ReconcileView

_HELP: Final[Mapping[WaitsFor, str]] = MappingProxyType(
    {
        WaitsFor.DISKS: "Add a disk or bring one back.",
        WaitsFor.ROOM: "Delete files or add a disk.",
        WaitsFor.REPAIR: "Run a scrub with repair.",
        WaitsFor.RESUME: "Resume the rebuild.",
    }
)
assert set(_HELP) == set(WaitsFor)


def pending_sentence(work: ReconcileView) -> str:
    """Return how much repair waits, and why; empty when none does."""
    waits = _repairs(work)
    if not waits:
        return ""
    first, *others = waits
    text = f"{counted(first.items, 'extent')} pending: {first.reason}"
    return "; ".join([text, *(f"{one.items} more: {one.reason}" for one in others)]) + "."


def pending_advice(work: ReconcileView) -> str:
    """Return what helps what waits, each way once; most of the waiting work first."""
    return " ".join(dict.fromkeys(_HELP[one.waits_for] for one in _repairs(work)))


def compaction_sentence(work: ReconcileView) -> str:
    """Return how much compaction waits for room, behind another sentence; or nothing."""
    waits = [one for one in work.waits if one.kind == WorkKind.COMPACT]
    extents = sum(one.items for one in waits if one.waits_for is WaitsFor.ROOM)
    return f" {counted(extents, 'extent')} to compact wait for room, too." if extents else ""


def _repairs(work: ReconcileView) -> list[WaitCount]:
    # What waits to be compacted lacks nothing.
    return [one for one in work.waits if one.kind != WorkKind.COMPACT]
