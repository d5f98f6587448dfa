"""A separate process that leaves no dead or wedged mount behind.

Started before the mount, with its standard input as a pipe from the serving
process. It must be a process of its own: a deadlock that holds the
interpreter lock, or a SIGKILL, stops every thread of the serving one.

Messages, one per line: ``mounted DEVICE MOUNTPOINT`` (the latter quoted as
JSON), ``deadline SECONDS`` (abort the connection unless the process is gone by
then), ``done`` (the mount is gone, nothing is left to do). The end of the pipe
means that the serving process is dead.
"""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

from fusebridge.mount_table import Detach, abort_connection, detach, is_mounted

LOOK_S: Final = 1.0
"""How often to look whether the serving process became a zombie with a stuck
thread: its pipe stays open then."""


class Watchdog:
    """The serving process's side: starts the watching process and talks to it."""

    def __init__(self) -> None:
        package_parent = str(Path(__file__).resolve().parent.parent)
        self._process = subprocess.Popen(
            # -S: nothing from site-packages is needed, and it starts faster.
            [sys.executable, "-S", "-m", "fusebridge.watchdog", str(os.getpid())],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            # Ctrl-C and a closing terminal must not end it before us.
            start_new_session=True,
            env={**os.environ, "PYTHONPATH": package_parent},
            cwd="/",
        )

    @property
    def pid(self) -> int:
        """The watching process."""
        return self._process.pid

    def note_mounted(self, device: str, mountpoint: str) -> None:
        """Tell what to take away when this process dies."""
        self._send(f"mounted {device} {json.dumps(mountpoint)}")

    def note_deadline(self, seconds: float) -> None:
        """Have the connection aborted unless ``close`` comes within *seconds*."""
        self._send(f"deadline {seconds}")

    def close(self) -> None:
        """Say that the mount is gone; the watching process ends."""
        self._send("done")
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            self._process.wait(5.0)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _send(self, line: str) -> None:
        try:
            os.write(self._pipe, line.encode() + b"\n")
        except BrokenPipeError:
            # Somebody ended it; the mount works without, only unwatched.
            return

    @property
    def _pipe(self) -> int:
        assert self._process.stdin is not None
        return self._process.stdin.fileno()


class _Watch:
    """The watching process's side."""

    def __init__(self, server: int) -> None:
        self._server = server
        self._device = ""
        self._mountpoint = ""
        self._deadline_s: float | None = None
        self._is_over = False

    def run(self) -> None:
        """Obey messages until the serving process is done or dead."""
        poll = select.poll()
        poll.register(0, select.POLLIN)
        pending = b""
        while not self._is_over:
            if poll.poll(LOOK_S * 1000):
                received = os.read(0, 4096)
                if not received:
                    self._clean_up()
                    return
                *lines, pending = (pending + received).split(b"\n")
                for line in lines:
                    self._obey(line.decode())
            elif self._is_zombie() or self._is_late():
                self._clean_up()
                return

    def _obey(self, line: str) -> None:
        verb, _, rest = line.partition(" ")
        match verb:
            case "mounted":
                self._device, _, quoted = rest.partition(" ")
                self._mountpoint = json.loads(quoted)
            case "deadline":
                self._deadline_s = time.monotonic() + float(rest)
            case "done":
                self._is_over = True

    def _is_late(self) -> bool:
        return self._deadline_s is not None and time.monotonic() > self._deadline_s

    def _is_zombie(self) -> bool:
        try:
            stat = Path(f"/proc/{self._server}/stat").read_text()
        except (FileNotFoundError, ProcessLookupError):
            return True
        return stat.rpartition(")")[2].split()[0] in ("Z", "X")

    def _clean_up(self) -> None:
        """Abort and detach, if what is mounted there is still that very mount."""
        if not self._device:
            return
        with suppress(OSError):  # No right to, or the connection is gone already.
            abort_connection(self._device, self._mountpoint)
        if is_mounted(self._mountpoint, self._device):
            detach(self._mountpoint, Detach.NOW)


def main() -> int:
    """Watch the process whose id is the first argument."""
    _Watch(int(sys.argv[1])).run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
