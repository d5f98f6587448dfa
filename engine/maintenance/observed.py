"""Turns what the pool says of its disks into facts, with the delays applied."""

from __future__ import annotations

import math
import threading
from typing import Final

from engine.clock import Clock
from engine.ids import DiskId
from engine.maintenance.desired import DiskFacts, PoolFacts
from engine.maintenance.topology import DiskStatus, ExtentPolicies, Topology
from engine.model.redundancy import fragment_count


class FactsObserver:
    """Watches how long disks are missing and the width is whole. Thread-safe."""

    def __init__(self, clock: Clock, topology: Topology, policies: ExtentPolicies) -> None:
        self._clock: Final = clock
        self._policies: Final = policies
        self._topology: Final = topology
        self._lock: Final = threading.Lock()
        self._impatient: set[DiskId] = set()
        self._widen_now = False
        self._whole_since_s: float | None = None

    def facts(self) -> PoolFacts:
        """Return the facts of this moment. Equal while nothing relevant changed."""
        disks = self._topology.disks()
        wanted = self._topology.wanted_redundancy()
        facts = PoolFacts(
            disks={
                disk.disk_id: DiskFacts(
                    state=disk.state, present=disk.present, waiting=self._left_s(disk) > 0
                )
                for disk in disks
            },
            wanted=wanted,
            narrow_auto=self._topology.narrow_auto(),
            policy_version=self._policies.version(),
            widen_ready=self._widen_ready(
                whole=sum(disk.takes_fragments for disk in disks) >= fragment_count(wanted)
            ),
        )
        with self._lock:
            # A disk that is back is waited for anew when it leaves again.
            self._impatient -= {disk.disk_id for disk in disks if disk.present}
        return facts

    def _widen_ready(self, *, whole: bool) -> bool:
        now_s = self._clock.monotonic_s()
        with self._lock:
            if not whole:
                self._whole_since_s = None
                return False
            if self._whole_since_s is None:
                self._whole_since_s = now_s
            waited_s = now_s - self._whole_since_s
            return self._widen_now or waited_s >= self._topology.widen_delay_s()

    def _left_s(self, disk: DiskStatus) -> float:
        """Return for how long a missing disk is still waited for; 0 for any other.

        One that the operator detached is waited for until he says otherwise.
        """
        if disk.detached and not disk.failed:
            return math.inf
        if disk.present or disk.failed or disk.disk_id in self._impatient:
            return 0.0
        now_s = self._clock.monotonic_s()
        since_s = now_s if disk.absent_since_s is None else disk.absent_since_s
        return max(0.0, since_s + self._topology.rebuild_delay_s() - now_s)

    def waiting(self) -> tuple[float, str]:
        """Return the shortest wait for a missing disk, in seconds, and its sentence."""
        waits = [(self._left_s(disk), disk.name) for disk in self._topology.disks()]
        left = min((wait for wait in waits if 0 < wait[0] < math.inf), default=None)
        if left is None:
            return 0.0, ""
        return left[0], f"{left[1]} is missing; it may come back before the rebuild starts"

    def skip_delays(self) -> None:
        """Give up on the disks that are missing now, and widen at once."""
        missing = {
            disk.disk_id
            for disk in self._topology.disks()
            if not disk.present and not disk.detached
        }
        with self._lock:
            self._impatient |= missing
            self._widen_now = True

    def widen_now(self) -> None:
        """Widen without delay: what is wanted was changed."""
        with self._lock:
            self._widen_now = True

    def end_haste(self) -> None:
        """Widening waits for its delay again."""
        with self._lock:
            self._widen_now = False
