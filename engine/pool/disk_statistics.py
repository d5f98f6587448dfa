"""What disks did: latencies now, errors by kind for ever. Kept in ``stats.db``.

Statistics may be lost (ARCHITECTURE 1): nothing but alarms rests on them. They
are written now and then and at the close; a file that is damaged is set aside
and begun anew, which is said.
"""

from __future__ import annotations

import math
import os
import threading
from contextlib import closing
from pathlib import Path
from typing import Final
from uuid import UUID

import apsw

from engine.clock import Clock
from engine.errors import (
    DeviceDeniedError,
    DeviceError,
    DeviceFailedError,
)
from engine.ids import DiskUuid, ExtentId
from engine.observe.error_window import ErrorCount, ErrorKind, ErrorWindow
from engine.observe.latency import Latency, LatencyRing

STATISTICS_NAME: Final = "stats.db"

_DAMAGED_MAX: Final = 4096
"""Extents with damage remembered a disk, so that no fragment is counted twice."""

_TABLES: Final = """
CREATE TABLE IF NOT EXISTS disk_errors (
    disk BLOB NOT NULL, kind TEXT NOT NULL, count INTEGER NOT NULL,
    PRIMARY KEY (disk, kind)) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS disk_errors_recent (
    disk BLOB NOT NULL, kind TEXT NOT NULL, bucket INTEGER NOT NULL, count INTEGER NOT NULL,
    PRIMARY KEY (disk, kind, bucket)) STRICT, WITHOUT ROWID;
"""

_HAS_TABLES: Final = "SELECT count(*) = 2 FROM sqlite_master WHERE name LIKE 'disk_errors%'"

_KIND_OF: Final[dict[type[DeviceError], ErrorKind]] = {
    DeviceFailedError: ErrorKind.IO,
    DeviceDeniedError: ErrorKind.DENIED,
}
"""Full, absent and taken are answers, not errors; gone is presence; slow is counted once
for the call that was given up, not for those refused after it."""


class DiskMeter:
    """One disk's statistics. Thread-safe: latencies without a lock, errors with a short one."""

    def __init__(self, clock: Clock, window: ErrorWindow) -> None:
        self._clock: Final = clock
        self._lock: Final = threading.Lock()
        self._window: Final = window
        self._ring: Final = LatencyRing()
        self._damaged: dict[ExtentId, set[int]] = {}

    def note_call(self, seconds: float) -> None:
        """Remember how long a call took."""
        self._ring.add(seconds, at_s=self._clock.monotonic_s())

    def note_error(self, error: DeviceError) -> None:
        """Count what a call raised, when it speaks against the disk."""
        kind = _KIND_OF.get(type(error))
        if kind is not None:
            self.note(kind)

    def note_timeout(self) -> None:
        """Count a call that was given up."""
        self.note(ErrorKind.TIMEOUT)

    def note_damage(self, extent_id: ExtentId, index: int) -> None:
        """Count a fragment that is not what its record says, once until it is repaired."""
        with self._lock:
            if len(self._damaged) >= _DAMAGED_MAX:
                self._damaged.clear()
            known = self._damaged.setdefault(extent_id, set())
            if index in known:
                return
            known.add(index)
        self.note(ErrorKind.CHECKSUM)

    def note_mended(self, extent_id: ExtentId) -> None:
        """Count the damaged fragments of an extent that was made whole again."""
        with self._lock:
            repaired = len(self._damaged.pop(extent_id, ()))
        if repaired:
            self.note(ErrorKind.REPAIRED, repaired)

    def note(self, kind: ErrorKind, count: int = 1) -> None:
        """Count *count* of *kind*, of now."""
        with self._lock:
            self._window.note(kind, now_ns=self._clock.now_ns(), count=count)

    def begin_anew(self) -> None:
        """Forget what was recent: the operator says that its cause is gone."""
        with self._lock:
            self._window.begin_anew()

    def latency(self) -> Latency:
        """Return the percentiles of the last minutes' calls."""
        return self._ring.latency(now_s=self._clock.monotonic_s())

    def recent(self, kind: ErrorKind) -> int:
        """Return how many of *kind* there were within the last ten minutes."""
        with self._lock:
            return self._window.recent(kind, now_ns=self._clock.now_ns())

    def total(self, kind: ErrorKind) -> int:
        """Return how many of *kind* there ever were."""
        with self._lock:
            return self._window.total(kind)

    def quiet_s(self) -> float:
        """Return seconds since the last error; infinite when none is known."""
        with self._lock:
            quiet_s = self._window.quiet_s(now_ns=self._clock.now_ns())
        return quiet_s if quiet_s < 10**9 else math.inf

    def kept(self) -> tuple[list[tuple[ErrorKind, int]], list[ErrorCount]]:
        """Return totals and recent counts, for the file."""
        with self._lock:
            return self._window.totals(), self._window.counts(now_ns=self._clock.now_ns())


