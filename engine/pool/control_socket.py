"""The server end of the control socket: verbs for a pool that this process owns.

Only the owner of the process and root may ask (socket mode 0600 and
``SO_PEERCRED``). One daemon thread accepts, one per client serves, at most
``CONTROL_CLIENTS_MAX`` (P8). The data path is never waited for beyond what a
verb itself does. Nothing here decides anything about the pool.
"""

from __future__ import annotations

import logging
import os
import socket
import struct
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final, get_type_hints

from engine.errors import EngineError, PoolBusyError, PoolError, UsageError
from engine.limits import CONTROL_CLIENTS_MAX, CONTROL_IDLE_S, CONTROL_REQUEST_BYTES_MAX
from engine.pool.actor import Actor, acting_as, describe_actor
from engine.pool.control_protocol import (
    MOUNTPOINT,
    SHUTDOWN,
    LineReader,
    candidate_paths,
    prepare_directory,
    send_line,
)
from engine.status.control import PoolControl
from engine.status.facets import FACETS, verbs_of
from engine.status.transport import Json, decode, describe_error, encode

_LOG = logging.getLogger(__name__)

_PEER: Final = struct.Struct("3i")
"""``struct ucred``: process, user, group (unix(7))."""

_FAREWELL_S: Final = 5.0
"""How long ``close`` waits for the clients' threads to send their last answer."""


_Handler = Callable[[Mapping[str, Json]], object]


def _handler_of(target: object, protocol: type, name: str) -> _Handler:
    """Return what calls a verb with arguments decoded by the protocol's own hints."""
    hints = get_type_hints(getattr(protocol, name))
    hints.pop("return", None)
    verb = getattr(target, name)

    def handle(given: Mapping[str, Json]) -> object:
        return verb(**{key: decode(kind, given.get(key)) for key, kind in hints.items()})

    return handle


def _pool_verbs(control: PoolControl) -> dict[str, _Handler]:
    """Return every verb of ``PoolControl`` by its name, those of a facet as ``facet.verb``."""
    handlers = {name: _handler_of(control, PoolControl, name) for name in verbs_of(PoolControl)}
    for facet, protocol in FACETS.items():
        target = getattr(control, facet)
        for name in verbs_of(protocol):
            handlers[f"{facet}.{name}"] = _handler_of(target, protocol, name)
    return handlers


