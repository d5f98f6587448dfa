"""Statistics of disks: counted by kind, kept over restarts, and lost without harm."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from uuid import UUID

import apsw
import pytest

from engine.clock import ManualClock
from engine.device.faulty import FailWith, Fault, FaultyDevice
from engine.device.memory import MemoryDevice
from engine.errors import (
    DeviceDeniedError,
    DeviceError,
    DeviceFailedError,
    DeviceFullError,
    DeviceGoneError,
    DeviceSlowError,
    NameAbsentError,
)
from engine.ids import DiskUuid, Epoch, ExtentId, Generation
from engine.observe.error_window import ErrorKind
from engine.observe.metrics import Metrics
from engine.pool.disk_statistics import STATISTICS_NAME, DiskStatistics
from engine.pool.metered import MeteredDevice

DISK, OTHER = DiskUuid(UUID(int=1)), DiskUuid(UUID(int=2))


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / STATISTICS_NAME


def filled(clock: ManualClock, path: Path) -> DiskStatistics:
    """Two I/O errors and a timeout of one disk, a repaired fragment of another; kept."""
    kept = DiskStatistics(clock, path)
    kept.meter(DISK).note(ErrorKind.IO, 2)
    kept.meter(DISK).note_timeout()
    kept.meter(OTHER).note_damage(ExtentId(5), 1)
    kept.note_mended(ExtentId(5), 1)
    kept.flush()
    return kept


def test_counts_are_there_after_a_restart(clock: ManualClock, path: Path) -> None:
    filled(clock, path)
    clock.advance(30)

    again = DiskStatistics(clock, path)

    assert again.trouble == ""
    assert again.meter(DISK).total(ErrorKind.IO) == 2
    assert again.meter(DISK).recent(ErrorKind.IO) == 2
    assert again.meter(DISK).recent(ErrorKind.TIMEOUT) == 1
    assert again.meter(OTHER).total(ErrorKind.CHECKSUM) == 1
    assert again.meter(OTHER).total(ErrorKind.REPAIRED) == 1
    assert 30 <= again.meter(DISK).quiet_s() <= 40


def test_after_ten_minutes_only_the_totals_are_left(clock: ManualClock, path: Path) -> None:
    filled(clock, path)
    clock.advance(11 * 60)

    again = DiskStatistics(clock, path)

    assert again.meter(DISK).recent(ErrorKind.IO) == 0
    assert again.meter(DISK).total(ErrorKind.IO) == 2


@pytest.mark.parametrize("damage", ["no database", "torn", "foreign kinds"])
def test_a_damaged_file_is_said_and_begun_anew(clock: ManualClock, path: Path, damage: str) -> None:
    filled(clock, path)
    match damage:
        case "no database":
            path.write_bytes(b"x" * 9000)
        case "torn":
            path.write_bytes(path.read_bytes()[:5000])
        case _:
            connection = apsw.Connection(str(path))
            connection.execute("UPDATE disk_errors SET kind = kind || ' of old'")
            connection.close()

    again = DiskStatistics(clock, path)

    assert "begin anew" in again.trouble
    assert again.meter(DISK).total(ErrorKind.IO) == 0
    again.meter(DISK).note(ErrorKind.IO)
    again.flush()
    assert again.trouble == ""
    assert DiskStatistics(clock, path).meter(DISK).total(ErrorKind.IO) == 1
    assert path.with_suffix(".damaged").exists() == (damage != "foreign kinds")


def test_a_file_that_cannot_be_written_is_trouble_and_no_error(
    clock: ManualClock, tmp_path: Path
) -> None:
    kept = DiskStatistics(clock, tmp_path / "gone" / STATISTICS_NAME)
    kept.meter(DISK).note(ErrorKind.IO)

    kept.flush()

    assert "cannot be kept" in kept.trouble
    assert kept.meter(DISK).total(ErrorKind.IO) == 1


def test_a_pool_to_which_nothing_happened_needs_no_file(clock: ManualClock, path: Path) -> None:
    kept = DiskStatistics(clock, path)
    kept.meter(DISK)

    kept.flush()

    assert not path.exists()


def test_a_file_of_others_is_shared_with_them(clock: ManualClock, path: Path) -> None:
    connection = apsw.Connection(str(path))
    connection.execute("CREATE TABLE ages (extent INTEGER); INSERT INTO ages VALUES (7)")

    filled(clock, path)

    assert connection.execute("SELECT extent FROM ages").get == 7
    assert DiskStatistics(clock, path).meter(DISK).total(ErrorKind.IO) == 2
    connection.close()


def test_a_damaged_fragment_is_counted_once_however_often_it_is_read(
    clock: ManualClock,
) -> None:
    meter = DiskStatistics(clock).meter(DISK)
    for _ in range(100):
        meter.note_damage(ExtentId(5), 1)
    meter.note_damage(ExtentId(5), 2)

    assert meter.total(ErrorKind.CHECKSUM) == 2
    meter.note_mended(ExtentId(5))
    meter.note_damage(ExtentId(5), 1)
    assert meter.total(ErrorKind.CHECKSUM) == 3
    assert meter.total(ErrorKind.REPAIRED) == 2


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (DeviceFailedError("Input/output error"), ErrorKind.IO),
        (DeviceDeniedError("Read-only file system"), ErrorKind.DENIED),
        (DeviceFullError("No space left on device"), None),
        (DeviceGoneError("gone"), None),
        (DeviceSlowError("no answer"), None),
        (NameAbsentError("none"), None),
    ],
)
@pytest.mark.parametrize(
    "method", ["put", "get", "sync", "delete", "set_aside", "set_label", "journal_put"]
)
def test_every_call_that_fails_is_counted_by_its_kind(
    clock: ManualClock, error: DeviceError, kind: ErrorKind | None, method: str
) -> None:
    meter = DiskStatistics(clock).meter(DISK)
    faulty = FaultyDevice(MemoryDevice())
    faulty.add_fault(Fault(action=FailWith(error=error), method=method))
    device = MeteredDevice(faulty, Metrics(), "d1", meter)
    calls: dict[str, Callable[[], object]] = {
        "put": lambda: device.put("fragments/0/1.1.0", [b"x"]),
        "get": lambda: device.get("fragments/0/1.1.0", offset=0, length=1),
        "sync": lambda: device.sync([]),
        "delete": lambda: device.delete("fragments/0/1.1.0"),
        "set_aside": lambda: device.set_aside("fragments/0/1.1.0"),
        "set_label": lambda: device.set_label(b"{}"),
        "journal_put": lambda: device.journal_put(Generation(1), Epoch(1), b"x"),
    }

    with pytest.raises(type(error)):
        calls[method]()

    assert {one: meter.total(one) for one in ErrorKind if meter.total(one)} == (
        {} if kind is None else {kind: 1}
    )
    assert meter.latency().count == 0


def test_calls_that_move_data_are_timed(clock: ManualClock) -> None:
    meter = DiskStatistics(clock).meter(DISK)
    device = MeteredDevice(MemoryDevice(), Metrics(), "d1", meter)

    device.put("fragments/0/1.1.0", [b"x" * 4096])
    device.get("fragments/0/1.1.0", offset=0, length=4096)

    assert meter.latency().count == 2
    assert 0 < meter.latency().p99_s < 1
