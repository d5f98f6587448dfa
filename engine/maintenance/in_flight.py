"""Extents that are being mended side by side, by a bounded number of threads."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Final, TypeAlias

from engine.errors import EngineStoppedError
from engine.maintenance.compacting import Compacted
from engine.maintenance.mending import Mended
from engine.maintenance.queue import Work
from engine.policy.pacing import IN_FLIGHT_MAX

Done: TypeAlias = Mended | Compacted


@dataclass(frozen=True, slots=True)
class EndedWork:
    """Works that were done as one and ended; ``result`` raises what ended them."""

    works: tuple[Work, ...]
    future: Future[Done]

    def result(self) -> Done:
        """Return what was done, or raise as ``Mender.mend`` or ``Compactor.compact``."""
        return self.future.result()


class InFlight:
    """The works in hand. All methods by the maintenance thread."""

    def __init__(self) -> None:
        self._threads: Final = ThreadPoolExecutor(IN_FLIGHT_MAX, thread_name_prefix="mending")
        self._works: dict[Future[Done], tuple[Work, ...]] = {}

    def __len__(self) -> int:
        return len(self._works)

    def start(self, works: tuple[Work, ...], call: Callable[[], Done]) -> None:
        """Begin *call*, which does *works*, in one of the threads.

        Raises:
            EngineStoppedError: closed meanwhile.
        """
        try:
            future = self._threads.submit(call)
        except RuntimeError as error:
            raise EngineStoppedError("maintenance is closing") from error
        self._works[future] = works

    def wait_one(self) -> EndedWork:
        """Wait until one of the works ends; a device call that hangs ends, too."""
        ended, _ = wait(self._works, return_when=FIRST_COMPLETED)
        future = next(one for one in self._works if one in ended)
        return EndedWork(self._works.pop(future), future)

    def drop_all(self) -> None:
        """Wait until all have ended; what became of them is found by the next scan."""
        wait(self._works)
        self._works.clear()

    def close(self) -> None:
        """Take no more; what runs is interrupted by its progress."""
        self._threads.shutdown(wait=False, cancel_futures=True)
