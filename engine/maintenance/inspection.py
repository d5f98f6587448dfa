"""A verdict for each fragment of an extent that can be acted on.

What a disk does not answer is looked at again before it is called bad, and a
record that changed meanwhile is not judged at all.
"""

from __future__ import annotations

from typing import Final

from engine.device.lanes import Lane
from engine.device.protocol import Device, StoredName
from engine.errors import DeviceError, NameAbsentError
from engine.extents.disks import DiskSource
from engine.extents.slices import Progress, no_progress
from engine.extents.verdict import Verdict
from engine.extents.verify import ExtentVerifier
from engine.metadata.extents_table import Damage
from engine.metadata.tables import Tables
from engine.model.extent import ExtentRecord, fragment_name


class Inspector:
    """Verifies extents and writes down what is wrong. Maintenance thread only."""

    def __init__(self, *, tables: Tables, disks: DiskSource, verifier: ExtentVerifier) -> None:
        self._tables: Final = tables
        self._disks: Final = disks
        self._verifier: Final = verifier

    def verdicts(
        self, record: ExtentRecord, *, progress: Progress = no_progress
    ) -> tuple[Verdict, ...]:
        """Read all fragments and compare parity; UNREACHABLE only for missing disks."""
        found = list(self._verifier.verify_extent(record, progress=progress))
        for index, verdict in enumerate(found):
            if verdict is Verdict.UNREACHABLE:
                found[index] = self._second_opinion(record, index)
        return tuple(found)

    def verdict(
        self, record: ExtentRecord, index: int, *, progress: Progress = no_progress
    ) -> Verdict:
        """Read one fragment; UNREACHABLE only when its disk is missing."""
        found = self._verifier.verify_fragment(record, index, progress=progress)
        return found if found is not Verdict.UNREACHABLE else self._second_opinion(record, index)

    def _second_opinion(self, record: ExtentRecord, index: int) -> Verdict:
        """Tell a fragment that cannot be read from a disk that does not answer."""
        ref = record.fragments[index]
        if not self._disks.readable(ref.disk_id):
            return Verdict.UNREACHABLE
        again = self._verifier.verify_fragment(record, index)
        if again is not Verdict.UNREACHABLE:
            return again
        name = fragment_name(record.extent_id, ref.layout, ref.index)

        def stat(device: Device) -> StoredName:
            return device.stat(name)

        try:
            self._disks.wait(self._disks.submit(ref.disk_id, Lane.MAINTENANCE, stat))
        except NameAbsentError:
            return Verdict.MISSING
        except DeviceError:
            return Verdict.UNREACHABLE
        # The disk answers, twice not with these bytes: they are as good as rotten.
        return Verdict.CORRUPT

    def note(self, record: ExtentRecord, verdicts: dict[int, Verdict], now_ns: int) -> list[int]:
        """Write *verdicts* to the damage table if *record* still stands.

        Returns the indexes that need repair, none when the record changed.
        Damage that turned out intact is forgotten.
        """
        store, extents = self._tables.store, self._tables.extents
        with store.lock:
            if extents.get(record.extent_id) != record:
                return []
            known = {
                row[0]
                for row in store.rows.read(
                    "SELECT position FROM damage WHERE extent = ?", (record.extent_id,)
                )
            }
            bad = [index for index, verdict in verdicts.items() if verdict.needs_repair]
            healed = [i for i in known if verdicts.get(i) is Verdict.INTACT]
            new = [index for index in bad if index not in known]
            if new or healed:
                with store.operation():
                    for index in new:
                        kind = str(verdicts[index])
                        extents.add_damage(Damage(record.extent_id, index, kind, now_ns))
                    for index in healed:
                        extents.remove_damage(record.extent_id, index)
        return bad
