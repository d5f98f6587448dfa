"""Pictures of the console over a pool: the SVG files of the documents are made by this.

There is no canned pool in here: whoever calls brings a ``PoolControl``.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from textual.pilot import Pilot

from dynamicfs_tui.console.app import ConsoleApp
from dynamicfs_tui.console.feed import ConsoleClock
from dynamicfs_tui.console.glyphs import UNICODE, Glyphs
from dynamicfs_tui.console.palette import THEMES
from engine.status.control import PoolControl

SIZES: Final[Mapping[str, tuple[int, int]]] = {
    "80x24": (80, 24),
    "120x40": (120, 40),
    "200x60": (200, 60),
}
"""Columns and rows."""

Settle = Callable[[ConsoleApp], Awaitable[None]]
"""Lets time pass before the picture, so that rates are known."""


async def save_screen(
    control: PoolControl,
    path: Path,
    *,
    size: tuple[int, int],
    keys: Sequence[str] = (),
    settle: Settle | None = None,
    clock: ConsoleClock | None = None,
    glyphs: Glyphs = UNICODE,
    theme: str = THEMES[0].name,
) -> str:
    """Write the console of *control* to *path* as SVG and return its text.

    *keys* are pressed first; none of them is confirmed for you. OSError when
    *path* cannot be written.
    """
    app = ConsoleApp(control, clock=clock, glyphs=glyphs, theme=theme, poll_s=None)
    async with app.run_test(size=size) as pilot:
        await _draw(app, pilot)
        if settle is not None:
            await settle(app)
        for key in keys:
            await pilot.press(key)
            await _draw(app, pilot)
            # What the key asked the engine for comes from a thread.
            await app.workers.wait_for_complete()
        await _draw(app, pilot)
        path.write_text(portable_svg(app.export_screenshot(title="DynamicFS")), encoding="utf-8")
        return screen_text(app)


def portable_svg(svg: str) -> str:
    """Return *svg* so that rasterisers, too, keep leading spaces and find a monospaced font."""
    svg = svg.replace("<text ", '<text xml:space="preserve" ')
    return svg.replace("Fira Code, monospace", "Fira Code, DejaVu Sans Mono, monospace")


async def _draw(app: ConsoleApp, pilot: Pilot[str]) -> None:
    app.tick()
    await pilot.pause()


def screen_text(app: ConsoleApp) -> str:
    """Return what is on the screen as lines of text, without colours."""
    width, height = app.size
    compositor = app.screen._compositor  # noqa: SLF001 - Textual has no public way to the text
    rows = [strip.text for strip in compositor.render_strips()]
    return "\n".join(row.rstrip() for row in rows[:height]) if width else ""
