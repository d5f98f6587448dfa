"""The client end of the control socket: ``PoolControl`` of a pool another process owns."""

from __future__ import annotations

import os
import select
import socket
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TypeVar

from engine.errors import EngineError, PoolBusyError, PoolError
from engine.limits import CONTROL_ANSWER_S, CONTROL_REPLY_BYTES_MAX
from engine.pool.control_protocol import (
    MOUNTPOINT,
    SHUTDOWN,
    LineReader,
    candidate_paths,
    send_line,
)
from engine.pool.remote_facets import (
    Argument,
    RemoteDisks,
    RemoteFiles,
    RemoteJournal,
    RemoteScrubs,
    RemoteWork,
)
from engine.status.transport import ForeignReplyError, decode, encode, revive_error
from engine.status.views import PoolView

T = TypeVar("T")


class RemoteControl:
    """The verbs of a pool through its owner's socket. Thread-safe; one request at a time.

    Every verb raises what the engine raised there (its class or the nearest
    base), PoolBusyError when the owner went away or does not answer in time,
    and ForeignReplyError when it answers in words this release does not know.

    With *reach* it follows the pool: after the owner went away, the next verb
    goes to the owner of then. A verb that got no answer is never sent again.
    """

    def __init__(
        self, connection: socket.socket, *, reach: Callable[[], socket.socket | None] | None = None
    ) -> None:
        self._connection = connection
        self._reach = reach
        self._broken = False
        self._lock = threading.Lock()
        self.disks = RemoteDisks(self._ask)
        self.work = RemoteWork(self._ask)
        self.scrubs = RemoteScrubs(self._ask)
        self.files = RemoteFiles(self._ask)
        self.journal = RemoteJournal(self._ask)
        self._reader = LineReader(connection, bytes_max=CONTROL_REPLY_BYTES_MAX)

    def __enter__(self) -> RemoteControl:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._connection.close()

    def view(self) -> PoolView:
        """Return the owner's newest view."""
        return self._ask("view", PoolView)

    def start_scrub(self, *, repair: bool) -> str:
        """Start a scrub there."""
        return self._ask("start_scrub", str, repair=repair)

    def stop_scrub(self) -> str:
        """Stop the scrub that runs there."""
        return self._ask("stop_scrub", str)

    def start_rebuild(self) -> str:
        """Start the rebuild there without its delay."""
        return self._ask("start_rebuild", str)

    def probe_disks(self) -> Sequence[str]:
        """Let the owner look at every disk now."""
        return self._ask("probe_disks", tuple[str, ...])

    def set_disk_health(
        self, disk: str, state: str, basis: str = "", *, force: bool = False
    ) -> str:
        """Set a disk's state."""
        return self._ask("set_disk_health", str, disk=disk, state=state, basis=basis, force=force)

    def add_disk(self, path: str, tier: str, *, spare: bool = False) -> str:
        """Add a disk; a relative path is of this process, so it is made absolute here."""
        here = str(Path(path).absolute())
        return self._ask("add_disk", str, path=here, tier=tier, spare=spare)

    def sync(self) -> str:
        """Make everything the owner accepted durable."""
        return self._ask("sync", str)

    def check(self) -> Sequence[str]:
        """Let the owner check its metadata."""
        return self._ask("check", tuple[str, ...])

    def list_extents(self, limit: int) -> Sequence[Mapping[str, object]]:
        """Return at most *limit* extents."""
        return self._ask("list_extents", tuple[dict[str, object], ...], limit=limit)

    def metrics(self) -> Mapping[str, Mapping[str, float]]:
        """Return the owner's counters."""
        return self._ask("metrics", dict[str, dict[str, float]])

    def mountpoint(self) -> str:
        """Return where the owner has the pool mounted; empty when it has not."""
        return self._ask(MOUNTPOINT, str)

    def shutdown(self) -> str:
        """End the owner; return when the pool is closed and all is durable.

        Waits without a limit: what is accepted may take long to write to slow disks.
        """
        self._connection.settimeout(None)
        return self._ask(SHUTDOWN, str)

    def _ask(self, verb: str, expected: type[T], /, **arguments: Argument) -> T:
        """Send one request and decode its answer."""
        given = {name: encode(value) for name, value in arguments.items()}
        with self._lock:
            if self._reach is not None and (self._broken or self._is_ended()):
                self._reach_again(self._reach)
            try:
                send_line(self._connection, {"verb": verb, "arguments": given})
                reply = self._reader.read()
            except TimeoutError as error:
                self._break()  # A late answer must not be taken for the next one.
                raise PoolBusyError(
                    f"the process that has the pool open did not answer {verb!r} in time"
                ) from error
            except OSError as error:
                self._break()
                raise PoolBusyError(_gone(verb)) from error
            if reply is None:
                self._break()
                raise PoolBusyError(_gone(verb))
        if "error" in reply:
            raise revive_error(reply["error"], str(reply.get("sentence")))
        if "result" not in reply:
            raise ForeignReplyError(f"the answer to {verb!r} is not one this release knows")
        return decode(expected, reply["result"])

    def _is_ended(self) -> bool:
        """Whether the owner closed its end while nobody asked: then nothing is lost by another."""
        look = select.poll()
        look.register(self._connection, select.POLLIN)
        # A socket with a timeout waits for it in ``recv``, whatever flags say.
        if not look.poll(0):
            return False
        try:
            return not self._connection.recv(1, socket.MSG_PEEK)
        except OSError:
            return True

    def _break(self) -> None:
        self._broken = True
        self._connection.close()

    def _reach_again(self, reach: Callable[[], socket.socket | None]) -> None:
        connection = reach()
        self._break()
        if connection is None:
            raise PoolBusyError("no process has the pool open now; the next one is waited for")
        self._connection, self._broken = connection, False
        self._reader = LineReader(connection, bytes_max=CONTROL_REPLY_BYTES_MAX)


def _gone(verb: str) -> str:
    return f"the process that had the pool open ended before it answered {verb!r}"


def reach_owner(
    pool_directory: Path, *, timeout_s: float = CONTROL_ANSWER_S
) -> RemoteControl | None:
    """Return control of the pool through the process that has it open, or None.

    Raises:
        PoolError: the socket is another user's.
        PoolBusyError: the owner exists but does not take the connection.
    """
    connection = _connect(pool_directory, timeout_s)
    return None if connection is None else RemoteControl(connection)


def follow_owner(
    pool_directory: Path, *, timeout_s: float = CONTROL_ANSWER_S
) -> RemoteControl | None:
    """Return control as ``reach_owner`` does, through whatever process has the pool open next.

    Raises:
        PoolError: the socket is another user's.
        PoolBusyError: the owner exists but does not take the connection.
    """

    def reach() -> socket.socket | None:
        return _connect(pool_directory, timeout_s)

    connection = reach()
    return None if connection is None else RemoteControl(connection, reach=reach)


def _connect(pool_directory: Path, timeout_s: float) -> socket.socket | None:
    for path in candidate_paths(pool_directory):
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.settimeout(timeout_s)
        failure: EngineError | None = None
        try:
            connection.connect(os.fsencode(path))
        except (FileNotFoundError, ConnectionRefusedError, NotADirectoryError):
            # None there, or what a dead process left: the next owner replaces it.
            connection.close()
            continue
        except PermissionError:
            failure = PoolError(f"the pool {pool_directory} is open by another user")
        except OSError as error:
            failure = PoolBusyError(
                f"the process that has {pool_directory} open is not reachable: {error.strerror}"
            )
        if failure is not None:
            connection.close()
            raise failure
        return connection
    return None