class ControlServer:
    """Serves *control* to the commands of the same user. ``close`` may be called by any thread.

    *mountpoint* returns where the pool is mounted, empty when it is not.
    *shutdown* begins the end of the process: it raises an ``EngineError`` when
    that is refused (a busy mount), and otherwise returns at once or after the
    unmount. The asking client hears nothing until ``close`` is called, which
    the process does last, when the pool is closed: the answer means durable.
    """

    def __init__(
        self,
        control: PoolControl,
        pool_directory: Path,
        *,
        mountpoint: Callable[[], str],
        shutdown: Callable[[], str],
    ) -> None:
        self._verbs = _pool_verbs(control)
        self._verbs[MOUNTPOINT] = lambda _: mountpoint()
        self._shutdown = shutdown
        self._lock = threading.Lock()
        self._clients: dict[threading.Thread, socket.socket] = {}
        self._ended = threading.Event()
        self._failure: EngineError | None = None
        self._listener, self.path = _listen(pool_directory)
        self._acceptor = threading.Thread(target=self._accept, name="control-accept", daemon=True)

    def start(self) -> None:
        """Begin to serve."""
        self._acceptor.start()

    def close(self, *, failure: EngineError | None = None) -> None:
        """Answer a waiting ``shutdown``, drop every client, remove the socket.

        *failure* says that the pool could not be closed as it should; the
        client that asked for the shutdown is told so. Repeating is harmless.
        """
        if self._ended.is_set():
            return
        self._failure = failure
        # The name goes first: who looks for the pool from now on finds no owner.
        self.path.unlink(missing_ok=True)
        self._ended.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        if self._acceptor.is_alive():
            self._acceptor.join(_FAREWELL_S)
        self._listener.close()
        with self._lock:
            clients = dict(self._clients)
        for thread, connection in clients.items():
            # Ends a client's wait for its next request; what is being sent still goes out.
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RD)
            if thread is not threading.current_thread():
                thread.join(_FAREWELL_S)

    def _accept(self) -> None:
        """Hand each connection a thread of its own until the listener is shut down."""
        while not self._ended.is_set():
            try:
                connection, _ = self._listener.accept()
            except OSError:
                if self._ended.is_set():
                    return
                # A connection that died in the queue, or no descriptor is free: go on,
                # but not in a tight loop.
                self._ended.wait(0.05)
                continue
            connection.settimeout(CONTROL_IDLE_S)
            refusal = self._refusal(connection)
            if refusal is not None:
                with suppress(OSError), connection:
                    send_line(connection, describe_error(refusal))
                continue
            thread = threading.Thread(
                target=self._serve, args=(connection,), name="control-client", daemon=True
            )
            with self._lock:
                self._clients[thread] = connection
            thread.start()

    def _refusal(self, connection: socket.socket) -> EngineError | None:
        """Return why this peer is not served, or None."""
        _, user = _peer(connection)
        if user not in (os.geteuid(), 0):
            _LOG.warning("user %d asked for control of the pool and was refused", user)
            return PoolError("this pool belongs to another user")
        with self._lock:
            if len(self._clients) >= CONTROL_CLIENTS_MAX:
                return PoolBusyError(
                    f"{CONTROL_CLIENTS_MAX} commands are being served; try again in a moment"
                )
        return None

    def _serve(self, connection: socket.socket) -> None:
        """Answer one client until it leaves, is silent for too long, or breaks the rules."""
        try:
            with connection, suppress(OSError), acting_as(_actor(connection)):
                reader = LineReader(connection, bytes_max=CONTROL_REQUEST_BYTES_MAX)
                while True:
                    try:
                        request = reader.read()
                    except UsageError as error:
                        send_line(connection, describe_error(error))
                        return
                    if request is None:
                        return
                    send_line(connection, self._answer(request))
        finally:
            with self._lock:
                self._clients.pop(threading.current_thread(), None)

    def _answer(self, request: Mapping[str, Json]) -> Json:
        """Return the reply to one request."""
        verb, arguments = request.get("verb"), request.get("arguments")
        try:
            if verb == SHUTDOWN:
                return {"result": self._end()}
            handler = self._verbs.get(verb) if isinstance(verb, str) else None
            if handler is None:
                raise UsageError(f"the process that has the pool open has no verb {verb!r}")
            return {"result": encode(handler(arguments if isinstance(arguments, dict) else {}))}
        except EngineError as error:
            return describe_error(error)

    def _end(self) -> str:
        """Begin the end of the process and return when ``close`` says it is over."""
        sentence = self._shutdown()
        self._ended.wait()
        if self._failure is not None:
            raise self._failure
        return sentence


def _peer(connection: socket.socket) -> tuple[int, int]:
    """Return process and user at the other end, as the kernel knows them."""
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER.size)
    process, user, _ = _PEER.unpack(credentials)
    return process, user


def _actor(connection: socket.socket) -> Actor:
    process, user = _peer(connection)
    return describe_actor(user_id=user, process=process)


def _listen(pool_directory: Path) -> tuple[socket.socket, Path]:
    """Return a bound, listening socket of mode 0600 and its path.

    Raises:
        PoolBusyError: a living process listens there.
        PoolError: no place for a socket can be used.
    """
    reasons: list[str] = []
    for path in candidate_paths(pool_directory):
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        try:
            if path.parent != pool_directory.resolve():
                prepare_directory(path)
            _remove_stale(path)
            # unix(7), Linux: bind() gives the file the mode of the unbound socket. Unlike
            # umask() this does not touch what other threads create at this moment.
            os.fchmod(listener.fileno(), 0o600)
            listener.bind(os.fsencode(path))
            listener.listen(CONTROL_CLIENTS_MAX)
        except PoolBusyError:
            listener.close()
            raise
        except (OSError, PoolError) as error:
            listener.close()
            reasons.append(str(error))
            continue
        return listener, path
    raise PoolError(f"no control socket can be made: {'; '.join(reasons) or 'path too long'}")


def _remove_stale(path: Path) -> None:
    """Remove the socket of a process that died; PoolBusyError when it lives."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(CONTROL_IDLE_S)
        try:
            probe.connect(os.fsencode(path))
        except FileNotFoundError:
            return
        except ConnectionRefusedError:
            path.unlink(missing_ok=True)
            return
    raise PoolBusyError(f"another process listens at {path}")
