"""A console in a real terminal, attached to the process that has the pool open."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import pytest

from engine.pool.control_socket import ControlServer
from tests.console.canned import CannedControl
from tests.console.canned_views import healthy

ROOT: Final = Path(__file__).resolve().parents[2]
PATIENCE_S: Final = 60.0
LOOK_S: Final = 0.2


@dataclass
class Terminal:
    """A program on a pseudo terminal of 120x40: what it wrote, and keys to it."""

    process: subprocess.Popen[bytes]
    master_fd: int
    written: bytearray = field(default_factory=bytearray)

    def read_some(self) -> None:
        """Take what was written within ``LOOK_S``."""
        if select.select([self.master_fd], [], [], LOOK_S)[0]:
            try:
                self.written += os.read(self.master_fd, 65_536)
            except OSError:
                return  # The program closed its end.

    def read_until(self, words: str) -> None:
        """Wait until *words* were written; AssertionError when they never are."""
        self.read_while(lambda: words.encode() not in self.written)

    def read_while(self, goes_on: Callable[[], bool]) -> None:
        """Wait until *goes_on* is false; AssertionError when it never is."""
        deadline_s = time.monotonic() + PATIENCE_S
        while goes_on():
            assert time.monotonic() < deadline_s, bytes(self.written[-2000:])
            self.read_some()

    def press(self, keys: str) -> None:
        """Type *keys*."""
        os.write(self.master_fd, keys.encode())

    def press_until_ended(self, key: str) -> int:
        """Type *key* again and again until the program ends; return its exit code."""

        def press_again() -> bool:
            if self.process.poll() is not None:
                return False
            self.press(key)
            return True

        self.read_while(press_again)
        return self.process.returncode


@contextmanager
def terminal(*arguments: str) -> Iterator[Terminal]:
    """Run ``dynamicfs`` with *arguments* on a terminal; it is gone afterwards."""
    master_fd, slave_fd = pty.openpty()
    fcntl.ioctl(slave_fd, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "dynamicfs_tui.cli", *arguments],
        stdin=slave_fd,
        stdout=slave_fd,
        stderr=slave_fd,
        start_new_session=True,
        env={**os.environ, "PYTHONPATH": str(ROOT), "TERM": "xterm-256color", "LANG": "C.UTF-8"},
    )
    os.close(slave_fd)
    try:
        yield Terminal(process=process, master_fd=master_fd)
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
        process.wait()
        os.close(master_fd)


@pytest.fixture
def served(tmp_path: Path) -> Iterator[CannedControl]:
    """A pool directory whose owner, this process, answers on the control socket."""
    control = CannedControl(healthy())
    server = ControlServer(control, tmp_path, mountpoint=lambda: "", shutdown=lambda: "")
    server.start()
    yield control
    server.close(failure=None)


def test_a_second_console_attaches_shows_acts_and_leaves_the_pool_alone(
    served: CannedControl, tmp_path: Path
) -> None:
    with terminal("console", str(tmp_path)) as screen:
        screen.read_until("All data has its full redundancy.")
        screen.press("V")
        screen.read_until("d0: present")
        screen.press("q")
        screen.read_until("this console is attached to the pool tank")
        code = screen.press_until_ended("y")

    assert code == 0
    assert served.calls == [("probe_disks",)]
    assert served.view() == healthy()


def test_a_slow_verb_does_not_make_the_picture_of_an_attached_console_old(
    served: CannedControl, tmp_path: Path
) -> None:
    with terminal("console", str(tmp_path)) as screen:
        screen.read_until("All data has its full redundancy.")
        served.verb_wait.clear()
        screen.press("V")
        screen.read_while(lambda: not served.calls)
        seen = served.views
        screen.read_while(lambda: served.views < seen + 3)
        served.verb_wait.set()
        screen.read_until("d0: present")


def test_an_attached_console_cannot_choose_a_mount_point(
    served: CannedControl, tmp_path: Path
) -> None:
    (tmp_path / "mnt").mkdir()

    with terminal("console", str(tmp_path), str(tmp_path / "mnt")) as screen:
        screen.read_until("decides where it is mounted")
        code = screen.press_until_ended("q")

    assert code == 2
    assert served.calls == []


def test_an_attached_console_outlives_the_pools_process_and_follows_the_next_one(
    tmp_path: Path,
) -> None:
    control = CannedControl(healthy())
    first = ControlServer(control, tmp_path, mountpoint=lambda: "", shutdown=lambda: "")
    first.start()
    try:
        with terminal("console", str(tmp_path)) as screen:
            screen.read_until("All data has its full redundancy.")
            first.close(failure=None)
            screen.read_until("no fresh numbers")
            second = ControlServer(control, tmp_path, mountpoint=lambda: "", shutdown=lambda: "")
            second.start()
            try:
                asked = control.views
                screen.read_while(lambda: control.views < asked + 2)
                screen.press("V")
                screen.read_until("d0: present")
            finally:
                second.close(failure=None)
    finally:
        first.close(failure=None)
