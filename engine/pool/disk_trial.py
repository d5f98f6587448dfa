"""Tests a disk that came back or is suspect: label, roots, a sample of fragments (H6).

Nothing is written to the disk. What the sample finds wrong is reported like
any other damage, so that it is mended; a disk that is wrong as a whole fails.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from engine.device.lanes import Lane
from engine.device.protocol import Device, JournalEntry
from engine.errors import DamagedRecordError, DeviceError
from engine.extents.verdict import Verdict
from engine.format.label import decode_label
from engine.ids import DiskId, Epoch, ExtentId
from engine.maintenance.inspection import Inspector
from engine.maintenance.quiet import quiet_verifier
from engine.metadata.extents_table import load_extent
from engine.model.disk import DiskRecord
from engine.model.extent import ExtentRecord
from engine.pool.assembly import Engine

SAMPLE_NEWEST: Final = 8
SAMPLE_SPREAD: Final = 8
"""Fragments read: the newest ones, and some evenly spread over the others."""

BAD_SHARE_MAX: Final = 0.25
"""With more of the sample bad it is the disk that is wrong, not some fragments."""


@dataclass(frozen=True, slots=True)
class TrialResult:
    """What a test found; ``problem`` is empty when the disk passed."""

    problem: str
    sampled: int = 0
    bad: int = 0


class DiskTrial:
    """Tests disks of one engine. For one thread; each test takes bounded time."""

    def __init__(self, engine: Engine) -> None:
        base = engine.base
        self._engine: Final = engine
        self._disks: Final = base.disks
        self._store: Final = base.store
        self._verifier: Final = quiet_verifier(base.clock, base.disks, kernel=engine.kernel)
        self._inspector: Final = Inspector(
            tables=base.tables, disks=base.disks, verifier=self._verifier
        )

    def run(self, record: DiskRecord) -> TrialResult:
        """Test the disk of *record*, which is there."""
        try:
            problem = self._label_problem(record) or self._roots_problem(record)
        except DeviceError as error:
            return TrialResult(f"it does not answer: {error}")
        return TrialResult(problem) if problem else self._sample(record.disk_id)

    def _label_problem(self, record: DiskRecord) -> str:
        data = self._disks.wait(
            self._disks.submit(record.disk_id, Lane.MAINTENANCE, lambda one: one.get_label())
        )
        try:
            label = decode_label(data)
        except DamagedRecordError as error:
            return f"its label is damaged: {error}"
        template = self._store.template
        if (label.pool_uuid, label.disk_uuid) != (template.pool_uuid, record.uuid):
            return "its label is that of another disk"
        return self._epoch_problem(label.epoch)

    def _roots_problem(self, record: DiskRecord) -> str:
        """Say so when its journal goes on behind ours: somebody else wrote it."""
        start = self._store.template.generation

        def newest_epoch(device: Device) -> Epoch:
            entries = (one for one in device.journal_list(start) if isinstance(one, JournalEntry))
            return max((one.epoch for one in entries), default=Epoch(0))

        future = self._disks.submit(record.disk_id, Lane.MAINTENANCE, newest_epoch)
        return self._epoch_problem(self._disks.wait(future))

    def _epoch_problem(self, epoch: Epoch) -> str:
        ours = self._store.template.epoch
        if epoch <= ours:
            return ""
        return f"it was opened elsewhere meanwhile: epoch {epoch}, here it is {ours}"

    def _sample(self, disk_id: DiskId) -> TrialResult:
        sampled = bad = 0
        for extent_id, index in self._chosen(disk_id):
            record = self._load(extent_id)
            if record is None or record.fragments[index].disk_id != disk_id:
                continue
            verdict = self._verdict(record, index)
            if verdict is Verdict.UNREACHABLE:
                return TrialResult("it does not answer", sampled, bad)
            if self._load(extent_id) != record:
                continue  # It moved while it was read: nothing is proven.
            sampled += 1
            if verdict is not Verdict.INTACT:
                bad += 1
                self._disks.report_corruption(extent_id, index, disk_id, verdict)
        if bad > sampled * BAD_SHARE_MAX:
            return TrialResult(f"{bad} of {sampled} fragments looked at are bad", sampled, bad)
        return TrialResult("", sampled, bad)

    def _verdict(self, record: ExtentRecord, index: int) -> Verdict:
        """Read one fragment; one that cannot be read is bad, if its disk answers at all."""
        found = self._verifier.verify_fragment(record, index)
        if found is Verdict.UNREACHABLE and self._answers(record.fragments[index].disk_id):
            return self._inspector.verdict(record, index)
        return found

    def _answers(self, disk_id: DiskId) -> bool:
        """Whether no call to the disk hangs: asking again would hang as long."""
        return any(
            one.present and one.slow_since_s is None
            for one in self._disks.presences()
            if one.record.disk_id == disk_id
        )

    def _chosen(self, disk_id: DiskId) -> list[tuple[ExtentId, int]]:
        """Return (extent, index) of fragments that are not known to be bad."""
        rows = (
            "SELECT extent, position FROM fragment f WHERE disk = ? AND extent {} ?"
            " AND NOT EXISTS (SELECT 1 FROM damage d"
            " WHERE d.extent = f.extent AND d.position = f.position) ORDER BY extent {} LIMIT ?"
        )
        with self._engine.readers.read() as connection:
            newest = list(
                connection.execute(rows.format("<=", "DESC"), (disk_id, 2**62, SAMPLE_NEWEST))
            )
            last = newest[-1][0] if newest else 0
            spread = [
                row
                for step in range(SAMPLE_SPREAD)
                for row in connection.execute(
                    rows.format(">=", "ASC"), (disk_id, step * last // SAMPLE_SPREAD, 1)
                )
            ]
        return [(ExtentId(extent), int(index)) for extent, index in dict.fromkeys(newest + spread)]

    def _load(self, extent_id: ExtentId) -> ExtentRecord | None:
        with self._engine.readers.read() as connection:
            return load_extent(connection, extent_id)
