"""A mount from start to end, run by a thread of its own.

pyfuse3 keeps its session in module globals, so a process has one mount at a
time.

The end, in this order: unmount from outside while still serving, so that dirty
pages arrive; a mount in use is detached when the time is up; then no more
requests; those in hand are finished or, after a grace time, abandoned; the
session is closed; and if the process should be stuck anywhere on that way, the
watchdog aborts the connection.
"""

from __future__ import annotations

import errno
import logging
import os
import threading
import time
from collections.abc import Callable
from typing import Final

import pyfuse3

from engine.errors import EngineError, PoolError, UsageError
from engine.ids import InodeId
from engine.vfs.interface import FileSystem
from fusebridge.backing_device import tune_backing_device
from fusebridge.dispatcher import Dispatcher
from fusebridge.mount_table import (
    KIND,
    Detach,
    call_with_limit,
    detach,
    detach_or_raise,
    find_mount,
    is_mounted,
    probe,
    write_out,
)
from fusebridge.notifications import Notifications
from fusebridge.operations import Operations
from fusebridge.runtime import Runtime
from fusebridge.watchdog import Watchdog

logger = logging.getLogger(__name__)

WORKERS_MIN: Final = 16
"""Idle workers that are kept; fewer would start and end for every offload."""

WORKERS_MAX: Final = 999
"""Requests in hand at once. Each that waits for a disk holds a worker, so this
must exceed the clients that may wait, or quick requests starve (trap 6)."""

BUSY_LOOK_S: Final = 0.1
WATCHDOG_EXTRA_S: Final = 30.0
"""How much later than planned the end may come before the watchdog acts."""

NOTIFYING_S: Final = 2.0
"""How long the session is kept for a notification that is under way."""

MAIN_OPTIONS: Final = ("default_permissions", "nosuid", "nodev", "subtype=dynamicfs")


