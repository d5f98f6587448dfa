"""What another redundancy of a path would mean, found without setting it."""

from __future__ import annotations

import shlex
from typing import Final

from blake3 import blake3

from engine.errors import PolicyError
from engine.ids import InodeId
from engine.model.redundancy import Redundancy
from engine.policy.policy_plan import judge_policy
from engine.pool.pool import Pool
from engine.status.answers import Judgement, PlanView
from engine.vfs.virtual_xattrs import INHERIT

POLICY: Final = "policy"
"""What such a plan names as its verb."""


class PolicyPlans:
    """Plans policies of one pool. Any thread; changes nothing."""

    def __init__(self, pool: Pool) -> None:
        self._pool: Final = pool
        self._engine: Final = pool.engine

    def of_pool(self, wanted: Redundancy) -> PlanView:
        """Return what *wanted* would mean for all that inherits from the pool."""
        return self._plan("", self._engine.properties.redundancy, wanted, str(wanted))

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
        return self._plan(path, now, inherited if wanted is None else wanted, words)

    def _plan(self, path: str, now: Redundancy, then: Redundancy, words: str) -> PlanView:
        ruling = judge_policy(now, then, obstacle=self._obstacle(then))
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
            command=" ".join(["dynamicfs change-policy", pool, *where, words]),
            typed_name=str(then) if ruling.lowers_redundancy else "",
        )

    def _obstacle(self, wanted: Redundancy) -> str:
        try:
            self._engine.check_policy(wanted)
        except PolicyError as error:
            return str(error)
        return ""
