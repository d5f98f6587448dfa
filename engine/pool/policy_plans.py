"""What another redundancy of a path would mean, found without setting it."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from typing import Final

from blake3 import blake3

from engine.errors import PolicyError
from engine.ids import InodeId
from engine.model.redundancy import Redundancy
from engine.policy.plan import Judged
from engine.policy.policy_plan import judge_policy
from engine.pool.policy_moves import Moves, PolicyMoves
from engine.pool.pool import Pool
from engine.pool.work_rate import seconds_for
from engine.status.answers import Judgement, PlanView
from engine.vfs.virtual_xattrs import INHERIT

POLICY: Final = "policy"
"""What such a plan names as its verb."""


class PolicyPlans:
    """Plans policies of one pool. Any thread; changes nothing."""

    def __init__(self, pool: Pool) -> None:
        self._pool: Final = pool
        self._engine: Final = pool.engine
        self._moves: Final = PolicyMoves(pool.engine)

    def of_pool(self, wanted: Redundancy) -> PlanView:
        """Return what *wanted* would mean for all that inherits from the pool."""
        return self._plan(
            "",
            self._engine.properties.redundancy,
            wanted,
            str(wanted),
            moves=lambda: self._moves.of_pool(wanted),
        )

    def of_inode(
        self, path: str, inode_id: InodeId, above: InodeId | None, wanted: Redundancy | None
    ) -> PlanView:
        """Return what *wanted* would mean for *path*; without it *path* inherits from *above*.

        *above* is the directory it lies in; ``None`` for the root, which inherits from the pool.
        """
        with self._engine.base.store.lock:
            now = self._engine.policies.of(inode_id)
            inherited = (
                self._engine.properties.redundancy
                if above is None
                else self._engine.policies.of(above)
            )
        words = INHERIT if wanted is None else str(wanted)
        return self._plan(
            path,
            now,
            inherited if wanted is None else wanted,
            words,
            moves=lambda: self._moves.of_inode(inode_id, wanted),
        )

    def _plan(
        self,
        path: str,
        now: Redundancy,
        then: Redundancy,
        words: str,
        *,
        moves: Callable[[], Moves],
    ) -> PlanView:
        ruling = judge_policy(now, then, obstacle=self._obstacle(then))
        moved = Moves() if ruling.judged is Judged.BLOCKED else moves()
        told = (POLICY, path, str(now), str(then))
        basis = blake3("\0".join(told).encode("utf-8", "surrogateescape")).hexdigest()[:12]
        where = [shlex.quote(path)] if path else []
        pool = shlex.quote(str(self._pool.pool_dir))
        return PlanView(
            verb=POLICY,
            disk="",
            plan_id=basis[:8],
            basis=basis,
            judgement=Judgement(ruling.judged),
            reasons=ruling.reasons,
            moves_extents=moved.extents,
            moves_bytes=moved.written_bytes,
            duration_s=seconds_for(self._pool, moved.written_bytes),
            command=" ".join(["dynamicfs change-policy", pool, *where, words]),
            typed_name=str(then) if ruling.lowers_redundancy else "",
        )

    def _obstacle(self, wanted: Redundancy) -> str:
        try:
            self._engine.check_policy(wanted)
        except PolicyError as error:
            return str(error)
        return ""
