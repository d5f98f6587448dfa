"""Which extents wait to be compacted: found by what died in them, offered when quiet.

A pass over all segments at the open, when asked for and once a day; in between
only extents that lost something are measured again (``Garbage``). Kept in
memory, at most RECONCILE_ITEMS_MAX of them: a pass finds them again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from engine.clock import Clock
from engine.extents.disks import DiskSource
from engine.ids import ExtentId, Generation
from engine.limits import RECONCILE_ITEMS_MAX
from engine.maintenance.live_bytes import LiveScan, measure
from engine.maintenance.steering import Steering
from engine.maintenance.work_state import WorkState
from engine.metadata.tables import Tables
from engine.metadata.wal import ReaderPool
from engine.policy.compaction import (
    COMPACT_PERCENT,
    PRESSED_FILL_RATIO,
    PRESSED_PERCENT,
    ROUND_EXTENTS,
    ROUND_S,
    ExtentShare,
    is_worth_compacting,
    quiet_s,
    threshold_percent,
)
from engine.policy.placement import DiskSpace, Purpose, serves

PASS_S: Final = 24 * 3600.0
"""Between two passes: what the bounds made us forget is found again."""

LOOK_S: Final = 5.0
"""Between two looks for extents that became quiet, where nobody asked."""

HINTS_PER_STEP: Final = 256

SETTLE_S_MAX: Final = 30.0
"""How long a request waits for what was deleted before it to leave the file maps."""


@dataclass(frozen=True, slots=True)
class _Seen:
    """An extent that may be worth it, and since when it lost nothing."""

    share: ExtentShare
    since_s: float


class Compaction:
    """The candidates. ``step``, ``due`` and ``wanted`` by the maintenance thread."""

    def __init__(
        self,
        *,
        clock: Clock,
        tables: Tables,
        readers: ReaderPool,
        disks: DiskSource,
        percent: Callable[[], int],
        wishes: Callable[[], WorkState],
    ) -> None:
        """*percent* is the pool's property, *wishes* are the operator's."""
        self._clock: Final = clock
        self._tables: Final = tables
        self._store: Final = tables.store
        self._readers: Final = readers
        self._disks: Final = disks
        self._property: Final = percent
        self._wishes: Final = wishes
        self._scan: Final = LiveScan(readers)
        self._seen: dict[ExtentId, _Seen] = {}
        self._found: set[ExtentId] = set()
        self._offered: set[ExtentId] = set()
        self._next_pass_s = self._next_look_s = self._next_round_s = clock.monotonic_s()
        self._hints: list[ExtentId] = []
        self._hints_from = Generation(0)
        self.asked = False
        """The operator wants it now, and this has heard of it."""
        self._asked_s = float("-inf")
        self._readable_from: Generation | None = None
        self.waiting = False
        """Asked for, but what was deleted has still to leave the file maps."""
        self.reclaimable_bytes = 0
        """User bytes that compacting would free; as of the last look. Any thread."""

    def offer_again(self) -> None:
        """What was offered is not queued any more."""
        self._offered.clear()
        self._next_look_s = self._next_round_s = float("-inf")

    def forget(self, extent_id: ExtentId) -> None:
        """It was tried; what it loses from here on makes it known again."""
        self._seen.pop(extent_id, None)
        self._offered.discard(extent_id)

    def end(self, steering: Steering) -> None:
        """What the operator asked for is done; a wish of this very moment stays."""
        if self.asked:
            steering.set_compacting(compacting=False)

    def wanted(self, extent_id: ExtentId) -> ExtentShare | None:
        """Return the share of an extent that is to be compacted now, else None."""
        seen = self._seen.get(extent_id)
        if seen is None or extent_id not in self._offered or self._wishes().cancelled:
            return None
        return seen.share if is_worth_compacting(seen.share, self._threshold()) else None

    def step(self) -> bool:
        """Measure some extents; False when there is nothing to measure now."""
        self._hear()
        if self.waiting or not self._percent():
            return False
        if (self._hints or self._tables.garbage.shrunk_count) and self._measure_shrunk():
            return True
        if self._scan.running:
            self._go_on()
            return True
        if self._clock.monotonic_s() >= self._next_pass_s:
            self._next_pass_s = self._clock.monotonic_s() + PASS_S
            self._found.clear()
            self._scan.restart()
            return True
        return False

    def due(self) -> list[ExtentId]:
        """Return extents to take up now, deadest first, oldest among equals; bounded."""
        now_s = self._clock.monotonic_s()
        busy = self._scan.running or self.waiting or bool(self._wishes().cancelled)
        if busy or now_s < self._next_look_s:
            return []
        self._next_look_s = now_s + (0.0 if self.asked else LOOK_S)
        fill_ratio, percent = self._fill_ratio(), self._threshold()
        worth = [one for one in self._seen.values() if is_worth_compacting(one.share, percent)]
        self.reclaimable_bytes = sum(one.share.dead_bytes for one in worth)
        hurried = self.asked or fill_ratio >= PRESSED_FILL_RATIO
        if now_s < self._next_round_s and not hurried:
            return []
        rest_s = quiet_s(fill_ratio=fill_ratio, asked=self.asked)
        ripe = [
            one.share
            for one in worth
            if one.share.extent_id not in self._offered and now_s - one.since_s >= rest_s
        ]
        ripe.sort(key=lambda share: (share.live_permille, share.extent_id))
        if not self.asked:
            del ripe[ROUND_EXTENTS:]
        self._offered.update(share.extent_id for share in ripe)
        if ripe:
            self._next_round_s = now_s + ROUND_S
        return [share.extent_id for share in ripe]

    # What is worth it

    def _hear(self) -> None:
        """Take over whether the operator wants it now: all of it, and no extent has to be quiet."""
        asked = self._wishes().compacting
        now_s = self._clock.monotonic_s()
        if asked and not self.asked:
            self.waiting, self._readable_from, self._asked_s = True, None, now_s
            self._next_pass_s = self._next_look_s = self._next_round_s = now_s
            self._scan.stop()
        self.asked = asked
        late = now_s - self._asked_s >= SETTLE_S_MAX
        self.waiting = self.waiting and asked and not late and not self._all_readable()

    def _percent(self) -> int:
        """Return the pool's property; what the operator asks for is done where it is off, too."""
        return self._property() or (COMPACT_PERCENT if self.asked else 0)

    def _threshold(self) -> int:
        return threshold_percent(self._percent(), fill_ratio=self._fill_ratio())

    def _fill_ratio(self) -> float:
        return fill_ratio_of(self._disks.spaces())

    def _all_readable(self) -> bool:
        """Whether what was deleted before has left the maps that readers see."""
        with self._store.lock:
            if self._store.stopped:
                return False
            if self._tables.file_map.next_to_reap() is not None or self._tables.garbage.count:
                self._readable_from = None
                return False
            if self._readable_from is None:
                self._readable_from = self._newest_changed()
            return self._store.template.generation >= self._readable_from

    def _newest_changed(self) -> Generation:
        """Return the group that has to be committed for readers to see what is; under the lock."""
        store = self._store
        return store.open_generation if store.group_rows else store.template.generation

    # Measuring

    def _go_on(self) -> None:
        shares = self._scan.next_piece()
        self._note(shares)
        self._found.update(share.extent_id for share in shares if share.extent_id in self._seen)
        if not self._scan.running:
            for extent_id in self._seen.keys() - self._found:
                self.forget(extent_id)
            self._found.clear()

    def _measure_shrunk(self) -> bool:
        """Measure what lost something, once readers can see it; False while they cannot."""
        if not self._hints:
            with self._store.lock:
                if self._store.stopped:
                    return False
                self._hints = self._tables.garbage.take_shrunk(HINTS_PER_STEP)
                self._hints_from = self._newest_changed()
        if self._store.template.generation < self._hints_from:
            return False
        shares = list(measure(self._readers, self._hints))
        for extent_id in set(self._hints) - {share.extent_id for share in shares}:
            self.forget(extent_id)
        self._hints = []
        self._note(shares)
        return True

    def _note(self, shares: Iterable[ExtentShare]) -> None:
        now_s = self._clock.monotonic_s()
        percent = max(self._percent(), PRESSED_PERCENT)
        for share in shares:
            seen = self._seen.get(share.extent_id)
            if not is_worth_compacting(share, percent):
                self.forget(share.extent_id)
            elif seen is None and len(self._seen) >= RECONCILE_ITEMS_MAX:
                continue
            elif seen is None or seen.share != share:
                self._seen[share.extent_id] = _Seen(share, now_s)


def fill_ratio_of(spaces: Iterable[DiskSpace]) -> float:
    """Return the used part of the disks that take new data; 0 when there is none."""
    serving = [space for space in spaces if serves(space, Purpose.NEW_DATA)]
    total = sum(space.total_bytes for space in serving)
    return 1 - sum(space.free_bytes for space in serving) / total if total else 0.0
