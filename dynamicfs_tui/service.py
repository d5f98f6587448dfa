"""A pool served by this process: engine, bridge, control socket, and their end.

Order of the end: unmount while still serving, so that dirty pages arrive; then
close the pool, which makes everything safe; last the control socket, whose
answer to a waiting ``unmount`` means durable.
"""

from __future__ import annotations

import gc
import logging
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from dynamicfs_tui.cli.gateway import Access, MountOptions
from engine import heap
from engine.errors import EngineError, PoolBusyError, UsageError
from engine.metadata.recovery import OpenMode
from engine.pool.condition_watch import ConditionWatch
from engine.pool.control_socket import ControlServer
from engine.pool.keepers import Keeper
from engine.pool.pool import Pool
from engine.pool.remote_control import RemoteControl, follow_owner
from engine.pool.verbs import PoolVerbs
from engine.status.views import ExitCode
from fusebridge.mount import Mount

if TYPE_CHECKING:
    from dynamicfs_tui.exporter import MetricsServer

SWITCH_INTERVAL_S = 0.0005
"""How long a thread may keep the interpreter: a request after a pause waits for
one such interval when another thread computes (0.66 ms against 5.2 measured)."""

MOUNT_S_MAX = 15.0
UNMOUNT_S_MAX = 30.0
WATCH_S_MAX = 5.0
LOG_NAME = "dynamicfs.log"
_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def open_mode(access: Access) -> OpenMode:
    """Return how the engine opens a pool for *access*."""
    match access:
        case Access.READ_ONLY:
            return OpenMode.READ_ONLY
        case Access.READ_WRITE:
            return OpenMode.READ_WRITE
        case Access.FORCED:
            return OpenMode.FORCE


class Service:
    """One open pool with its mount and its socket. ``close`` from any thread, once."""

    def __init__(
        self,
        pool_dir: Path,
        options: MountOptions | None,
        *,
        name: str,
        metrics_address: str = "",
    ) -> None:
        """Open the pool, and mount it when *options* are given.

        Metrics are served at *metrics_address* when that is not empty.

        Raises:
            EngineError: one sentence why not; nothing is left open.
        """
        self.ended = threading.Event()
        """Set when the mount ended or a client asked for the end."""
        access = Access.READ_WRITE if options is None else options.access
        self.pool = Pool(pool_dir, mode=open_mode(access))
        self.mount: Mount | None = None
        self.server: ControlServer | None = None
        self.metrics: MetricsServer | None = None
        self._watch: Keeper | None = None
        try:
            if options is not None:
                mount = self.mount = Mount(
                    self.pool.filesystem,
                    str(options.mountpoint),
                    name=name,
                    read_write=access.writes,
                    allow_other=options.shared,
                    on_exit=self._note_mount_ended,
                )
                self.mount.start(MOUNT_S_MAX)
                self.pool.watch("fuse-dispatcher", lambda: mount.late_s)
            self.verbs = PoolVerbs(self.pool, mountpoint=self.mountpoint)
            if access.writes:
                self.verbs.audited.recorded("open", self._told_open)(access.value)
            self.server = ControlServer(
                self.verbs,
                pool_dir,
                mountpoint=self.mountpoint,
                shutdown=self.verbs.audited.recorded("shutdown", self._begin_end),
            )
            self.server.start()
            self._watch = self._start_watch()
            self.metrics = self._start_metrics(metrics_address)
        except BaseException:
            self.close()
            raise

    def _start_watch(self) -> Keeper:
        """Tell in the event log what comes and goes; keeps a newest view besides."""
        watch = ConditionWatch(self.verbs.view, self.pool.engine.base.events)
        keeper = Keeper("conditions", self.pool.engine, watch.turn, threading.Event())
        keeper.start()
        return keeper

    def _start_metrics(self, address: str) -> MetricsServer | None:
        if not address:
            return None
        from dynamicfs_tui.exporter import MetricsServer  # noqa: PLC0415 - who asks pays

        return MetricsServer(self.verbs, address)

    def mountpoint(self) -> str:
        """Return where the pool is mounted, empty when it is not."""
        return self.mount.mountpoint if self.mount is not None and self.mount.alive else ""

    def _note_mount_ended(self, error: BaseException | None) -> None:
        if error is not None:
            logging.getLogger(__name__).critical("the mount ended: %s", error)
        self.ended.set()

    def _told_open(self, _access: str) -> str:
        where = self.mountpoint()
        return f"mounted at {where}" if where else "open, not mounted"

    def _begin_end(self) -> str:
        self.ended.set()
        return f"{self.pool.pool_dir} is unmounted; everything is durable"

    def close(self) -> None:
        """Unmount, close the pool, answer who waits.

        Raises:
            EngineError: something accepted is not safe; all is closed anyway.
        """
        failure: EngineError | None = None
        if self.metrics is not None:
            self.metrics.close()
        if self.mount is not None:
            self.mount.stop(UNMOUNT_S_MAX)
        if self._watch is not None:
            self._watch.stop(WATCH_S_MAX)
        try:
            self.pool.close()
        except EngineError as error:
            failure = error
        if self.server is not None:
            self.server.close(failure=failure)
        if failure is not None:
            raise failure


