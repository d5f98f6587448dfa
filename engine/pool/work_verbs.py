"""Verbs of reconcile on an open pool (``engine.status.facets.WorkControl``). Thread-safe."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from engine.errors import ReadOnlyError, UsageError
from engine.limits import RECONCILE_ITEMS_MAX
from engine.maintenance.compaction import fill_ratio_of
from engine.maintenance.compaction_plan import plan_compaction
from engine.maintenance.reconcile import Reconcile
from engine.policy.compaction import COMPACT_PERCENT, threshold_percent
from engine.pool.pool import Pool
from engine.pool.properties import store_properties
from engine.pool.topology import SAFE_S_MAX
from engine.status.answers import CompactionView
from engine.status.assemble import item_view
from engine.status.views import WorkItemView
from engine.units import format_bytes


class WorkVerbs:
    """What an operator may ask here of *pool*."""

    def __init__(self, pool: Pool) -> None:
        self._pool: Final = pool
        self._engine: Final = pool.engine
        self._reconcile: Final[Reconcile] = pool.maintenance.reconcile

    def pause(self) -> str:
        """Interrupt the work in hand, and begin none until ``resume``; survives a restart."""
        self._require_writable()
        self._reconcile.pause()
        return "reconcile is paused, also after a restart; resume ends that"

    def resume(self) -> str:
        """End ``pause`` and ``cancel``."""
        self._require_writable()
        self._reconcile.resume()
        return self._woken("reconcile goes on")

    def cancel(self) -> str:
        """End this round: what is left waits until disks change or ``resume``."""
        self._require_writable()
        self._reconcile.cancel()
        return self._woken("the round is cancelled; what is left is listed and waits")

    def limit(self, bytes_s: int) -> str:
        """Write at most *bytes_s*; 0 takes the limit away."""
        self._require_writable()
        self._reconcile.steering.limit(bytes_s)
        rate = f"at most {format_bytes(bytes_s)}/s are written" if bytes_s else "there is no limit"
        return self._woken(rate)

    def set_priority(self, priority: str) -> str:
        """Set how much it may take from foreground I/O: low, normal or high."""
        self._require_writable()
        self._reconcile.steering.set_priority(priority)
        return self._woken(f"the priority is {priority}")

    def full_speed(self, seconds: int) -> str:
        """High priority and no limit for so long; 0 ends it."""
        self._require_writable()
        self._reconcile.steering.full_speed(seconds)
        return self._woken(f"full speed for {seconds} s" if seconds else "full speed is over")

    def prefer(self, path: str) -> str:
        """Let the extents below *path* go first; an empty path forgets all preferences."""
        self._require_writable()
        if path and not self._reconcile.preferred.exists(path):
            raise UsageError(f"there is no {path} in the pool; a path begins at its root, /")
        self._reconcile.steering.prefer(path)
        self._reconcile.look_anew()
        return self._woken(f"{path} goes first" if path else "nothing is preferred")

    def rebalance(self) -> str:
        """Move fragments from the fullest disks to the emptiest, once."""
        self._require_writable()
        self._reconcile.rebalance()
        return self._woken("fragments are spread evenly over the disks")

    def compact(self) -> str:
        """Move what lives in half-dead extents into new ones, once and without waiting."""
        self._require_writable()
        # What was deleted so far is dead, also where the group is still open.
        self._engine.make_safe(self._engine.base.store.open_generation, SAFE_S_MAX)
        self._reconcile.compact()
        return self._woken("half-dead extents are compacted")

    def plan_compaction(self) -> CompactionView:
        """Return what ``compact`` would read, write and free. Looks at every file map."""
        wanted = self._engine.properties.compact_percent or COMPACT_PERCENT
        fill_ratio = fill_ratio_of(self._engine.base.disks.spaces())
        percent = threshold_percent(wanted, fill_ratio=fill_ratio)
        plan = plan_compaction(self._engine.readers, percent)
        return CompactionView(
            percent=percent,
            extents=plan.extents,
            live_bytes=plan.live_bytes,
            read_bytes=plan.read_bytes,
            written_bytes=plan.written_bytes,
            freed_bytes=plan.freed_bytes,
        )

    def set_compaction(self, percent: int) -> str:
        """Compact extents of which less than *percent* lives, unasked; 0: only when asked."""
        self._require_writable()
        engine = self._engine
        with engine.base.store.operation():
            properties = replace(engine.properties, compact_percent=percent)
            store_properties(engine.base.tables.members, properties)
        engine.properties = properties
        engine.make_safe(engine.base.store.open_generation, SAFE_S_MAX)
        if not percent:
            return self._woken("extents are compacted only when asked")
        return self._woken(f"extents are compacted when less than {percent} % of them lives")

    def list_work(self, limit: int) -> Sequence[WorkItemView]:
        """Return the items in order, running first, with a file each."""
        if limit < 0:
            raise UsageError("a limit cannot be negative")
        items = self._reconcile.list_items(min(limit, RECONCILE_ITEMS_MAX))
        return tuple(item_view(item) for item in items)

    def _woken(self, sentence: str) -> str:
        """Have the maintenance thread hear of it at once."""
        self._pool.maintenance.wake.set()
        return sentence

    def _require_writable(self) -> None:
        if reason := self._pool.engine.refusal():
            raise ReadOnlyError(f"the pool cannot be changed now: {reason}")