class Mount:
    """One mounted file system. Methods may be called from any thread.

    ``on_exit`` is called on the serving thread after the session was closed,
    with the error that ended it or None.
    """

    def __init__(
        self,
        filesystem: FileSystem,
        mountpoint: str,
        *,
        name: str,
        read_write: bool,
        allow_other: bool,
        on_exit: Callable[[BaseException | None], None] | None = None,
        runtime: Runtime | None = None,
    ) -> None:
        self.mountpoint = os.path.realpath(mountpoint)
        self._options = {*MAIN_OPTIONS, f"fsname=dynamicfs:{name}"}
        self._options.add("rw" if read_write else "ro")
        if allow_other:
            self._options.add("allow_other")
        self._on_exit = on_exit
        self._runtime: Runtime = Dispatcher() if runtime is None else runtime
        self._notifications = Notifications()
        self._operations = Operations(filesystem, self._runtime, self._notifications)
        self._watchdog: Watchdog | None = None
        self._thread: threading.Thread | None = None
        self._mounted = threading.Event()
        self._stop_lock = threading.Lock()
        self._device = ""
        self.error: BaseException | None = None
        """What ended the session; None while it runs and after a clean end."""

    @property
    def alive(self) -> bool:
        """Whether requests are being served."""
        return self._thread is not None and self._thread.is_alive()

    @property
    def late_s(self) -> float:
        """Seconds since the serving thread began its turn in hand; large when it is stuck."""
        return self._runtime.late_s

    @property
    def device(self) -> str:
        """``major:minor`` of the mount; empty before ``start``."""
        return self._device

    @property
    def watchdog_pid(self) -> int:
        """The process that watches this one; 0 when there is none."""
        return 0 if self._watchdog is None else self._watchdog.pid

    def start(self, timeout_s: float) -> None:
        """Mount, and return when the mount answers.

        Raises:
            UsageError: the mount point cannot be used.
            PoolError: the kernel or the system refused.
        """
        check_mountpoint(self.mountpoint)
        if not os.access("/dev/fuse", os.R_OK | os.W_OK):
            raise PoolError("/dev/fuse is missing or not accessible; is the fuse module loaded?")
        self._watchdog = Watchdog()
        self._thread = threading.Thread(target=self._serve, name="fuse-dispatcher", daemon=True)
        self._thread.start()
        deadline_s = time.monotonic() + timeout_s
        self._mounted.wait(timeout_s)
        if not self._device:
            raise self._start_error()
        answer = probe(self.mountpoint, max(1.0, deadline_s - time.monotonic()))
        if answer is not None:
            self.stop(1.0)
            raise PoolError(f"{self.mountpoint} was mounted but does not answer: {answer}")
        tune_backing_device(self._device)
        self._notifications.start()

    def wait(self) -> None:
        """Return when the session has ended, for whatever reason."""
        if self._thread is not None:
            self._thread.join()

    def stop(self, timeout_s: float) -> None:
        """Unmount and end the session; harmless when repeated, never hangs.

        While files are in use it waits for up to *timeout_s* seconds, then
        detaches: their users get errors from then on.
        """
        with self._stop_lock:
            if self._thread is None:
                return
            if self.alive:
                self.note_deadline(2 * timeout_s + WATCHDOG_EXTRA_S)
            self._notifications.close()
            if self.alive and self._device:
                self._unmount(timeout_s)
            self._runtime.call_soon(self._terminate)
            self._thread.join(timeout_s + WATCHDOG_EXTRA_S / 2)
            if self._thread.is_alive():
                logger.error("the serving thread does not end; the watchdog will abort")
            elif self._watchdog is not None:
                self._watchdog.close()
                self._watchdog = None

    def note_deadline(self, seconds: float) -> None:
        """Have the watchdog abort the connection unless the end comes within *seconds*."""
        if self._watchdog is not None:
            self._watchdog.note_deadline(seconds)

    def counters(self) -> dict[str, int]:
        """Return how many requests of each kind came so far."""
        return dict(self._operations.counts)

    def forget_inode(self, inode_id: InodeId) -> None:
        """Have the kernel read data and attributes anew; returns at once."""
        self._runtime.call_soon(self._operations.forget_cached)
        self._notifications.forget_inode(inode_id)

    def forget_name(self, parent: InodeId, name: bytes) -> None:
        """Have the kernel look the name up anew; returns at once."""
        self._notifications.forget_name(parent, name)

    # The serving thread

    def _serve(self) -> None:
        try:
            self._run_session()
        except Exception as error:  # kept for whoever asks; on_exit tells the program
            self.error = error
            logger.critical("the mount at %s ended", self.mountpoint, exc_info=error)
        finally:
            self._mounted.set()
            if self._on_exit is not None:
                self._on_exit(self.error)

    def _run_session(self) -> None:
        self._runtime.install()
        pyfuse3.init(self._operations, self.mountpoint, self._options)
        try:
            entry = find_mount(self.mountpoint)
            if entry is None:
                raise PoolError(f"{self.mountpoint} is not in the mount table after mounting")
            self._device = entry.device
            if self._watchdog is not None:
                self._watchdog.note_mounted(entry.device, self.mountpoint)
            self._mounted.set()
            self._runtime.run(lambda: pyfuse3.main(WORKERS_MIN, WORKERS_MAX))
        finally:
            self._notifications.close()
            if not self._notifications.is_idle_within(NOTIFYING_S):
                logger.warning("a notification to the kernel does not return")
            # Only what is ours is unmounted: after a lazy detach something
            # else may be at that path already.
            is_ours = not self._device or is_mounted(self.mountpoint, self._device)
            pyfuse3.close(unmount=is_ours)
            if self._device and is_mounted(self.mountpoint, self._device):
                detach(self.mountpoint, Detach.NOW)  # Stays after an abort (trap 14).

    def _terminate(self) -> None:
        # On the serving thread the session exists as long as it runs; when the
        # session is over, this runs elsewhere and must not touch it.
        if threading.current_thread() is self._thread:
            pyfuse3.terminate()

    # Other threads

    def _unmount(self, timeout_s: float) -> None:
        """Unmount while serving; detach when it is still in use at the end."""
        deadline_s = time.monotonic() + timeout_s
        while self.alive and is_mounted(self.mountpoint, self._device):
            left_s = max(0.1, deadline_s - time.monotonic())
            match call_with_limit(self._unmount_unused, left_s):
                case None:
                    return
                case OSError(errno=errno.EBUSY) if time.monotonic() < deadline_s:
                    time.sleep(BUSY_LOOK_S)
                case _:
                    break
        if is_mounted(self.mountpoint, self._device):
            logger.warning("%s is still in use; detaching it", self.mountpoint)
            # Dirty pages arrive while we still serve; detaching does not write.
            call_with_limit(lambda: write_out(self.mountpoint), max(1.0, timeout_s))
            detach(self.mountpoint, Detach.NOW)

    def _unmount_unused(self) -> None:
        detach_or_raise(self.mountpoint, Detach.WHEN_UNUSED)

    def _start_error(self) -> EngineError:
        if self.error is None:
            return PoolError(f"mounting at {self.mountpoint} takes too long")
        if self._watchdog is not None:
            self._watchdog.close()
            self._watchdog = None
        if isinstance(self.error, EngineError):
            return self.error
        return PoolError(f"the kernel refused to mount at {self.mountpoint}: {self.error}")


def check_mountpoint(mountpoint: str) -> None:
    """Refuse what cannot be mounted on, in one sentence.

    Raises:
        UsageError: missing, no directory, not empty, or mounted already.
    """
    entry = find_mount(mountpoint)
    if entry is not None and entry.kind == KIND:
        raise UsageError(f"{mountpoint} is mounted already ({entry.source})")
    if not os.path.exists(mountpoint):
        raise UsageError(f"the mount point {mountpoint} does not exist")
    if not os.path.isdir(mountpoint):
        raise UsageError(f"the mount point {mountpoint} is not a directory")
    if any(os.scandir(mountpoint)):
        raise UsageError(f"the mount point {mountpoint} is not empty")
