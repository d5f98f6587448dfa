"""The first extent of the sample pool, in memory, one byte of it wrong at a time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from engine.ids import DiskId, ExtentId
from engine.metadata.database import open_reader
from engine.metadata.extents_table import load_extent
from engine.metadata.members import load_disks
from engine.model.extent import fragment_name
from tests.rot.rotten_pool import Place, Sample
from tests.rot.still_disks import StillDisks


class SmallExtent:
    """The record of an extent, and disks that hold copies of its fragment files."""

    def __init__(self, place: Place, sample: Sample) -> None:
        """Take the oldest extent of *sample*."""
        place.restore(sample)
        with closing(open_reader(place.pool_dir / "metadata.db")) as connection:
            lowest = ExtentId(int(connection.execute("SELECT min(id) FROM extent").get))
            record = load_extent(connection, lowest)
            paths = {disk.disk_id: Path(disk.path) for disk in load_disks(connection)}
        assert record is not None
        self.record = record
        self.files: list[bytearray] = []
        by_disk: dict[DiskId, dict[str, bytearray]] = {disk: {} for disk in paths}
        for ref in record.fragments:
            name = fragment_name(record.extent_id, ref.layout, ref.index)
            content = bytearray((paths[ref.disk_id] / name).read_bytes())
            self.files.append(content)
            by_disk[ref.disk_id][name] = content
        self.disks = StillDisks(by_disk)

    @contextmanager
    def flipped(self, index: int, offset: int, pattern: int) -> Iterator[None]:
        """Have the byte at *offset* of fragment *index* wrong inside the block."""
        self.files[index][offset] ^= pattern
        try:
            yield
        finally:
            self.files[index][offset] ^= pattern

    def let_answer(self, indexes: set[int]) -> None:
        """Let only the disks of the fragments *indexes* answer."""
        refs = self.record.fragments
        self.disks.present = {refs[index].disk_id for index in indexes}
