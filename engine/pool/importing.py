"""Bring a pool directory back from its disks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from engine.device.bounded import BoundedDevice
from engine.device.directory import DirectoryDevice
from engine.device.protocol import Device
from engine.errors import DamagedRecordError, DeviceError, EngineError, PoolError
from engine.format.label import decode_label
from engine.ids import DiskUuid
from engine.metadata.database import open_database
from engine.metadata.files import DATABASE_NAME, remove_database
from engine.metadata.importing import ImportSurvey, survey
from engine.metadata.importing import import_pool as rebuild_database
from engine.metadata.members import load_disks
from engine.model.label import DiskLabel
from engine.pool.config import (
    CONFIG_NAME,
    DiskPath,
    PoolConfig,
    load_config,
    make_directory,
    save_config,
    with_disk_names,
    write_durably,
)
from engine.pool.devices import DiskOpener, at_once
from engine.pool.ownership import PoolLock
from engine.pool.reserve import fill_reserve

_UNFINISHED: Final = "import-unfinished"


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenDisk:
    """A directory that was given, and what its label says; ``problem`` if it is none."""

    path: str
    label: DiskLabel | None
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """What the given disks hold. ``metadata`` is None when nothing can be imported."""

    disks: tuple[GivenDisk, ...]
    metadata: ImportSurvey | None
    obstacle: str


def survey_disks(paths: Sequence[Path]) -> Survey:
    """Look at the directories *paths* and change nothing.

    Raises:
        PoolError: one of them is no directory.
        PoolBusyError: one of them is in use.
    """
    with _opened(paths) as (given, devices):
        if not devices:
            return Survey(disks=given, metadata=None, obstacle="none of these is a readable disk")
        try:
            return Survey(disks=given, metadata=survey(devices), obstacle="")
        except EngineError as error:
            return Survey(disks=given, metadata=None, obstacle=str(error))


def import_disks(paths: Sequence[Path], into: Path) -> list[str]:
    """Make the pool directory *into* from the disks at *paths*; return sentences.

    Can be repeated after an interruption: the configuration comes last, and
    without it *into* is no pool yet.

    Raises:
        PoolError, SplitHistoryError, DamagedRecordError: one sentence why not.
    """
    _refuse_pool_directory(into)
    with _opened(paths) as (given, devices):
        if not devices:
            problems = "; ".join(f"{one.path}: {one.problem}" for one in given)
            raise PoolError(f"none of the given directories is a readable disk ({problems})")
        make_directory(into)
        lock = PoolLock(into)
        try:
            _begin_or_repeat(into)
            imported = rebuild_database(devices, into)
            config = _configuration(into, given)
            fill_reserve(into)
            save_config(into, config)
            (into / _UNFINISHED).unlink()
        finally:
            lock.release()
    head, found = imported.head, set(devices)
    missing = [uuid for uuid in head.header.members if uuid not in found]
    sentences = [f"pool {config.name} is at {head} in {into}"]
    sentences += [f"{one.path}: {one.problem}" for one in given if one.problem]
    sentences += [with_disk_names(text, config.disks) for text in imported.events]
    if missing:
        sentences.append(f"{len(missing)} of {len(head.header.members)} disks were not given")
    return sentences


def _refuse_pool_directory(into: Path) -> None:
    """Raise PoolError when *into* was made already, by an import that ended perhaps.

    The configuration comes last, so one that is there can be opened: what a
    pool directory lacks besides is made again then (R6).
    """
    if not (into / CONFIG_NAME).exists():
        return
    try:
        config = load_config(into)
    except PoolError as error:
        raise PoolError(
            f"{into} is a pool directory already, but {CONFIG_NAME} in it cannot be read:"
            " move it out of the way, or import into another directory"
        ) from error
    raise PoolError(
        f"{into} is the pool directory of {config.name} already and can be opened as it is;"
        " to bring back another pool, import into another directory"
    )


def _begin_or_repeat(into: Path) -> None:
    """Mark *into* as half made; clear away what an interrupted import left there.

    A database without the mark is somebody's, and stays.
    """
    mark = into / _UNFINISHED
    if mark.exists():
        remove_database(into / DATABASE_NAME)
    elif not (into / DATABASE_NAME).exists():
        write_durably(mark, b"")


def _configuration(into: Path, given: Sequence[GivenDisk]) -> PoolConfig:
    """Return the configuration: given disks where they are now, others where they were."""
    connection = open_database(into / DATABASE_NAME)
    try:
        records = load_disks(connection)
    finally:
        connection.close()
    labels = {one.label.disk_uuid: one for one in given if one.label is not None}
    first = next(one.label for one in given if one.label is not None)
    return PoolConfig(
        name=first.pool_name,
        uuid=first.pool_uuid,
        disks=tuple(
            DiskPath(
                name=record.name,
                uuid=record.uuid,
                path=labels[record.uuid].path if record.uuid in labels else record.path,
            )
            for record in records
        ),
    )


@contextmanager
def _opened(
    paths: Sequence[Path],
) -> Iterator[tuple[tuple[GivenDisk, ...], dict[DiskUuid, Device]]]:
    """Open the disks at *paths* for the length of a ``with``."""
    devices: dict[DiskUuid, Device] = {}
    found: dict[int, tuple[GivenDisk, BoundedDevice | None]] = {}
    opener = DiskOpener()

    def open_one(at: int) -> None:
        found[at] = _open_one(str(paths[at]), opener)

    try:
        at_once(range(len(paths)), open_one, place=lambda at: str(paths[at]))
        for one, device in found.values():
            if device is not None and one.label is not None:
                if one.label.disk_uuid in devices:
                    raise PoolError(f"{one.path}: disk {one.label.disk_name} is given twice")
                devices[one.label.disk_uuid] = device
        yield tuple(found[at][0] for at in range(len(paths))), devices
    finally:
        for _, device in found.values():
            if device is not None:
                device.close()


def _open_one(given: str, opener: DiskOpener) -> tuple[GivenDisk, BoundedDevice | None]:
    try:
        path = opener.find_directory(given)
    except DeviceError as error:
        return GivenDisk(path=given, label=None, problem=str(error)), None
    try:
        device = BoundedDevice(opener.open(path, lambda: DirectoryDevice.open(path)))
    except EngineError as error:
        return GivenDisk(path=path, label=None, problem=str(error)), None
    try:
        label = decode_label(device.get_label())
        if label.retired:
            device.close()
            problem = f"disk {label.disk_name} was removed from pool {label.pool_name}"
            return GivenDisk(path=path, label=None, problem=problem), None
        return GivenDisk(path=path, label=label), device
    except (DamagedRecordError, EngineError) as error:
        return GivenDisk(path=path, label=None, problem=str(error)), device
