"""The stable codes of everything a pool can tell, and what belongs to each.

Scripts and manuals refer to codes, so they never change their meaning. 1nnn
redundancy is less than wanted or a disk needs attention, 2nnn writing is refused
or soon will be, 3nnn the next loss may cost data, 4nnn data is lost, 5nnn the
engine tells of itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from engine.status.views import HealthWord, Severity


class Code(StrEnum):
    """Every code there is."""

    ALL_WELL = "DFS-0000"
    DISK_MISSING = "DFS-1001"
    DISK_FAILED = "DFS-1002"
    REBUILDING = "DFS-1003"
    DAMAGED = "DFS-1004"
    PENDING = "DFS-1005"
    DISK_DEGRADED = "DFS-1006"
    REBUILD_FAILING = "DFS-1007"
    DISK_SUSPECT = "DFS-1008"
    DISK_DRAINING = "DFS-1009"
    DISK_DETACHED = "DFS-1010"
    REBUILD_PAUSED = "DFS-1011"
    REBUILD_CANCELLED = "DFS-1012"
    DISK_FULL = "DFS-1201"
    DISK_SLOW = "DFS-1202"
    DISK_SMART = "DFS-1203"
    DISK_ERRORS = "DFS-1204"
    JOURNALS_BEHIND = "DFS-1301"
    JOURNALS_SHORT = "DFS-1302"
    JOURNAL_FILES_DAMAGED = "DFS-1303"
    CHECKPOINT_ROOM = "DFS-1304"
    SCRUB_OVERDUE = "DFS-1401"
    SCRUB_PAUSED = "DFS-1402"
    QUORUM_MISSING = "DFS-2001"
    POOL_FULL = "DFS-2002"
    POOL_NEARLY_FULL = "DFS-2003"
    STOPPED = "DFS-2004"
    READ_ONLY_WANTED = "DFS-2005"
    TWO_HISTORIES = "DFS-2006"
    AT_RISK = "DFS-3001"
    METADATA_DAMAGED = "DFS-3002"
    ENGINE_STUCK = "DFS-3003"
    DATA_LOST = "DFS-4001"
    IRRECOVERABLE = "DFS-4002"
    FORCED_OPEN = "DFS-5001"
    CLOCK_JUMPED = "DFS-5002"
    AUDIT_SILENT = "DFS-5003"


@dataclass(frozen=True, slots=True, kw_only=True)
class Meaning:
    """What one code means. Every text is one or a few whole sentences."""

    word: HealthWord
    """OK for what the operator should know and need not mend."""
    severity: Severity
    """How loud the event is that tells of it."""
    title: str
    cause: str
    by_itself: str
    """What the system does without being asked."""
    impact: str
    action: str
    """What to do, the first sentence first."""
