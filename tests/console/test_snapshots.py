"""Pictures of the main screen: they catch what text cannot, colours above all.

After an intended change: ``pytest tests/console/test_snapshots.py
--snapshot-update``, and look at the pictures before committing them.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
from textual.pilot import Pilot

from dynamicfs_tui.console.app import ConsoleApp
from engine.clock import ManualClock
from tests.console.canned import CannedControl
from tests.console.canned_healing import healing
from tests.console.canned_views import NOW_NS, SCENES, after

SnapCompare = Callable[..., bool]


def frozen_console(name: str) -> tuple[ConsoleApp, Callable[[Pilot[str]], Awaitable[None]]]:
    """Return a console whose time stands, and what gives it a minute of traffic."""
    clock = ManualClock(NOW_NS)
    view = {**SCENES, "healing": healing}[name]()
    control = CannedControl(view)
    app = ConsoleApp(control, clock=clock, poll_s=None)

    async def let_a_minute_pass(pilot: Pilot[str]) -> None:
        moved = view
        for second in range(60):
            moved = after(moved, 1.0, read_mib_s=50 + second, write_mib_s=60 - second)
            control.set_view(moved)
            clock.advance(1.0)
            app.tick()
        await pilot.pause()

    return app, let_a_minute_pass


@pytest.mark.parametrize("size", [(80, 24), (120, 40)], ids=["80x24", "120x40"])
@pytest.mark.parametrize("name", ["healthy", "degraded", "rebuilding"])
def test_the_main_screen_looks_as_it_did(
    name: str, size: tuple[int, int], snap_compare: SnapCompare
) -> None:
    app, let_a_minute_pass = frozen_console(name)

    assert snap_compare(app, terminal_size=size, run_before=let_a_minute_pass)


@pytest.mark.parametrize("size", [(80, 24), (120, 40)], ids=["80x24", "120x40"])
@pytest.mark.parametrize(("page", "key"), [("disks", "2"), ("rebuild", "3")])
def test_a_page_looks_as_it_did(
    page: str, key: str, size: tuple[int, int], snap_compare: SnapCompare
) -> None:
    app, let_a_minute_pass = frozen_console("healing")

    async def open_page(pilot: Pilot[str]) -> None:
        await pilot.press(key, "j")
        await let_a_minute_pass(pilot)

    assert snap_compare(app, terminal_size=size, run_before=open_page)


def test_a_plan_looks_as_it_did(snap_compare: SnapCompare) -> None:
    app, let_a_minute_pass = frozen_console("healthy")

    async def ask(pilot: Pilot[str]) -> None:
        await let_a_minute_pass(pilot)
        await pilot.press("D")
        await app.workers.wait_for_complete()
        await pilot.pause()

    assert snap_compare(app, terminal_size=(80, 24), run_before=ask)


def test_the_main_screen_is_readable_without_colours(
    snap_compare: SnapCompare, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    app, let_a_minute_pass = frozen_console("degraded")

    assert snap_compare(app, terminal_size=(80, 24), run_before=let_a_minute_pass)
