"""Opens what a power cut left, as an operator would, and says what is wrong with it.

Nothing is known here of how the engine works: the pool is opened read-write,
its tree compared with the oracle, checked, scrubbed, written to and opened
again. A day has passed since the cut, so leftovers are old enough to go.
"""

from __future__ import annotations

import shutil
import stat
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path
from typing import Final

from engine.clock import SystemClock
from engine.errors import EngineError, PoolError, QuorumError
from engine.extents.verdict import Verdict
from engine.ids import ROOT_INODE, InodeId
from engine.limits import QUARANTINE_AGE_S
from engine.metadata.recovery import OpenMode as PoolOpenMode
from engine.model.inode import Inode
from engine.observe.events import EventSeverity
from engine.pool.config import CONFIG_NAME
from engine.pool.importing import import_disks
from engine.pool.verbs import PoolVerbs
from engine.vfs.filesystem import EngineFileSystem
from engine.vfs.interface import OpenMode
from tests.model.real_tree import real_content, real_items, real_xattrs
from tests.simulation import BuiltWorld
from tests.simulation.oracle import FoundTree, History
from tests.simulation.oracle_tree import Entry
from tests.simulation.workload import NOBODY, TURNS_MAX, SteppedPool

NEW_FILE: Final = "written after the cut"
NEW_DATA: Final = bytes(range(256)) * 20
"""More than an fsync stages when limits are small: it goes into an extent."""

_HIDDEN: Final = Verdict.UNREACHABLE
"""What a scrub says of fragments whose disk is not there."""


class LaterClock(SystemClock):
    """A clock a day ahead of the machine's."""

    def now_ns(self) -> int:
        return SystemClock.now_ns() + 2 * QUARANTINE_AGE_S * 1_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Loss:
    """What is lost together with the power (P3)."""

    pool_directory: bool
    disks: tuple[int, ...]

    def __str__(self) -> str:
        lost = [f"disk{number}" for number in self.disks]
        return " and ".join((["the pool directory"] if self.pool_directory else []) + lost)


class Depth(Enum):
    """How much is asked of a state."""

    TREE = auto()
    """It opens, shows what it may, and its metadata are sound."""
    WHOLE = auto()
    """Also: a scrub finds no damage, and what is written from then on stays."""


