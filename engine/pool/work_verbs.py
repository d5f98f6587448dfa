"""Verbs of reconcile on an open pool (``engine.status.facets.WorkControl``). Thread-safe."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from engine.errors import ReadOnlyError, UsageError
from engine.limits import RECONCILE_ITEMS_MAX
from engine.maintenance.reconcile import Reconcile
from engine.pool.pool import Pool
from engine.status.assemble import item_view
from engine.status.views import WorkItemView
from engine.units import format_bytes


class WorkVerbs:
    """What an operator may ask here of *pool*."""

    def __init__(self, pool: Pool) -> None:
        self._pool: Final = pool
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
