"""``pool.toml``: where the pool's disks were last seen, and whose pool it is.

Only what is needed to find the disks; everything else is in the metadata and
survives the loss of this file (``import`` makes it again).
"""

from __future__ import annotations

import json
import os
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from uuid import UUID

from engine.errors import PoolError
from engine.ids import DiskUuid, PoolUuid

CONFIG_NAME: Final = "pool.toml"
LOCK_NAME: Final = "lock"
RESERVE_NAME: Final = "reserve"

_PREFACE: Final = """\
# Where DynamicFS finds the disks of this pool. Written by the program;
# a path may be corrected by hand while the pool is closed.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskPath:
    """A disk and where it was last seen."""

    name: str
    uuid: DiskUuid
    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolConfig:
    """The content of ``pool.toml``."""

    name: str
    uuid: PoolUuid
    disks: tuple[DiskPath, ...]


def load_config(pool_dir: Path) -> PoolConfig:
    """Read the configuration of the pool in *pool_dir*.

    Raises:
        PoolError: there is no pool, or its file cannot be read; one sentence.
    """
    path = pool_dir / CONFIG_NAME
    try:
        with open(path, encoding="utf-8", opener=_open_at_once) as file:
            data = tomllib.loads(file.read())
    except FileNotFoundError as error:
        raise PoolError(
            f"{pool_dir} holds no pool: create one with 'dynamicfs init {pool_dir}',"
            " or bring it back from its disks with 'dynamicfs import'"
        ) from error
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise PoolError(
            f"{path} cannot be read: {error}; correct it, or make it again with 'import'"
        ) from error
    try:
        return PoolConfig(
            name=str(data["name"]),
            uuid=PoolUuid(UUID(data["uuid"])),
            disks=tuple(
                DiskPath(
                    name=str(disk["name"]),
                    uuid=DiskUuid(UUID(disk["uuid"])),
                    path=str(disk["path"]),
                )
                for disk in data.get("disk", [])
            ),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise PoolError(f"{path} is damaged: {error!r}; make it again with 'import'") from error


def with_disk_names(text: str, disks: Sequence[DiskPath]) -> str:
    """Return *text* with the names people know in place of the UUIDs of *disks*."""
    for disk in disks:
        text = text.replace(f"disk {disk.uuid}", disk.name).replace(str(disk.uuid), disk.name)
    return text


def _open_at_once(path: str, flags: int) -> int:
    """Open without waiting: a FIFO in the place of the file must not hold up an open."""
    return os.open(path, flags | os.O_NONBLOCK | os.O_CLOEXEC)


def save_config(pool_dir: Path, config: PoolConfig) -> None:
    """Replace ``pool.toml`` atomically and durably."""
    lines = [_PREFACE]
    lines += [f"name = {json.dumps(config.name)}\n", f'uuid = "{config.uuid}"\n']
    for disk in config.disks:
        lines += [
            "\n[[disk]]\n",
            f"name = {json.dumps(disk.name)}\n",
            f'uuid = "{disk.uuid}"\n',
            f"path = {json.dumps(disk.path)}\n",
        ]
    write_durably(pool_dir / CONFIG_NAME, "".join(lines).encode())


def write_durably(path: Path, data: bytes) -> None:
    """Replace *path* with *data*: all of it or nothing, also after a crash."""
    scratch = path.with_name(path.name + ".new")
    scratch.unlink(missing_ok=True)  # Left by a crash, or a FIFO that nobody reads.
    descriptor = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        view = memoryview(data)
        while view:
            view = view[os.write(descriptor, view) :]
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    scratch.rename(path)
    sync_directory(path.parent)


def make_directory(path: Path) -> None:
    """Make *path* and what is missing above it, durably; harmless when it exists.

    Syncing what is in a new directory does not sync its name: without this the
    whole directory could be gone after a crash that follows a success.
    """
    missing = [one for one in (path, *path.parents) if not one.exists()]
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    for made in missing:
        sync_directory(made.parent)


def sync_directory(path: Path) -> None:
    """Make the names in a directory durable."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
