"""Fragment files that no record names, for the operator: list them, delete them.

By the rules that Collect follows by itself, except that the operator may ask
for younger ones. Of those only what an earlier open of the pool left is
deleted: nobody who still runs can be about to name it (P5).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from engine.errors import DeviceError, NameAbsentError
from engine.extents.disks import DiskSource
from engine.ids import DiskId
from engine.limits import QUARANTINE_AGE_S
from engine.maintenance.listing import FragmentListing, UnnamedFile
from engine.maintenance.unreferenced import Fate, UnreferencedFiles

_S_PER_H: Final = 3600.0


@dataclass(frozen=True, slots=True)
class Orphan:
    """A file with its age in seconds, and why it stays; an empty reason: it may go."""

    file: UnnamedFile
    age_s: float
    reason: str


class Orphans:
    """One walk over all disks for each question. Any thread."""

    def __init__(
        self,
        *,
        disks: DiskSource,
        unreferenced: UnreferencedFiles,
        new_listing: Callable[[], FragmentListing],
    ) -> None:
        self._disks: Final = disks
        self._unreferenced: Final = unreferenced
        self._new_listing: Final = new_listing

    def find(self, disk_ids: Sequence[DiskId], *, min_age_h: float) -> Iterator[Orphan]:
        """Yield the orphans on *disk_ids*, judged with *min_age_h*."""
        listing = self._new_listing()
        listing.begin(disk_ids)
        while (files := listing.next_files()) is not None:
            for file in files:
                try:
                    yield self._judged(file, min_age_h)
                except NameAbsentError:
                    continue  # Deleted meanwhile.
                except DeviceError as error:
                    self._disks.report_failure(file.disk_id, error)

    def delete(self, orphan: Orphan) -> bool:
        """Delete *orphan* if it still may go; return whether it went.

        Raises:
            DeviceError: its disk does not do it.
        """
        # The listing may be old: its rules are looked at once more.
        if orphan.reason or self._unreferenced.judge(orphan.file).fate is not Fate.DELETE:
            return False
        self._unreferenced.carry_out(orphan.file, Fate.DELETE)
        return True

    def _judged(self, file: UnnamedFile, min_age_h: float) -> Orphan:
        age_s = self._unreferenced.age_s(file)
        judged = self._unreferenced.judge(file)
        if judged.fate is not Fate.DELETE:
            return Orphan(file, age_s, judged.reason)
        if age_s < min_age_h * _S_PER_H:
            return Orphan(file, age_s, f"it is younger than {min_age_h:g} h")
        if judged.is_of_this_epoch and age_s < QUARANTINE_AGE_S:
            return Orphan(file, age_s, "it was written since the pool was opened")
        return Orphan(file, age_s, "")
