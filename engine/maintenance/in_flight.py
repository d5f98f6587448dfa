"""Extents that are being mended side by side, by a bounded number of threads."""

from __future__ import annotations

from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Final

from engine.errors import EngineStoppedError
from engine.maintenance.mending import Mended, Mender, Progress
from engine.maintenance.queue import Work
from engine.maintenance.scan import Difference
from engine.policy.pacing import IN_FLIGHT_MAX


@dataclass(frozen=True, slots=True)
class EndedWork:
    """A piece of work that ended; ``result`` raises what ended it."""

    work: Work
    future: Future[Mended]

    def result(self) -> Mended:
        """Return what was done, or raise as ``Mender.mend``."""
        return self.future.result()


class InFlight:
    """The works in hand. All methods by the maintenance thread."""

    def __init__(self, mender: Mender) -> None:
        self._mender: Final = mender
        self._threads: Final = ThreadPoolExecutor(IN_FLIGHT_MAX, thread_name_prefix="mending")
        self._works: dict[Future[Mended], Work] = {}

    def __len__(self) -> int:
        return len(self._works)

    def start(self, work: Work, difference: Difference, progress: Progress) -> None:
        """Begin to mend; *progress* is called in the thread that does.

        Raises:
            EngineStoppedError: closed meanwhile.
        """
        try:
            future = self._threads.submit(self._mender.mend, difference, progress)
        except RuntimeError as error:
            raise EngineStoppedError("maintenance is closing") from error
        self._works[future] = work

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
