"""The console's terminal belongs to the console alone; seen from a pseudo-terminal."""

from __future__ import annotations

import os
import pty
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

SCRIPT = """
import os, sys
from pathlib import Path
from dynamicfs_tui.console.run import run_console
from tests.console.canned import CannedControl
from tests.console.canned_views import healthy

class Noisy(CannedControl):
    def view(self):
        os.write(2, b"NOISE FROM A C LIBRARY\\n")
        return super().view()

seen = []
reason = run_console(Noisy(healthy()), log_path=Path(sys.argv[1]), on_signal=seen.append)
os.write(2, f"ENDED {reason} {[s.name for s in seen]}\\n".encode())
"""


@dataclass
class Running:
    """A console in a process of its own, seen through its terminal."""

    process: subprocess.Popen[bytes]
    terminal_fd: int
    log_path: Path
    seen: bytes = b""

    def read_until(self, wanted: bytes, *, timeout_s: float = 30.0) -> bool:
        """Read the terminal until *wanted* was painted; False when it never is."""
        end_s = time.monotonic() + timeout_s
        while wanted not in self.seen:
            left_s = end_s - time.monotonic()
            ready, _, _ = select.select([self.terminal_fd], [], [], max(0.0, left_s))
            if not ready:
                return False
            try:
                data = os.read(self.terminal_fd, 65536)
            except OSError:
                return wanted in self.seen
            if not data:
                return wanted in self.seen
            self.seen += data
        return True


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    """Start a console on a pseudo-terminal and wait for its first picture."""
    ours, theirs = pty.openpty()
    log_path = tmp_path / "console.log"
    environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "80", "LINES": "24"}
    environment |= {"PYTHONPATH": str(ROOT), "LC_ALL": "C.UTF-8"}
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(log_path)],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        cwd=ROOT,
        env=environment,
        start_new_session=True,
    )
    os.close(theirs)
    console = Running(process=process, terminal_fd=ours, log_path=log_path)
    try:
        assert console.read_until(b"tank"), console.seen[-2000:]
        yield console
    finally:
        process.kill()
        process.wait()
        os.close(ours)


def test_what_a_library_writes_to_descriptor_2_reaches_the_log_and_not_the_screen(
    running: Running,
) -> None:
    running.process.send_signal(signal.SIGTERM)

    assert running.read_until(b"ENDED")
    assert b"NOISE" not in running.seen
    assert "NOISE FROM A C LIBRARY" in running.log_path.read_text()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_signal_ends_the_console_cleanly_and_is_told(
    running: Running, number: signal.Signals
) -> None:
    running.process.send_signal(number)

    assert running.read_until(f"ENDED signal {number.name} ['{number.name}']".encode())
    assert running.process.wait(30) == 0
    assert b"\x1b[?1049l" in running.seen, "the alternate screen was not left"


def test_a_stop_signal_does_not_stop_it(running: Running) -> None:
    running.process.send_signal(signal.SIGTSTP)
    running.process.send_signal(signal.SIGTERM)

    assert running.read_until(b"ENDED signal SIGTERM")


def test_without_a_terminal_it_refuses_politely(tmp_path: Path) -> None:
    result = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(tmp_path / "log")],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=False,
        timeout=60,
    )

    assert "NoTerminalError" in result.stderr
    assert not (tmp_path / "log").exists()
