"""Watching long work of a pool from a command."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from dynamicfs_tui.cli.command import Session
from engine.status.control import PoolControl
from engine.status.views import PoolView

LOOK_S: Final = 0.2
"""Between two looks at work that runs; a view costs its owner well under 1 ms."""


def watch(
    session: Session,
    control: PoolControl,
    finished: Callable[[PoolView], bool],
    progress: Callable[[PoolView], str],
) -> PoolView:
    """Look until *finished*; show *progress* on one line of a terminal."""
    shows = session.stderr.isatty()
    while not finished(view := control.view()):
        if shows:
            print(f"\r\033[K{progress(view)}", end="", file=session.stderr, flush=True)
        session.pause(LOOK_S)
    if shows:
        print("\r\033[K", end="", file=session.stderr, flush=True)
    return view
