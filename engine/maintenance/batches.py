"""Puts extents together that are compacted into one: the queue's next that go with the first."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeAlias

from engine.ids import ExtentId
from engine.limits import EXTENT_BYTES_MAX
from engine.maintenance.desired import Action, PoolFacts
from engine.maintenance.queue import Work, WorkQueue
from engine.maintenance.scan import Difference

BATCH_EXTENTS_MAX: Final = 64
"""Extents in one copy: so many records, reads and lines of progress at once."""

PASSED_MAX: Final = 16
"""Extents that do not go with the others, looked at before a copy begins with less."""

Look: TypeAlias = Callable[[ExtentId, PoolFacts], Difference | None]
LookAgain: TypeAlias = Callable[[ExtentId, PoolFacts], None]


class Batches:
    """Gathers works to compact. Maintenance thread only."""

    def __init__(self, queue: WorkQueue, *, look: Look, look_again: LookAgain) -> None:
        self._queue: Final = queue
        self._look: Final = look
        self._look_again: Final = look_again

    def gather(
        self, work: Work, found: Difference, facts: PoolFacts
    ) -> list[tuple[Work, Difference]]:
        """Return *work* and those behind it whose live bytes fill the same new extent.

        Compaction is last in the queue, so nothing else is behind it.
        """
        batch = [(work, found)]
        passed: list[Work] = []
        live_bytes = found.desired.live_bytes
        while len(batch) < BATCH_EXTENTS_MAX and len(passed) < PASSED_MAX:
            other = self._queue.take()
            if other is None:
                break
            beside = self._look(other.extent_id, facts)
            if beside is None or beside.desired.action is not Action.COMPACT:
                self._look_again(other.extent_id, facts)
            elif (
                _form(beside) == _form(found)
                and live_bytes + beside.desired.live_bytes <= EXTENT_BYTES_MAX
            ):
                batch.append((other, beside))
                live_bytes += beside.desired.live_bytes
            else:
                passed.append(other)
        for other in passed:
            self._queue.add(other)
        return batch


def _form(found: Difference) -> tuple[object, object]:
    """Return what all extents of a batch have in common."""
    return (found.record.redundancy, found.record.tier)
