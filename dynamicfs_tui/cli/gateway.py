"""What the command line needs of an engine that no other process has open.

``engine_gateway`` is the real one; tests put a canned one in its place.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Protocol

from engine.status.control import PoolControl


class Access(Enum):
    """What a command wants to do with a pool that it opens itself."""

    READ_ONLY = "read-only"
    READ_WRITE = "read-write"
    FORCED = "forced"
    """Read-write although too few journal disks are there; the pool remembers it."""

    @property
    def writes(self) -> bool:
        """Whether the pool may be changed."""
        return self is not Access.READ_ONLY


@dataclass(frozen=True, slots=True, kw_only=True)
class NewDisk:
    """A directory that is to become a disk."""

    path: Path
    tier: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NewPool:
    """What a pool is to be. ``rebuild_delay_s`` None: as the engine has it."""

    name: str
    redundancy: str
    narrow: str
    rebuild_delay_s: float | None
    disks: tuple[NewDisk, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class MountOptions:
    """How a pool is mounted."""

    mountpoint: Path
    access: Access
    shared: bool
    """Whether other users may use the mount (``allow_other``)."""
    metrics_address: str = ""
    """``HOST:PORT`` where metrics are served over HTTP; empty: nowhere."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SurveyedDisk:
    """What one disk says about the pool it belongs to."""

    path: str
    name: str
    pool_uuid: str
    generation: int
    epoch: int
    written_ns: int
    """When its newest root was written; 0 when it holds none."""
    remark: str = ""
    """What is wrong with it, for people."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportSurvey:
    """What an import would do, found without changing anything."""

    pool_name: str
    pool_uuid: str
    """Both empty when the disks hold no history that can be taken."""
    generation: int
    """The head that would be taken."""
    epoch: int
    disks: tuple[SurveyedDisk, ...]
    missing: tuple[str, ...]
    """Disks of the pool that were not given, by UUID."""
    obstacle: str = ""
    """Why it cannot be imported as given; empty when it can."""


class EngineGateway(Protocol):
    """The engine, as far as commands start it themselves. ``EngineError`` on refusal."""

    def open_pool(self, pool_dir: Path, *, access: Access) -> AbstractContextManager[PoolControl]:
        """Open the pool in this process for the length of a ``with``."""

    def reach_owner(self, pool_dir: Path) -> AbstractContextManager[PoolControl] | None:
        """Return control through the process that has the pool open, or None."""

    def stop_owner(self, pool_dir: Path) -> str | None:
        """End the owner; return its sentence when all is durable, None without one."""

    def create_pool(self, pool_dir: Path, pool: NewPool) -> list[str]:
        """Make a pool; return sentences, warnings included."""

    def survey_import(self, disks: Sequence[Path]) -> ImportSurvey:
        """Look at *disks* without changing anything."""

    def import_pool(self, disks: Sequence[Path], into: Path) -> list[str]:
        """Make a pool directory again from *disks*; return sentences."""

    def serve_mount(
        self, pool_dir: Path, options: MountOptions, *, ready: Callable[[], None]
    ) -> int:
        """Mount, call *ready* once it answers, serve until unmounted; return the exit code."""

    def mounted_pool(self, mountpoint: Path) -> Path | None:
        """Return the pool directory mounted at *mountpoint*; None when ours is not there."""

    def write_out(self, mountpoint: Path) -> None:
        """Have the kernel send what it holds back to the file system."""

    def remove_dead_mount(self, mountpoint: Path) -> bool:
        """Take away a mount whose process died; return whether there was one."""

    def run_console(self, pool_dir: Path, mountpoint: Path | None, *, metrics_address: str) -> int:
        """Run the console, mounted when *mountpoint* is given; return the exit code.

        Metrics are served at *metrics_address* meanwhile, when that is not empty.
        """

    def run_demo(self, directory: Path | None) -> int:
        """Run the demo; return the exit code."""
