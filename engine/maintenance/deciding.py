"""Puts together what decides on an extent: facts, files' policies, even filling."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from engine.ids import ExtentId
from engine.maintenance.compaction import Compaction
from engine.maintenance.desired import Action, Desired, PoolFacts, desired_for
from engine.maintenance.rebalance import Rebalance
from engine.maintenance.topology import ExtentPolicies
from engine.model.extent import ExtentRecord
from engine.model.redundancy import Redundancy, fragment_count
from engine.policy.ordering import WorkKind


class Decider:
    """Decides on one extent after the other. Maintenance thread only."""

    def __init__(
        self,
        policies: ExtentPolicies,
        rebalance: Rebalance,
        compaction: Compaction,
        *,
        mends: Callable[[ExtentId], bool],
    ) -> None:
        """*mends* says whether an extent's known damage may be mended now."""
        self._policies: Final = policies
        self._rebalance: Final = rebalance
        self._compaction: Final = compaction
        self._mends: Final = mends

    def __call__(self, record: ExtentRecord, facts: PoolFacts, damaged: frozenset[int]) -> Desired:
        """Return what is to be done with *record*, whose *damaged* indexes are known."""
        mend = damaged if self._mends(record.extent_id) else frozenset()
        # No file wants anything for itself in most pools: nothing to look up.
        wanted = self._policies.wanted_of(record.extent_id) if facts.policy_version else None
        desired = desired_for(record, facts, damaged=damaged, mend=mend, wanted=wanted)
        if desired.action is not Action.KEEP:
            return desired
        move = self._rebalance.move_for(record) if self._rebalance.active else None
        if move is None:
            return self._compacted(record, facts, desired, wanted or facts.wanted)
        return Desired(
            action=Action.REBUILD,
            exposure=desired.exposure,
            kind=WorkKind.REBALANCE,
            indexes=(move.position,),
            target=move.target,
        )

    def _compacted(
        self, record: ExtentRecord, facts: PoolFacts, kept: Desired, wanted: Redundancy
    ) -> Desired:
        """Return *kept*, or that the half-dead extent is to be compacted.

        Only one that is whole and as wanted, and only while new extents get
        their full width: else the room would be taken twice, or not freed.
        """
        share = self._compaction.wanted(record.extent_id)
        if share is None or record.redundancy != wanted:
            return kept
        if facts.healthy_count < fragment_count(wanted):
            return kept
        return Desired(
            action=Action.COMPACT,
            exposure=kept.exposure,
            kind=WorkKind.COMPACT,
            redundancy=wanted,
            live_bytes=share.live_bytes,
        )
