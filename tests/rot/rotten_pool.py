"""A small pool of every kind of content, put away as bytes and brought back at will.

``closed`` was closed in order. ``crashed`` was copied while the pool was open
and idle: it has a write-ahead log, staged rows, an outbox and an orphan. What
a pool must say is in a plain dict that was written down when it was made.
"""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

from engine.errors import EngineError
from engine.ids import ROOT_INODE, InodeId
from engine.maintenance.scrub_progress import ScrubProgress
from engine.metadata.recovery import OpenMode as PoolMode
from engine.model.disk import Tier
from engine.model.redundancy import ErasureCoding
from engine.pool.create import DiskPlan, create_pool
from engine.pool.pool import Pool
from engine.pool.properties import PoolProperties
from engine.units import MIB
from engine.vfs.filesystem import EngineFileSystem
from engine.vfs.interface import Attributes, Caller, OpenMode, RenameFlags

DISKS: Final = 4
REDUNDANCY: Final = ErasureCoding(2, 2)
CALLER: Final = Caller(0, 0)
LABEL: Final = "dynamicfs-disk.json"

SCRUB_S_MAX: Final = 60.0
_PAUSE: Final = threading.Event()

Answer: TypeAlias = tuple[object, ...]
Tree: TypeAlias = dict[str, Answer]
"""What each path answers: its facts and bytes, or ``("error", leaf, sentence)``."""

Image: TypeAlias = dict[str, bytes]
"""Every file by its path below the folder, without the zeros at its end."""


@dataclass(frozen=True, slots=True)
class Sample:
    """Files of a pool, and what it answers."""

    image: Image
    lengths: dict[str, int]
    expected: Tree

    def named(self, part: str) -> list[str]:
        """Return the paths that *part* occurs in, sorted."""
        return sorted(path for path in self.image if part in path)


@dataclass(frozen=True, slots=True)
class Samples:
    """One pool at three moments; ``older`` is one read-write open before ``closed``."""

    older: Sample
    crashed: Sample
    closed: Sample


class Place:
    """The folder a pool lives in; paths in ``pool.toml`` lead here."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.pool_dir = folder / "pool"
        self.disks = [folder / f"disk{number}" for number in range(1, DISKS + 1)]

    def create(self) -> None:
        """Make an empty pool."""
        for disk in self.disks:
            disk.mkdir()
        create_pool(
            self.pool_dir,
            name="tank",
            disks=[DiskPlan(path=str(disk), tier=Tier.HOT) for disk in self.disks],
            properties=PoolProperties(redundancy=REDUNDANCY),
        )

    def path(self, name: str) -> Path:
        return self.folder / name

    def take_image(self) -> tuple[Image, dict[str, int]]:
        """Return the bytes of every file, and their whole lengths."""
        image: Image = {}
        lengths: dict[str, int] = {}
        for path in sorted(self.folder.rglob("*")):
            if path.is_file() and path.name not in ("lock", "reserve"):
                data = path.read_bytes()
                name = str(path.relative_to(self.folder))
                image[name], lengths[name] = data.rstrip(b"\0"), len(data)
        return image, lengths

    def restore(self, sample: Sample) -> None:
        """Make the folder hold *sample*, and nothing else."""
        for path in sorted(self.folder.iterdir()):
            remove(path)
        for path in (self.pool_dir, *self.disks):
            path.mkdir()
        for disk in self.disks:
            for part in ("fragments", "journal", "checkpoints", "quarantine", "tmp"):
                (disk / part).mkdir()
        for name, data in sample.image.items():
            path = self.path(name)
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("wb") as file:
                file.write(data)
                file.truncate(sample.lengths[name])

    def flip(self, name: str, offset: int, pattern: int) -> None:
        """XOR the byte at *offset* with *pattern*."""
        with self.path(name).open("r+b") as file:
            file.seek(offset)
            byte = file.read(1)[0]
            file.seek(offset)
            file.write(bytes([byte ^ pattern]))


def remove(path: Path) -> None:
    """Remove whatever is at *path*, if anything is."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


@contextmanager
def new_place() -> Iterator[Place]:
    """Give an empty place in memory where there is room for one, and remove it."""
    shared = "/dev/shm"
    folder = tempfile.mkdtemp(dir=shared if os.access(shared, os.W_OK) else None)
    try:
        yield Place(Path(folder))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def make_samples(place: Place) -> Samples:
    """Fill a pool in two lives; return it as it was between, in and after them."""
    place.create()
    with Pool(place.pool_dir) as pool:
        _first_life(pool)
        expected = read_everything(pool.filesystem)
    older = Sample(*place.take_image(), expected)
    with Pool(place.pool_dir) as pool:
        _second_life(pool)
        expected = read_everything(pool.filesystem)
        with pool.engine.base.store.lock:
            crashed = Sample(*place.take_image(), expected)
    closed = Sample(*place.take_image(), expected)
    return Samples(older, crashed, closed)


def _first_life(pool: Pool) -> None:
    fs = pool.filesystem
    outer = _directory(fs, ROOT_INODE, b"outer")
    inner = _directory(fs, outer, b"inner")
    _directory(fs, outer, b"empty")
    write(fs, ROOT_INODE, b"kept", pattern(9000, 1))
    write(fs, inner, b"deep", pattern(300, 2))
    write(fs, outer, b"replaced", pattern(5000, 3))
    fs.make_symlink(ROOT_INODE, b"link", b"outer/inner/deep", CALLER)
    fs.set_xattr(outer, b"user.colour", b"blue")
    fs.sync_all()
    pool.maintenance.checkpoints.make()


