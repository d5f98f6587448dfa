"""A real mount in a child process, and nothing left behind.

One process can have one mount, so each test's server is a child. It also is
what a test may kill. ``serve`` works with any factory of a FileSystem, the
engine's too::

    with serve("tests.fuse.tree_filesystem:make_tree") as mount:
        (mount.path / "file").write_bytes(b"data")

The factory gets the arguments as strings. If what it returns has a ``close``
method, that is called after the unmount.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from fusebridge.mount_table import Detach, abort_connection, detach, find_mount

ROOT: Final = Path(__file__).resolve().parents[2]
START_S: Final = 20.0
STOP_S: Final = 20.0


class ServerError(Exception):
    """The child did not mount; the text is its last line or its whole output."""


@dataclass(slots=True)
class Served:
    """A mount in a child process. ``ask`` talks to the child."""

    path: Path
    process: subprocess.Popen[str]
    log: Path
    report: dict[str, object] = field(default_factory=dict)
    """What the child said last: ``device``, ``watchdog``; after the end ``error``."""

    @property
    def pid(self) -> int:
        """The serving process."""
        return self.process.pid

    @property
    def device(self) -> str:
        """``major:minor`` of the mount."""
        return str(self.report["device"])

    def ask(self, command: str) -> dict[str, object]:
        """Send one command line and return the answer; see ``tests.fuse.server``."""
        assert self.process.stdin is not None
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()
        return self._hear()

    def counters(self) -> dict[str, int]:
        """Return requests so far by handler name."""
        answer = self.ask("counters")
        return {name: int(str(count)) for name, count in answer.items()}

    def stop(self) -> dict[str, object]:
        """Unmount and end the child; return its last report."""
        self.report = self.ask("stop")
        self.process.wait(STOP_S)
        return self.report

    def kill(self) -> None:
        """SIGKILL: no handler, no cleanup."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(STOP_S)

    def _hear(self) -> dict[str, object]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise ServerError(self.log.read_text())
        answer = json.loads(line)
        if not isinstance(answer, dict):
            raise ServerError(line)
        return answer


@contextmanager
def serve(
    factory: str,
    *arguments: str,
    folder: Path | None = None,
    options: Sequence[str] = ("--rw",),
) -> Iterator[Served]:
    """Mount what *factory* (``module:callable``) makes; take it away at the end.

    The mount point is ``mount`` in *folder*, the child's log is beside it;
    without a folder a temporary one is made. *options* are those of
    ``tests.fuse.server``.

    Raises:
        ServerError: the child could not mount.
    """
    with tempfile.TemporaryDirectory(prefix="dynamicfs-test-") as own_folder:
        place = folder or Path(own_folder)
        path = place / "mount"
        path.mkdir(exist_ok=True)
        served = _start(factory, arguments, path, place / "log", options)
        try:
            served.report = served._hear()
            if "device" not in served.report:
                raise ServerError(str(served.report["error"]))
            yield served
            if served.process.poll() is None:
                served.stop()
        finally:
            _clean_up(served)


def _start(
    factory: str, arguments: Sequence[str], path: Path, log: Path, options: Sequence[str]
) -> Served:
    with log.open("w") as sink:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.fuse.server", *options, str(path), factory, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=sink,
            text=True,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
    return Served(path, process, log)


def _clean_up(served: Served) -> None:
    """End the child and detach its mount, in whatever state they are."""
    if served.process.poll() is None:
        served.process.terminate()
        try:
            served.process.wait(2.0)
        except subprocess.TimeoutExpired:
            entry = find_mount(str(served.path.resolve()))
            if entry is not None:
                with suppress(OSError):
                    abort_connection(entry.device, entry.mountpoint)
            served.process.kill()
            served.process.wait(STOP_S)
    for stream in (served.process.stdin, served.process.stdout):
        if stream is not None:
            with suppress(BrokenPipeError):
                stream.close()
    if find_mount(str(served.path.parent.resolve() / served.path.name)) is not None:
        detach(str(served.path), Detach.NOW)


def wait_until_gone(mountpoint: Path, limit_s: float) -> bool:
    """Wait until nothing is mounted at *mountpoint*; False when the limit passed."""
    end_s = time.monotonic() + limit_s
    place = str(mountpoint.parent.resolve() / mountpoint.name)
    while find_mount(place) is not None:
        if time.monotonic() > end_s:
            return False
        time.sleep(0.02)
    return True
