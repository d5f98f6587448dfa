"""The one place where the command line starts the engine, the bridge and the console.

Every import of them is inside its function: ``dynamicfs --help`` and commands
that go through a control socket load none of it. A module that is an
``EngineGateway``; ``gateway`` says what each function promises.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from urllib.parse import quote, unquote

from dynamicfs_tui.cli.gateway import Access, ImportSurvey, MountOptions, NewPool, SurveyedDisk
from engine.model.disk import Tier
from engine.model.redundancy import parse_redundancy
from engine.status.control import PoolControl

_SOURCE_PREFIX = "dynamicfs:"
_KIND = "fuse.dynamicfs"


@contextmanager
def open_pool(pool_dir: Path, *, access: Access) -> Generator[PoolControl, None, None]:
    """Open the pool in this process for the length of a ``with``."""
    from dynamicfs_tui.service import open_mode  # noqa: PLC0415
    from engine.pool.pool import Pool  # noqa: PLC0415
    from engine.pool.verbs import PoolVerbs  # noqa: PLC0415

    with Pool(pool_dir, mode=open_mode(access)) as pool:
        yield PoolVerbs(pool, mountpoint=lambda: "")


def reach_owner(pool_dir: Path) -> AbstractContextManager[PoolControl] | None:
    """Return control through the owner's socket."""
    from engine.pool.remote_control import reach_owner as reach  # noqa: PLC0415

    return reach(pool_dir)


def stop_owner(pool_dir: Path) -> str | None:
    """Ask the owner to unmount, close and end; wait until it has."""
    from engine.pool.remote_control import reach_owner as reach  # noqa: PLC0415

    remote = reach(pool_dir)
    if remote is None:
        return None
    with remote:
        return remote.shutdown()


def create_pool(pool_dir: Path, pool: NewPool) -> list[str]:
    """Make a pool: ``engine.pool.create.create_pool``."""
    from engine.pool.create import DiskPlan  # noqa: PLC0415
    from engine.pool.create import create_pool as create  # noqa: PLC0415
    from engine.pool.properties import REBUILD_DELAY_S, Narrow, PoolProperties  # noqa: PLC0415

    delay_s = REBUILD_DELAY_S if pool.rebuild_delay_s is None else pool.rebuild_delay_s
    warnings = create(
        pool_dir,
        name=pool.name,
        disks=[DiskPlan(path=str(disk.path), tier=Tier(disk.tier)) for disk in pool.disks],
        properties=PoolProperties(
            redundancy=parse_redundancy(pool.redundancy),
            narrow=Narrow(pool.narrow),
            rebuild_delay_s=delay_s,
        ),
    )
    made = f"pool {pool.name} is made in {pool_dir}: {pool.redundancy} over {len(pool.disks)} disks"
    return [*warnings, made]


def survey_import(disks: Sequence[Path]) -> ImportSurvey:
    """Look at disks: ``engine.pool.importing.survey_disks``."""
    from engine.pool.importing import survey_disks  # noqa: PLC0415

    survey = survey_disks(disks)
    metadata = survey.metadata
    newest = {} if metadata is None else {one.disk: one for one in metadata.disks}
    rows = []
    for given in survey.disks:
        label = given.label
        one = None if label is None else newest.get(label.disk_uuid)
        rows.append(
            SurveyedDisk(
                path=given.path,
                name="" if label is None else label.disk_name,
                pool_uuid="" if label is None else str(label.pool_uuid),
                generation=0 if one is None else one.generation or 0,
                epoch=0 if one is None else one.epoch or 0,
                written_ns=0 if one is None else one.time_ns or 0,
                remark=given.problem or ("" if one is None else one.damage),
            )
        )
    return ImportSurvey(
        pool_name="" if metadata is None else metadata.pool_name,
        pool_uuid="" if metadata is None else str(metadata.pool_uuid),
        generation=0 if metadata is None else metadata.head.generation,
        epoch=0 if metadata is None else metadata.head.epoch,
        disks=tuple(rows),
        missing=() if metadata is None else tuple(str(uuid) for uuid in metadata.missing),
        obstacle=survey.obstacle,
    )


def import_pool(disks: Sequence[Path], into: Path) -> list[str]:
    """Make the pool directory again: ``engine.pool.importing.import_disks``."""
    from engine.pool.importing import import_disks  # noqa: PLC0415

    return import_disks(disks, into)


def mount_name(pool_dir: Path) -> str:
    """Return what the mount table shows for the pool; commands find the pool by it.

    Quoted, because a comma would end the mount option.

    >>> mount_name(Path("/pools/a,b"))
    '/pools/a%2Cb'
    """
    return quote(str(pool_dir.resolve()), safe="/")


def serve_mount(pool_dir: Path, options: MountOptions, *, ready: Callable[[], None]) -> int:
    """Serve the mount with its control socket: ``dynamicfs_tui.service.serve_mount``."""
    from dynamicfs_tui.service import serve_mount as serve  # noqa: PLC0415

    return serve(pool_dir, options, name=mount_name(pool_dir), ready=ready)


def mounted_pool(mountpoint: Path) -> Path | None:
    """Read the kernel's mount table, which answers also when the mount does not."""
    from fusebridge.mount_table import find_mount  # noqa: PLC0415

    entry = find_mount(str(mountpoint.parent.resolve() / mountpoint.name))
    if entry is None or entry.kind != _KIND or not entry.source.startswith(_SOURCE_PREFIX):
        return None
    return Path(unquote(entry.source.removeprefix(_SOURCE_PREFIX)))


def write_out(mountpoint: Path) -> None:
    """Call syncfs(2) on the mount."""
    from fusebridge.mount_table import write_out as write  # noqa: PLC0415

    write(str(mountpoint))


def remove_dead_mount(mountpoint: Path) -> bool:
    """Take away what a killed process left."""
    from fusebridge.stale import recover_stale  # noqa: PLC0415

    return recover_stale(str(mountpoint))


def run_console(pool_dir: Path, mountpoint: Path | None, *, metrics_address: str) -> int:
    """Run engine, bridge and console in this process: ``dynamicfs_tui.service.run_console``."""
    from dynamicfs_tui.service import run_console as run  # noqa: PLC0415

    return run(pool_dir, mountpoint, name=mount_name(pool_dir), metrics_address=metrics_address)


def run_demo(directory: Path | None) -> int:
    """Run the demo: ``dynamicfs_tui.demo.run_demo``."""
    from dynamicfs_tui.demo import run_demo as run  # noqa: PLC0415

    return run(directory, name_of=mount_name)
