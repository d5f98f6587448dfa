"""What both ends of the control socket share: its place and its lines.

One request or reply is one line of JSON. Request: ``{"verb", "arguments"}``.
Reply: ``{"result"}``, or what ``engine.status.transport.describe_error`` makes.
"""

from __future__ import annotations

import hashlib
import json
import os
import socket
import tempfile
from pathlib import Path
from typing import Final

from engine.errors import PoolError, UsageError
from engine.status.transport import Json

SOCKET_PATH_BYTES_MAX: Final = 107
"""``sun_path`` is 108 bytes with its final zero (unix(7))."""

SHUTDOWN: Final = "shutdown"
MOUNTPOINT: Final = "mountpoint"
"""The two verbs that belong to the process, not to the pool."""


def candidate_paths(pool_directory: Path) -> list[Path]:
    """Return where the pool's socket may be, best first.

    In the pool directory when the path fits; otherwise under a name derived
    from it in ``$XDG_RUNTIME_DIR``, or in our own directory in the temporary
    one. A client looks at all of them: its environment may differ from ours.
    """
    beside = pool_directory.resolve() / "control.sock"
    if len(os.fsencode(beside)) <= SOCKET_PATH_BYTES_MAX:
        return [beside]
    digest = hashlib.sha256(os.fsencode(pool_directory.resolve())).hexdigest()[:32]
    name = f"dynamicfs-{digest}.sock"
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    places = [Path(runtime)] if runtime and Path(runtime).is_dir() else []
    places.append(Path(tempfile.gettempdir()) / f"dynamicfs-{os.geteuid()}")
    paths = [place / name for place in places]
    return [path for path in paths if len(os.fsencode(path)) <= SOCKET_PATH_BYTES_MAX]


def prepare_directory(path: Path) -> None:
    """Make sure nobody else can put a socket where *path* will be.

    Raises:
        PoolError: the directory is another user's or open to others.
    """
    directory = path.parent
    directory.mkdir(mode=0o700, exist_ok=True)
    facts = directory.lstat()
    ours = facts.st_uid in (os.geteuid(), 0)
    if directory.is_symlink() or not ours or facts.st_mode & 0o022:
        raise PoolError(f"{directory} is not a private directory; no control socket there")


def send_line(connection: socket.socket, message: Json) -> None:
    """Send *message* as one line; OSError when the other end is gone or does not read."""
    connection.sendall(json.dumps(message, ensure_ascii=False).encode() + b"\n")


class LineReader:
    """Cuts what a socket receives into lines of at most *bytes_max*. One thread at a time."""

    def __init__(self, connection: socket.socket, *, bytes_max: int) -> None:
        self._connection = connection
        self._bytes_max = bytes_max
        self._received = bytearray()

    def read(self) -> dict[str, Json] | None:
        """Return the next line's object, or None when the other end is done.

        Raises:
            UsageError: the line is too long or not an object in JSON.
            OSError: the connection failed or was silent for too long.
        """
        searched = 0
        while (end := self._received.find(b"\n", searched)) < 0:
            searched = len(self._received)
            if searched > self._bytes_max:
                raise UsageError(f"a message over {self._bytes_max} bytes was refused")
            chunk = self._connection.recv(64 * 1024)
            if not chunk:
                return None
            self._received += chunk
        line = bytes(self._received[:end])
        del self._received[: end + 1]
        try:
            message: Json = json.loads(line)
        except ValueError as error:
            raise UsageError("a message that is not JSON was refused") from error
        if not isinstance(message, dict):
            raise UsageError("a message that is not an object was refused")
        return message