def prepare_process(log_path: Path) -> None:
    """Set what a serving process wants: a log, short turns, no collector pauses, one heap."""
    heap.bound_arenas()
    logging.basicConfig(
        filename=log_path,
        level=logging.WARNING,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
    )
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    gc.collect()
    gc.freeze()


@contextmanager
def ending_signals(on_signal: Callable[[signal.Signals], None]) -> Iterator[None]:
    """Call *on_signal* for SIGTERM, SIGINT and SIGHUP meanwhile; main thread only."""

    def handle(number: int, _frame: FrameType | None) -> None:
        on_signal(signal.Signals(number))

    before = {one: signal.signal(one, handle) for one in _SIGNALS}
    try:
        yield
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)


def serve_mount(
    pool_dir: Path, options: MountOptions, *, name: str, ready: Callable[[], None]
) -> int:
    """Serve the mount until it is unmounted, asked to end, or signalled."""
    prepare_process(pool_dir / LOG_NAME)
    ended = threading.Event()
    with ending_signals(lambda _signal: ended.set()):
        service = Service(pool_dir, options, name=name, metrics_address=options.metrics_address)
        service_ended = service.ended
        ready()
        while not (ended.is_set() or service_ended.is_set()):
            service_ended.wait(0.5)
        service.close()
    return ExitCode.FINE


def run_console(
    pool_dir: Path, mountpoint: Path | None, *, name: str, metrics_address: str = ""
) -> int:
    """Run a console until the operator quits.

    Engine and bridge run in this process, unless another one has the pool
    open: then the console is attached to that, through its control socket.
    """
    owner = follow_owner(pool_dir)
    if owner is not None:
        with owner:
            if mountpoint is not None or metrics_address:
                raise UsageError(
                    "another process has the pool open and decides where it is mounted "
                    "and serves metrics: leave the mount point and --metrics-address out"
                )
            return _run_attached(pool_dir, owner)
    from dynamicfs_tui.console.run import CRASHED  # noqa: PLC0415
    from dynamicfs_tui.console.run import run_console as run  # noqa: PLC0415

    prepare_process(pool_dir / LOG_NAME)
    options = None
    if mountpoint is not None:
        options = MountOptions(mountpoint=mountpoint, access=Access.READ_WRITE, shared=False)
    service = Service(pool_dir, options, name=name, metrics_address=metrics_address)
    try:
        reason = run(service.verbs, log_path=pool_dir / LOG_NAME)
    finally:
        service.close()
    return _exit_code(reason == CRASHED, pool_dir, "the pool was closed as it should")


def _run_attached(pool_dir: Path, owner: RemoteControl) -> int:
    """Run a console on the pool of another process, which goes on afterwards."""
    from dynamicfs_tui.console.plans import PoolHolder  # noqa: PLC0415
    from dynamicfs_tui.console.run import CRASHED  # noqa: PLC0415
    from dynamicfs_tui.console.run import run_console as run  # noqa: PLC0415

    # A connection answers one request at a time: with one of their own, views
    # go on while a verb takes its time.
    views = follow_owner(pool_dir)
    if views is None:
        raise PoolBusyError("the process that had the pool open just ended; try again")
    with views:
        reason = run(
            owner,
            log_path=pool_dir / LOG_NAME,
            take_view=views.view,
            holder=PoolHolder.ANOTHER,
        )
    return _exit_code(reason == CRASHED, pool_dir, "the pool goes on in its process")


def _exit_code(crashed: bool, pool_dir: Path, otherwise: str) -> int:  # noqa: FBT001
    """Say when the console crashed, and what became of the pool."""
    if not crashed:
        return ExitCode.FINE
    print(
        f"the console ended by an error of its own ({pool_dir / LOG_NAME} has it); {otherwise}",
        file=sys.stderr,
    )
    return ExitCode.FAILED
