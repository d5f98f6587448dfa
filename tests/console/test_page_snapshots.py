"""Pictures of the pages beside the main screen; how to renew them: ``test_snapshots``."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from textual.pilot import Pilot

from dynamicfs_tui.console.app import ConsoleApp
from dynamicfs_tui.console.glyphs import ASCII, UNICODE, Glyphs
from engine.clock import ManualClock
from tests.console.canned_places import DATA_LOSS, full_control
from tests.console.canned_views import NOW_NS

SnapCompare = Callable[..., bool]

PAGES = {
    "scrub": ("4",),
    "tiers": ("5",),
    "files": ("6", "j", "j", "enter", "G", "enter"),
    "what-if": ("7", "space", "space"),
    "events": ("8",),
}


def frozen(glyphs: Glyphs = UNICODE) -> ConsoleApp:
    """Return a console whose time stands, over a pool with something on every page."""
    control = full_control()
    control.disks.loss = DATA_LOSS
    return ConsoleApp(control, clock=ManualClock(NOW_NS), poll_s=None, glyphs=glyphs)


def opening(app: ConsoleApp, page: str) -> Callable[[Pilot[str]], object]:
    """Return what presses the keys of *page*, each answered before the next."""

    async def press(pilot: Pilot[str]) -> None:
        for key in PAGES[page]:
            await pilot.press(key)
            await app.workers.wait_for_complete()
            await pilot.pause()
        app.tick()
        await pilot.pause()

    return press


@pytest.mark.parametrize("size", [(80, 24), (120, 40)], ids=["80x24", "120x40"])
@pytest.mark.parametrize("page", PAGES)
def test_a_page_looks_as_it_did(
    page: str, size: tuple[int, int], snap_compare: SnapCompare
) -> None:
    app = frozen()

    assert snap_compare(app, terminal_size=size, run_before=opening(app, page))


@pytest.mark.parametrize("page", ["scrub", "files"])
def test_a_page_is_readable_without_colours_and_symbols(
    page: str, snap_compare: SnapCompare, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    app = frozen(ASCII)

    assert snap_compare(app, terminal_size=(120, 40), run_before=opening(app, page))
