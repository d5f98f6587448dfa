"""An engine gateway that starts nothing: it notes what it was asked and answers from a script."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from dynamicfs_tui.cli.command import Session
from dynamicfs_tui.cli.gateway import Access, ImportSurvey, MountOptions, NewPool, SurveyedDisk
from dynamicfs_tui.cli.main import main
from engine.errors import EngineError, PoolBusyError
from engine.status.control import PoolControl
from tests.control_stand_in import CannedControl


def survey(*, obstacle: str = "") -> ImportSurvey:
    """Return what two of three disks say about their pool."""
    return ImportSurvey(
        pool_name="archive",
        pool_uuid="11111111-2222-3333-4444-555555555555",
        generation=40,
        epoch=3,
        disks=(
            SurveyedDisk(
                path="disks/1", name="disk-1", pool_uuid="1", generation=40, epoch=3, written_ns=1
            ),
            SurveyedDisk(
                path="disks/2",
                name="disk-2",
                pool_uuid="1",
                generation=39,
                epoch=3,
                written_ns=0,
                remark="one root behind",
            ),
        ),
        missing=("disk-3",),
        obstacle=obstacle,
    )


@dataclass
class CannedEngine:
    """Implements ``EngineGateway``."""

    control: CannedControl = field(default_factory=CannedControl)
    owned: bool = False
    """Whether another process has the pool open."""
    survey: ImportSurvey = field(default_factory=survey)
    mounted: dict[Path, Path] = field(default_factory=dict)
    dead: set[Path] = field(default_factory=set)
    refusal: EngineError | None = None
    busy_looks: int = 0
    """How often the pool is found being opened or closed by another process."""
    asked: list[str] = field(default_factory=list)
    created: NewPool | None = None

    def _note(self, text: str) -> None:
        self.asked.append(text)
        if self.refusal is not None:
            raise self.refusal

    @contextmanager
    def _controlled(self) -> Iterator[PoolControl]:
        yield self.control

    def open_pool(self, pool_dir: Path, *, access: Access) -> AbstractContextManager[PoolControl]:
        if self.busy_looks:
            self.busy_looks -= 1
            raise PoolBusyError("another process has it open")
        self._note(f"open {pool_dir.name} {access.value}")
        return self._controlled()

    def reach_owner(self, pool_dir: Path) -> AbstractContextManager[PoolControl] | None:
        return self._controlled() if self.owned else None

    def stop_owner(self, pool_dir: Path) -> str | None:
        self._note(f"stop {pool_dir.name}")
        return f"{pool_dir.name} is closed" if self.owned else None

    def create_pool(self, pool_dir: Path, pool: NewPool) -> list[str]:
        listed = ",".join(f"{disk.path.name}:{disk.tier}" for disk in pool.disks)
        self._note(f"create {pool_dir.name} {pool.name} {pool.redundancy} {listed}")
        self.created = pool
        return [f"made {pool.name}", "warning: two disks are on one device"]

    def survey_import(self, disks: Sequence[Path]) -> ImportSurvey:
        self._note("survey")
        return self.survey

    def import_pool(self, disks: Sequence[Path], into: Path) -> list[str]:
        self._note(f"import {','.join(disk.name for disk in disks)} into {into.name}")
        return ["imported"]

    def serve_mount(
        self, pool_dir: Path, options: MountOptions, *, ready: Callable[[], None]
    ) -> int:
        shared = " shared" if options.shared else ""
        at = f" metrics at {options.metrics_address}" if options.metrics_address else ""
        self._note(f"serve {pool_dir.name} {options.access.value}{shared}{at}")
        ready()
        return 0

    def mounted_pool(self, mountpoint: Path) -> Path | None:
        return self.mounted.get(mountpoint)

    def write_out(self, mountpoint: Path) -> None:
        self._note(f"write out {mountpoint.name}")

    def remove_dead_mount(self, mountpoint: Path) -> bool:
        return mountpoint in self.dead

    def run_console(self, pool_dir: Path, mountpoint: Path | None, *, metrics_address: str) -> int:
        at = f" metrics at {metrics_address}" if metrics_address else ""
        self._note(f"console {pool_dir.name}{at}")
        return 0

    def run_demo(self, directory: Path | None) -> int:
        self._note("demo")
        return 0


class _Terminal(io.StringIO):
    """A stream that claims to be a terminal."""

    def isatty(self) -> bool:
        return True


@dataclass(frozen=True)
class Outcome:
    """How a command ended."""

    code: int
    stdout: str
    stderr: str


def run_command(
    engine: CannedEngine,
    *words: str | Path,
    typed: str | None = None,
    pause: Callable[[float], None] = lambda _: None,
) -> Outcome:
    """Run ``dynamicfs WORDS``; *typed* is what a person at a terminal enters."""
    stdout = io.StringIO() if typed is None else _Terminal()
    stderr = io.StringIO() if typed is None else _Terminal()
    stdin = io.StringIO() if typed is None else _Terminal(typed)
    session = Session(engine=engine, stdin=stdin, stdout=stdout, stderr=stderr, pause=pause)
    code = main([str(word) for word in words], session=session)
    return Outcome(code=code, stdout=stdout.getvalue(), stderr=stderr.getvalue())
