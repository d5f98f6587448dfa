"""A world of disks under record; the package's docstring says how it is used."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Final, Self

from engine.device.directory import DirectoryDevice
from engine.pool import devices, importing, joining
from tests.simulation import active
from tests.simulation.ledger import Ledger
from tests.simulation.recorded_database import record_databases, stop_recording_databases
from tests.simulation.recorded_device import RecordedDevice
from tests.simulation.recorded_files import record_files, stop_recording_files
from tests.simulation.recording import POOL_NAME, BuiltWorld, CutState, Recording, disk_name

__all__ = ["BuiltWorld", "CutState", "World"]

_DEVICE_USERS: Final[tuple[ModuleType, ...]] = (devices, importing, joining)
"""Where the engine makes directories into devices."""


class World:
    """Disks and a pool directory below *folder*, under record inside ``with``.

    Recorded are the pools that are made or opened there inside, by any thread.
    """

    def __init__(self, folder: Path, disk_count: int) -> None:
        """Make the directories; *folder* is absent or empty, or holds a built world.

        A built world goes on: what is there when the record begins is durable.
        """
        folder.mkdir(parents=True, exist_ok=True)
        folder = folder.resolve()
        self.disks = tuple(folder / disk_name(number) for number in range(disk_count))
        self.pool = folder / POOL_NAME
        roots = (*self.disks, self.pool)
        for root in roots:
            root.mkdir(mode=0o700, exist_ok=True)
        self.ledger = Ledger(roots)
        self.recording = Recording(self.ledger.events, folder, disk_count=disk_count)

    @property
    def position(self) -> int:
        """How many events there were so far."""
        return self.ledger.position

    def __enter__(self) -> Self:
        self.ledger.find_all()
        if active.begin(self.ledger) == 1:
            for module in _DEVICE_USERS:
                vars(module)["DirectoryDevice"] = RecordedDevice
            record_files()
            record_databases()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.ledger.notice_plain_files()
        if active.end(self.ledger) == 0:
            for module in _DEVICE_USERS:
                vars(module)["DirectoryDevice"] = DirectoryDevice
            stop_recording_files()
            stop_recording_databases()

    def states(
        self, *, seed: int, cuts: Iterable[int] | None = None, samples_per_cut: int
    ) -> Iterator[CutState]:
        """Give states of the *cuts*, all there are unless named.

        For each that none of the volatile changes arrived, that all did, and
        *samples_per_cut* drawn from *seed*. Build them in their order.
        """
        if cuts is None:
            cuts = range(self.position + 1)
        yield from self.recording.states(seed=seed, cuts=cuts, samples_per_cut=samples_per_cut)

    def every_state(self, position: int, *, sector_bytes: int | None = None) -> Iterator[CutState]:
        """Give all states of the cut at *position*: two for each volatile change.

        With *sector_bytes* writes are torn into these, too, and the length they
        give their file arrives by itself. For a handful of changes: it doubles
        with each.
        """
        yield from self.recording.every_state(position, sector_bytes=sector_bytes)

    def state(self, name: str) -> CutState:
        """Return the state of that *name* again."""
        return self.recording.state(name)
