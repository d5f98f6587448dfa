"""Start the console in this process and say how it ended."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from dynamicfs_tui.console.app import POLL_S, ConsoleApp
from dynamicfs_tui.console.glyphs import ASCII, UNICODE, choose_glyphs
from dynamicfs_tui.console.palette import THEMES
from dynamicfs_tui.console.plans import PoolHolder
from dynamicfs_tui.console.settings import Settings, load_settings, settings_path
from dynamicfs_tui.console.terminal import protect_terminal, require_terminal
from engine.status.control import PoolControl
from engine.status.views import PoolView

CRASHED = "crash"
"""The console died by an exception of its own; the log has it, the pool is untouched."""


def run_console(
    control: PoolControl,
    *,
    log_path: Path,
    on_signal: Callable[[signal.Signals], None] | None = None,
    settings: Settings | None = None,
    take_view: Callable[[], PoolView] | None = None,
    holder: PoolHolder = PoolHolder.THIS_PROCESS,
) -> str:
    """Run the console of *control* until it ends; return ``quit``, ``signal NAME`` or ``crash``.

    *settings* are the operator's own when they are not given.

    Call it in the main thread. Descriptor 2 leads to *log_path* meanwhile.
    *on_signal* is called in the same thread, before the screen closes. The
    caller closes pool and mount afterwards, whatever the reason.

    Raises:
        NoTerminalError: there is no terminal; nothing was changed.
        SettingsError: the settings file cannot be meant; nothing was changed.
        OSError: the log cannot be opened; nothing was changed.
    """
    require_terminal()
    wanted = choose_settings(os.environ) if settings is None else settings
    before = signal.getsignal(signal.SIGTSTP)
    try:
        with protect_terminal(log_path):
            app = make_app(control, wanted, take_view=take_view, holder=holder)
            app.catch_signals(on_signal)
            return app.run() or CRASHED
    finally:
        signal.signal(signal.SIGTSTP, before)


def choose_settings(environment: Mapping[str, str]) -> Settings:
    """Return what the operator's file says, and what *environment* asks for beyond it.

    Raises:
        SettingsError: the file cannot be meant.
    """
    settings = load_settings(settings_path(environment))
    return replace(
        settings,
        ascii=settings.ascii or choose_glyphs(environment) is ASCII,
        read_only=settings.read_only or asks_read_only(environment),
    )


def make_app(
    control: PoolControl,
    settings: Settings,
    *,
    take_view: Callable[[], PoolView] | None = None,
    holder: PoolHolder = PoolHolder.THIS_PROCESS,
) -> ConsoleApp:
    """Return the console of *control* as *settings* want it."""
    return ConsoleApp(
        control,
        glyphs=ASCII if settings.ascii else UNICODE,
        read_only=settings.read_only,
        theme=settings.theme or THEMES[0].name,
        poll_s=settings.interval_s or POLL_S,
        keymap=settings.keys,
        start=(settings.page, settings.pane),
        take_view=take_view,
        holder=holder,
    )


def asks_read_only(environment: Mapping[str, str]) -> bool:
    """Whether the environment wants a console that changes nothing.

    >>> asks_read_only({"DYNAMICFS_READONLY": "1"}), asks_read_only({})
    (True, False)
    """
    return environment.get("DYNAMICFS_READONLY", "") not in ("", "0")