class DiskStatistics:
    """The statistics of all disks. Thread-safe."""

    def __init__(self, clock: Clock, path: Path | None = None) -> None:
        """*path* is the file they are kept in; None keeps them in memory only."""
        self._clock: Final = clock
        self._path: Final = path
        self._lock: Final = threading.Lock()
        self._meters: dict[DiskUuid, DiskMeter] = {}
        self._written: object = None
        self._damaged = False
        self.trouble = ""
        """What is wrong with the file; empty while all is well."""
        self._load()

    def meter(self, disk: DiskUuid) -> DiskMeter:
        """Return the meter of *disk*, always the same one."""
        with self._lock:
            meter = self._meters.get(disk)
            if meter is None:
                meter = self._meters[disk] = DiskMeter(self._clock, ErrorWindow())
            return meter

    def forget(self, disk: DiskUuid) -> None:
        """Drop what is known of a disk that left the pool."""
        with self._lock:
            self._meters.pop(disk, None)

    def note_mended(self, extent_id: ExtentId, _fragments: int) -> None:
        """Hear that an extent is whole again; for ``Reconcile.on_mended``."""
        with self._lock:
            meters = list(self._meters.values())
        for meter in meters:
            meter.note_mended(extent_id)

    def flush(self) -> None:
        """Write what changed; a file that cannot be written is told by ``trouble``."""
        with self._lock:
            kept = {disk: meter.kept() for disk, meter in self._meters.items()}
        if self._path is None or kept == self._written:
            return
        if not any(totals for totals, _ in kept.values()) and not self._path.exists():
            return  # Nothing ever happened: no file is needed to say so.
        try:
            if self._damaged:
                os.replace(self._path, self._path.with_suffix(".damaged"))
                self._damaged = False
            with closing(_connect(self._path)) as connection, connection:
                connection.execute(_TABLES)
                connection.execute("DELETE FROM disk_errors")
                connection.execute("DELETE FROM disk_errors_recent")
                for disk, (totals, recent) in kept.items():
                    connection.executemany(
                        "INSERT INTO disk_errors VALUES (?, ?, ?)",
                        [(disk.bytes, str(kind), count) for kind, count in totals],
                    )
                    connection.executemany(
                        "INSERT INTO disk_errors_recent VALUES (?, ?, ?, ?)",
                        [(disk.bytes, str(one.kind), one.bucket, one.count) for one in recent],
                    )
        except (apsw.Error, OSError) as error:
            self._note_trouble(error)
        else:
            self._written, self.trouble = kept, ""

    def _load(self) -> None:
        if self._path is None or not self._path.exists():
            return
        try:
            with closing(apsw.Connection(str(self._path), apsw.SQLITE_OPEN_READONLY)) as connection:
                if not connection.execute(_HAS_TABLES).get:
                    return
                totals = list(connection.execute("SELECT disk, kind, count FROM disk_errors"))
                recent = list(
                    connection.execute("SELECT disk, kind, bucket, count FROM disk_errors_recent")
                )
            disks = {DiskUuid(UUID(bytes=row[0])) for row in (*totals, *recent)}
            for disk in disks:
                window = ErrorWindow(
                    [(ErrorKind(kind), n) for one, kind, n in totals if one == disk.bytes],
                    [
                        ErrorCount(ErrorKind(kind), bucket, n)
                        for one, kind, bucket, n in recent
                        if one == disk.bytes
                    ],
                )
                self._meters[disk] = DiskMeter(self._clock, window)
        except (apsw.Error, OSError, ValueError) as error:
            self._note_trouble(error)

    def _note_trouble(self, error: Exception) -> None:
        text = str(error) or type(error).__name__
        # Others keep statistics in the file, too: it is left where only ours are odd.
        self._damaged = isinstance(error, apsw.CorruptError | apsw.NotADBError)
        if self._damaged or isinstance(error, ValueError):
            self._meters.clear()
            self.trouble = f"the statistics of disks were damaged ({text}) and begin anew"
        else:
            self.trouble = f"the statistics of disks cannot be kept: {text}"


def _connect(path: Path) -> apsw.Connection:
    connection = apsw.Connection(str(path))
    connection.set_busy_timeout(2000)
    # They may be lost, so nobody waits for the disk.
    connection.pragma("synchronous", "OFF")
    return connection
