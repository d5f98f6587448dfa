"""Starting a server in the background, and hearing from it over a pipe.

The child gets the writing end of a pipe and says one line: that it is ready,
or why not. A child that ends without a line has crashed; the last line of what
it printed is then the reason.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Sequence
from typing import Final

from engine.errors import EngineError, PoolError
from engine.status.transport import Json, describe_error, revive_error

_LINE_BYTES_MAX: Final = 64 * 1024


class Announcement:
    """The child's end of the pipe; without a descriptor every call does nothing."""

    def __init__(self, descriptor: int | None) -> None:
        self._descriptor = descriptor

    def ready(self) -> None:
        """Say that the server serves, and let go of the terminal."""
        if self._descriptor is None:
            return
        # From now on nobody reads what we print; the file that holds it would grow.
        null = os.open(os.devnull, os.O_RDWR)
        for stream in (1, 2):
            os.dup2(null, stream)
        os.close(null)
        self._say({"result": "ready"})

    def refused(self, error: EngineError) -> None:
        """Say why the server does not serve; nothing once it was ready."""
        if self._descriptor is not None:
            self._say({**describe_error(error)})

    def _say(self, message: Json) -> None:
        assert self._descriptor is not None
        try:
            os.write(self._descriptor, json.dumps(message).encode() + b"\n")
        except BrokenPipeError:
            return  # Whoever started us has gone; we serve all the same.
        finally:
            os.close(self._descriptor)
            self._descriptor = None


def start_in_background(command: Sequence[str]) -> int:
    """Start *command* in a session of its own and return its process id once it is ready.

    ``--announce-to N`` is put before the ``--`` of the command.

    Raises:
        EngineError: what the child said, as its class.
        PoolError: the child ended without a word.
    """
    reading, writing = os.pipe()
    with tempfile.TemporaryFile() as printed, os.fdopen(reading, "rb") as pipe:
        try:
            place = command.index("--")
            child = subprocess.Popen(
                [*command[:place], "--announce-to", str(writing), *command[place:]],
                stdin=subprocess.DEVNULL,
                stdout=printed,
                stderr=printed,
                pass_fds=(writing,),
                start_new_session=True,
            )
        finally:
            os.close(writing)
        line = pipe.readline(_LINE_BYTES_MAX)
        if not line.endswith(b"\n"):
            code = child.wait()
            printed.seek(0)
            last = printed.read().decode(errors="replace").strip().rpartition("\n")[2]
            raise PoolError(
                f"the server ended before it was ready (code {code}): {last or 'it said nothing'}"
            )
        message: Json = json.loads(line)
    if isinstance(message, dict) and "result" in message:
        # The child outlives us: it is not to be waited for, nor warned about.
        child.returncode = 0
        return child.pid
    child.wait()
    if isinstance(message, dict):
        raise revive_error(message.get("error"), str(message.get("sentence")))
    raise PoolError("the server announced itself in words this release does not know")
