"""A terminal of the tests' own: a program in a private tmux server, its screen and its keys.

The screen is what tmux made of all that the program painted, so a test sees
what an operator would. Every wait has a deadline.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.e2e.harness import ROOT, TookTooLongError, command_environment, wait_for

TMUX_S: Final = 20.0
SCREEN_S: Final = 30.0
"""How long a screen may take here, where other tests use the machine too."""

HEARD_S: Final = 0.6
"""After this long without an effect a key was not heard: dialogs are deaf for 0.4 s."""

AFTERWARDS: Final = "echo EXIT=$?; stty -a; exec sleep 600"
"""What the shell shows when the program is no more: its exit code, and the terminal's state."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """Columns and rows of a screen."""

    columns: int
    rows: int

    def __str__(self) -> str:
        return f"{self.columns}x{self.rows}"


LARGE: Final = Size(columns=120, rows=40)
SMALL: Final = Size(columns=80, rows=24)


class Terminal:
    """One program on one screen. For one thread."""

    def __init__(self, server: Path) -> None:
        """Talk to the tmux server at the socket *server*."""
        self._server = server

    def _tmux(self, *words: str) -> str:
        done = subprocess.run(
            ["tmux", "-S", str(self._server), "-f", "/dev/null", *words],
            capture_output=True,
            text=True,
            timeout=TMUX_S,
            env=command_environment() | {"LC_ALL": "C.UTF-8"},
            cwd=ROOT,
            check=False,
        )
        assert done.returncode == 0, f"tmux {words}: {done.stderr}"
        return done.stdout

    def start(self, command: Sequence[str], size: Size) -> None:
        """Run *command* on a screen of *size*."""
        script = f"{shlex.join(command)}; {AFTERWARDS}"
        where = ("-x", str(size.columns), "-y", str(size.rows))
        self._tmux("new-session", "-d", *where, "-s", "console", script)

    def resize(self, *sizes: Size) -> None:
        """Change the size of the screen, as dragging a window's corner does, to each in turn."""
        words: list[str] = []
        for size in sizes:
            where = ("-x", str(size.columns), "-y", str(size.rows))
            words += ["resize-window", "-t", "console", *where, ";"]
        self._tmux(*words)

    def told_size(self) -> Size:
        """Return what the program would be told now; tmux tells it a little later than it acts."""
        tty = self._tmux("display-message", "-p", "-t", "console", "#{pane_tty}").strip()
        descriptor = os.open(tty, os.O_RDONLY | os.O_NOCTTY)
        try:
            columns, rows = os.get_terminal_size(descriptor)
        finally:
            os.close(descriptor)
        return Size(columns=columns, rows=rows)

    @property
    def pid(self) -> int:
        """The program on the screen: the only child of the shell that started it."""
        shell = int(self._tmux("display-message", "-p", "-t", "console", "#{pane_pid}"))
        children = Path(f"/proc/{shell}/task/{shell}/children").read_text()
        return int(children.split()[0])

    def screen(self) -> str:
        """Return what is on the screen, a line per row."""
        return self._tmux("capture-pane", "-p", "-t", "console")

    def shows(self, pattern: str) -> bool:
        """Whether *pattern*, a regular expression, is on the screen now."""
        return re.search(pattern, self.screen()) is not None

    def expect(self, pattern: str, *, limit_s: float = SCREEN_S) -> str:
        """Wait until *pattern* is on the screen, and return the screen.

        Raises:
            TookTooLongError: it never was; the last screen is in the message.
        """
        try:
            wait_for(repr(pattern), lambda: self.shows(pattern), limit_s=limit_s)
        except TookTooLongError as error:
            raise TookTooLongError(f"{error}; the screen:\n{self.screen()}") from error
        return self.screen()

    def press(self, *keys: str) -> None:
        """Send keys by tmux's names, such as ``D``, ``Enter`` or ``Space``."""
        self._tmux("send-keys", "-t", "console", *keys)

    def press_for(self, key: str, pattern: str) -> str:
        """Press *key* once and wait for what it must bring to the screen."""
        self.press(key)
        return self.expect(pattern)

    def press_until(self, key: str, pattern: str) -> str:
        """Press *key* until it was heard, for what it leads to; a new dialog is deaf at first."""

        def came() -> bool:
            if self.shows(pattern):
                return True
            self.press(key)
            return self._soon(pattern)

        wait_for(repr(pattern), came, limit_s=SCREEN_S)
        return self.screen()

    def _soon(self, pattern: str) -> bool:
        try:
            wait_for(repr(pattern), lambda: self.shows(pattern), limit_s=HEARD_S)
        except TookTooLongError:
            return False
        return True

    def type(self, text: str) -> None:
        """Type *text* letter by letter."""
        self._tmux("send-keys", "-t", "console", "-l", text)

    def answer(self, title: str, text: str) -> None:
        """Answer the question *title* with *text*, and wait until it is closed."""
        self.expect(re.escape(title))

        def stands_there() -> bool:
            # A new question is deaf for a moment, so some of it may not have been heard.
            self.press("C-u")
            self.type(text)
            return self._soon(re.escape(f"[{text}_]"))

        wait_for(f"{text!r} stands in the field", stands_there)
        self.press("Enter")
        wait_for("the question is closed", lambda: not self.shows("Enter go on"))

    def agree(self, button: str) -> None:
        """Say yes to the dialog that has *button*, and wait until it is closed.

        A new dialog is deaf for a moment, so the key is struck until it was heard.
        """
        self.expect(re.escape(f"[ {button} (y) ]"))

        def is_there() -> bool:
            # Two looks: the first may fall between two halves of a painting.
            return self.shows(r"\(y\) \]") or self._soon(r"\(y\) \]")

        def closed() -> bool:
            if not is_there():
                return True
            self.press("y")
            return False

        wait_for(f"the dialog {button} is closed", closed)

    def close(self) -> None:
        """End the server; the program gets SIGHUP, as when a window is closed."""
        self._tmux("kill-server")

    @property
    def is_open(self) -> bool:
        """Whether the tmux server runs."""
        done = subprocess.run(
            ["tmux", "-S", str(self._server), "has-session"],
            capture_output=True,
            timeout=TMUX_S,
            check=False,
        )
        return done.returncode == 0


@contextmanager
def terminal() -> Iterator[Terminal]:
    """Bring a terminal of one's own, and take it away again."""
    # Not below a test's folder: a socket's path may have 107 bytes only.
    with tempfile.TemporaryDirectory(prefix="dynamicfs-tmux-") as folder:
        screen = Terminal(Path(folder) / "socket")
        try:
            yield screen
        finally:
            if screen.is_open:
                screen.close()


def names_path(pid: int, path: Path) -> bool:
    """Whether the command line of *pid* names *path*: process numbers are used again."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
    return os.fsencode(path) in words
