"""Pool properties: policy that lives in the metadata and survives an import."""

from __future__ import annotations

from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Final

from engine.errors import UsageError
from engine.metadata.members import MemberTable
from engine.model.disk import Tier
from engine.model.redundancy import ErasureCoding, Redundancy, parse_redundancy, tolerance
from engine.policy.compaction import COMPACT_PERCENT


class Narrow(StrEnum):
    """What happens to extents whose full width is gone."""

    OFF = "off"
    """They wait, pending with the reason."""
    AUTO = "auto"
    """They are re-encoded over fewer disks, with the same tolerance, and back."""


REBUILD_DELAY_S: Final = 600.0
"""How long a disk may be missing before its fragments are rebuilt (DESIGN 6)."""

WIDEN_DELAY_S: Final = 24 * 3600.0
"""How long the full width must have been healthy before extents go back to it."""

COMPACT_PERCENT_MAX: Final = 90
"""Above, ten bytes and more are written for each that is freed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolProperties:
    """Every property with its default."""

    redundancy: Redundancy = ErasureCoding(4, 2)
    tier: Tier = Tier.HOT
    narrow: Narrow = Narrow.OFF
    rebuild_delay_s: float = REBUILD_DELAY_S
    widen_delay_s: float = WIDEN_DELAY_S
    compact_percent: int = COMPACT_PERCENT
    """Live share below which an extent is compacted, in percent; 0 turns it off."""
    created_ns: int = 0
    """When the pool was made (epoch nanoseconds); 0 is not known."""

    def __post_init__(self) -> None:
        if self.rebuild_delay_s < 0 or self.widen_delay_s < 0:
            raise UsageError("a delay cannot be negative")
        if not 0 <= self.compact_percent <= COMPACT_PERCENT_MAX:
            raise UsageError(
                f"extents are compacted below 1 to {COMPACT_PERCENT_MAX} % of live bytes;"
                " 0 turns it off"
            )

    @property
    def tolerance(self) -> int:
        """m, how many disks may be lost; metadata follows it."""
        return tolerance(self.redundancy)


def load_properties(members: MemberTable) -> PoolProperties:
    """Read the properties; under the write lock."""
    default = PoolProperties()
    return PoolProperties(
        redundancy=parse_redundancy(members.property("redundancy", str(default.redundancy))),
        tier=Tier(members.property("tier", str(default.tier))),
        narrow=Narrow(members.property("narrow", str(default.narrow))),
        rebuild_delay_s=float(members.property("rebuild_delay_s", str(default.rebuild_delay_s))),
        widen_delay_s=float(members.property("widen_delay_s", str(default.widen_delay_s))),
        compact_percent=int(members.property("compact_percent", str(default.compact_percent))),
        created_ns=int(members.property("created_ns", str(default.created_ns))),
    )


def store_properties(members: MemberTable, properties: PoolProperties) -> None:
    """Write the properties; inside an operation."""
    for one in fields(PoolProperties):
        members.set_property(one.name, str(getattr(properties, one.name)))
