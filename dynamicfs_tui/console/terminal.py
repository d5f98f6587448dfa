"""Keep the terminal for the console alone.

C libraries (libfuse among them) write to file descriptor 2, where Textual
paints. ``protect_terminal`` gives Textual a duplicate of the terminal and
points descriptor 2 at a log. A size in the environment is forgotten: it is the
one of the shell's start, and would be believed more than the terminal.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from engine.errors import UsageError

STDERR_FD = 2
_SIZE_VARIABLES = ("COLUMNS", "LINES")


class NoTerminalError(UsageError):
    """Standard input or standard error is no terminal; a console needs both."""


def require_terminal() -> None:
    """Return when a console can be shown here.

    Raises:
        NoTerminalError: input or error output leads elsewhere.
    """
    if not (os.isatty(0) and os.isatty(STDERR_FD)):
        raise NoTerminalError("a console needs a terminal; `dynamicfs mount` works without one")


@contextmanager
def protect_terminal(log_path: Path) -> Iterator[None]:
    """Send descriptor 2 to *log_path* (appended, mode 0600) while Textual keeps the terminal.

    Both are put back at the end, also after an exception. Call it before the
    application is made and in the main thread: descriptors belong to the
    whole process.

    Raises:
        OSError: the log cannot be opened; nothing was changed.
    """
    log_fd = os.open(log_path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        sys.stderr.flush()
        terminal_fd = os.dup(STDERR_FD)
        os.dup2(log_fd, STDERR_FD, inheritable=True)
    finally:
        os.close(log_fd)
    told = {name: os.environ.pop(name) for name in _SIZE_VARIABLES if name in os.environ}
    before = sys.__stderr__
    terminal = os.fdopen(terminal_fd, "w", encoding="utf-8", closefd=False)
    # The driver paints on sys.__stderr__; there is no other way to hand it a file.
    sys.__stderr__ = terminal  # type: ignore[misc]
    try:
        yield
    finally:
        sys.__stderr__ = before  # type: ignore[misc]
        os.environ.update(told)
        terminal.close()
        sys.stderr.flush()
        os.dup2(terminal_fd, STDERR_FD, inheritable=True)
        os.close(terminal_fd)