NO_LOSS: Final = Loss(pool_directory=False, disks=())


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What was found wrong, and how the pool could be opened.

    ``imported``: the pool directory was made anew. ``refused``: too few of the
    journals' disks were left to write safely, so it was read only.
    """

    wrong: tuple[str, ...]
    imported: bool = False
    refused: bool = False


def judge(
    built: BuiltWorld,
    history: History,
    *,
    position: int,
    loss: Loss = NO_LOSS,
    depth: Depth = Depth.WHOLE,
) -> Judgement:
    """Return everything that contradicts the promises in the state *built*, cut at *position*."""
    for number in loss.disks:
        shutil.rmtree(built.disks[number])
    if loss.pool_directory:
        shutil.rmtree(built.pool)
    try:
        return _judged(built, history, position, loss, depth)
    except (EngineError, OSError, AssertionError) as error:
        return Judgement(wrong=(f"{type(error).__name__}: {error}",))


def _judged(
    built: BuiltWorld, history: History, position: int, loss: Loss, depth: Depth
) -> Judgement:
    pool, imported = _open_or_import(built, loss)
    wrong: list[str] = []
    with closing(pool):
        found = found_tree(pool.filesystem)
        wrong += history.contradictions(found, position)
        verbs = PoolVerbs(pool, mountpoint=lambda: "")
        wrong += [f"check: {sentence}" for sentence in verbs.check()]
        if depth is Depth.TREE or pool.read_only_wanted:
            return Judgement(wrong=tuple(wrong), imported=imported, refused=pool.read_only_wanted)
        wrong += _scrubbed(pool, verbs, loss)
        inode_id = _write_new_file(pool.filesystem)
        wrong += _errors_told(pool, loss)
    wrong += _changed_since(found, inode_id, pool.pool_dir, loss)
    return Judgement(wrong=tuple(wrong), imported=imported)


def _changed_since(found: FoundTree, inode_id: InodeId, pool_dir: Path, loss: Loss) -> list[str]:
    """Open once more: all is as *found*, and beside it the new file *inode_id*."""
    with closing(_open(pool_dir, loss)) as pool:
        again = found_tree(pool.filesystem)
    wrong: list[str] = []
    if again.contents.get(inode_id) != NEW_DATA:
        wrong.append("a file written and synced after the cut is not there")
    if {**found.contents, inode_id: NEW_DATA} != dict(again.contents):
        wrong.append("files changed between two opens after the cut")
    if sorted([*_names(found), NEW_FILE]) != _names(again):
        wrong.append(f"names changed between two opens: {_names(found)} -> {_names(again)}")
    return wrong


def _names(tree: FoundTree) -> list[str]:
    return [entry.path for entry in tree.picture]


def _open_or_import(built: BuiltWorld, loss: Loss) -> tuple[SteppedPool, bool]:
    """Open the pool directory that is there, or one made by ``import``.

    The program says itself when it takes an import.
    """
    try:
        return _open(built.pool, loss), False
    except PoolError as error:
        if "import" not in str(error):
            raise
    is_taken = (built.pool / CONFIG_NAME).exists()
    # An import that was interrupted is repeated in its place, as its docstring says.
    fresh = built.pool.with_name("imported") if is_taken else built.pool
    import_disks([disk for disk in built.disks if disk.is_dir()], fresh)
    return _open(fresh, loss), True


def _open(pool_dir: Path, loss: Loss) -> SteppedPool:
    """Open read-write; where disks are lost and the quorum with them, read-only."""
    try:
        return SteppedPool(pool_dir, mode=PoolOpenMode.READ_WRITE, clock=LaterClock())
    except QuorumError:
        if not loss.disks:
            raise
    return SteppedPool(pool_dir, mode=PoolOpenMode.READ_ONLY, clock=LaterClock())


def found_tree(fs: EngineFileSystem) -> FoundTree:
    """Read every name, attribute and byte."""
    entries: list[Entry] = []
    contents: dict[InodeId, bytes] = {}

    def note(path: str, inode: Inode) -> None:
        xattrs = real_xattrs(fs, inode.inode_id).items()
        is_directory = stat.S_ISDIR(inode.mode)
        entries.append(
            Entry(
                path=path,
                inode_id=inode.inode_id,
                is_directory=is_directory,
                mode=stat.S_IMODE(inode.mode),
                nlink=inode.nlink,
                xattrs=tuple(sorted((name.decode(), value) for name, value in xattrs)),
            )
        )
        if not is_directory:
            contents[inode.inode_id] = real_content(fs, inode.inode_id)
            return
        for item in real_items(fs, inode.inode_id):
            name = item.name.decode()
            assert item.attributes is not None, f"{path}/{name} is damaged"
            note(f"{path}/{name}" if path else name, item.attributes.inode)

    note("", fs.get_attributes(ROOT_INODE).inode)
    return FoundTree(picture=tuple(sorted(entries, key=lambda one: one.path)), contents=contents)


def _scrubbed(pool: SteppedPool, verbs: PoolVerbs, loss: Loss) -> Sequence[str]:
    """Scrub to the end; leftovers go meanwhile. Return what it calls damage."""
    # One that ran when the power went, goes on.
    pool.maintenance.scrub.stop()
    _take_turns_until_scrubbed(pool)
    verbs.start_scrub(repair=False)
    _take_turns_until_scrubbed(pool)
    progress = pool.maintenance.scrub.progress()
    wrong = ["the scrub does not end"] if progress.running else []
    return wrong + [
        f"scrub: fragment {one.index} of extent {one.extent_id} is {one.verdict.name}"
        for one in progress.findings
        if not (loss.disks and one.verdict is _HIDDEN)
    ]


def _take_turns_until_scrubbed(pool: SteppedPool) -> None:
    for _ in range(TURNS_MAX):
        pool.maintenance.checkpoints.turn()
        rest_s = pool.maintenance.turn()
        if rest_s > 0 and not pool.maintenance.scrub.progress().running:
            return


def _write_new_file(fs: EngineFileSystem) -> InodeId:
    made, opened = fs.create(ROOT_INODE, NEW_FILE.encode(), 0o600, OpenMode.WRITE, NOBODY)
    assert fs.write(opened.handle, 0, NEW_DATA) == len(NEW_DATA)
    fs.release(opened.handle)
    fs.sync_file(made.inode.inode_id)
    return made.inode.inode_id


def _errors_told(pool: SteppedPool, loss: Loss) -> list[str]:
    """Return what the pool itself calls an error, where no disk is missing."""
    if loss.disks:
        return []
    events = pool.engine.base.events.since(0)
    return [f"event: {one.text}" for one in events if one.severity is EventSeverity.ERROR]
