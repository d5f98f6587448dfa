"""Start the console in this process and say how it ended."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

from dynamicfs_tui.console.app import POLL_S, ConsoleApp
from dynamicfs_tui.console.feed import ConsoleClock
from dynamicfs_tui.console.glyphs import Glyphs, choose_glyphs
from dynamicfs_tui.console.palette import THEMES
from dynamicfs_tui.console.terminal import protect_terminal, require_terminal
from engine.status.control import PoolControl

CRASHED = "crash"
"""The console died by an exception of its own; the log has it, the pool is untouched."""


def run_console(
    control: PoolControl,
    *,
    log_path: Path,
    on_signal: Callable[[signal.Signals], None] | None = None,
    clock: ConsoleClock | None = None,
    glyphs: Glyphs | None = None,
    read_only: bool = False,
    theme: str = THEMES[0].name,
    poll_s: float = POLL_S,
) -> str:
    """Run the console of *control* until it ends; return ``quit``, ``signal NAME`` or ``crash``.

    Call it in the main thread. Descriptor 2 leads to *log_path* meanwhile.
    *on_signal* is called in the same thread, before the screen closes. The
    caller closes pool and mount afterwards, whatever the reason.

    Raises:
        NoTerminalError: there is no terminal; nothing was changed.
        OSError: the log cannot be opened; nothing was changed.
    """
    require_terminal()
    before = signal.getsignal(signal.SIGTSTP)
    try:
        with protect_terminal(log_path):
            app = ConsoleApp(
                control,
                clock=clock,
                glyphs=glyphs or choose_glyphs(os.environ),
                read_only=read_only,
                theme=theme,
                poll_s=poll_s,
            )
            app.catch_signals(on_signal)
            return app.run() or CRASHED
    finally:
        signal.signal(signal.SIGTSTP, before)