def _second_life(pool: Pool) -> None:
    fs = pool.filesystem
    outer = fs.lookup(ROOT_INODE, b"outer").inode.inode_id
    inner = fs.lookup(outer, b"inner").inode.inode_id
    write(fs, inner, b"large", pattern(200_000, 4))
    fs.sync_all()
    pool.maintenance.checkpoints.make()
    write(fs, outer, b"fresh", pattern(5000, 5))
    fs.rename(outer, b"fresh", outer, b"replaced", RenameFlags.NONE)
    orphan = write(fs, ROOT_INODE, b"orphan", pattern(700, 6))
    fs.open(orphan, OpenMode.READ)
    fs.unlink(ROOT_INODE, b"orphan")
    fs.link(fs.lookup(ROOT_INODE, b"kept").inode.inode_id, inner, b"kept too")
    fs.set_xattr(inner, b"user.note", bytes(range(256)))
    staged = write(fs, ROOT_INODE, b"staged", pattern(1234, 7))
    fs.sync_file(staged)


def pattern(length: int, seed: int) -> bytes:
    """Return *length* bytes that repeat in no short period."""
    return bytes((seed * 31 + at * at + (at >> 8) * 7) & 0xFF for at in range(length))


def _directory(fs: EngineFileSystem, parent: InodeId, name: bytes) -> InodeId:
    return fs.make_directory(parent, name, 0o750, CALLER).inode.inode_id


def write(fs: EngineFileSystem, parent: InodeId, name: bytes, data: bytes) -> InodeId:
    """Make a file with *data*; nothing is acknowledged yet."""
    attributes, opened = fs.create(parent, name, 0o640, OpenMode.WRITE, CALLER)
    fs.write(opened.handle, 0, data)
    fs.release(opened.handle)
    return attributes.inode.inode_id


def read_everything(fs: EngineFileSystem) -> Tree:
    """Return what every path answers, errors included; any other exception rises."""
    tree: Tree = {}
    waiting: list[tuple[str, InodeId]] = [("/", ROOT_INODE)]
    while waiting:
        path, inode_id = waiting.pop()
        try:
            attributes = fs.get_attributes(inode_id)
            tree[path] = _facts(fs, attributes)
            if stat.S_ISDIR(attributes.inode.mode):
                for item in fs.read_directory(inode_id, 2, 1000):
                    child = f"{path.rstrip('/')}/{item.name.decode()}"
                    waiting.append((child, item.inode_id))
        except EngineError as error:
            tree[path] = ("error", type(error).__name__, str(error))
    return tree


def _facts(fs: EngineFileSystem, attributes: Attributes) -> Answer:
    inode = attributes.inode
    xattrs = {name: fs.get_xattr(inode.inode_id, name) for name in fs.list_xattrs(inode.inode_id)}
    content = b""
    if stat.S_ISLNK(inode.mode):
        content = fs.read_symlink(inode.inode_id)
    elif stat.S_ISREG(inode.mode):
        handle = fs.open(inode.inode_id, OpenMode.READ).handle
        try:
            content = bytes(fs.read(handle, 0, MIB))
        finally:
            fs.release(handle)
    return (inode.mode, inode.nlink, inode.size, inode.mtime_ns, content, xattrs)


def wrong_answers(expected: Tree, found: Tree) -> list[str]:
    """Return the paths that answer something else than the truth or an error.

    A path below a directory that answers with an error is not asked.
    """
    silent = [path for path, answer in found.items() if answer[0] == "error"]

    def is_excused(path: str) -> bool:
        return any(path == one or path.startswith(one.rstrip("/") + "/") for one in silent)

    return sorted(
        path
        for path in expected.keys() | found.keys()
        if expected.get(path) != found.get(path) and not is_excused(path)
    )


def errors_in(tree: Tree) -> dict[str, str]:
    """Return the leaf of each path that answers with an error."""
    return {path: str(answer[1]) for path, answer in tree.items() if answer[0] == "error"}


def scrubbed(pool: Pool, *, repair: bool) -> ScrubProgress:
    """Scrub the whole pool; return what it found, once repairs came to an end."""
    pool.maintenance.scrub.start(repair=repair)
    deadline_s = time.monotonic() + SCRUB_S_MAX
    while (found := pool.maintenance.scrub.progress()).running:
        assert time.monotonic() < deadline_s, "the scrub does not end"
        pool.maintenance.wake.set()
        _PAUSE.wait(0.005)
    return found


def open_and_read(place: Place, *, mode: PoolMode = PoolMode.READ_WRITE) -> tuple[Tree, list[str]]:
    """Open the pool as an operator does, read everything; return it and the events since."""
    began_ns = time.time_ns()
    with Pool(place.pool_dir, mode=mode) as pool:
        found = read_everything(pool.filesystem)
        # Events of earlier sessions are kept, and are no answer to this open.
        new = [one for one in pool.engine.base.events.since(0) if one.time_ns >= began_ns]
        return found, [event.text for event in new]
