"""Drive the console as an operator does: keys in, text out, time by hand."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from textual.pilot import Pilot

from dynamicfs_tui.console.app import ConsoleApp
from dynamicfs_tui.console.dialog_keys import DEAF_S
from dynamicfs_tui.console.glyphs import UNICODE, Glyphs
from dynamicfs_tui.console.plans import PoolHolder
from dynamicfs_tui.console.screenshots import screen_text
from engine.clock import ManualClock
from engine.status.views import PoolView
from tests.console.canned import CannedControl
from tests.console.canned_views import NOW_NS


@dataclass
class Driver:
    """One running console with its pool and its clock."""

    app: ConsoleApp
    pilot: Pilot[str]
    control: CannedControl
    clock: ManualClock

    def text(self) -> str:
        return screen_text(self.app)

    async def press(self, *keys: str) -> None:
        """Press keys a second apart, as people do."""
        for key in keys:
            self.clock.advance(1.0)
            await self.pilot.press(key)
        await self.pilot.pause()

    async def press_at_once(self, *keys: str) -> None:
        """Press keys with no time between them."""
        for key in keys:
            await self.pilot.press(key)
        await self.pilot.pause()

    async def tick(self) -> None:
        self.app.tick()
        await self.pilot.pause()

    async def wait_for_verbs(self) -> None:
        await self.app.workers.wait_for_complete()
        await self.pilot.pause()

    async def until(self, words: str) -> None:
        """Let the screen be painted until it says *words*; assert that it does at last."""
        for _turn in range(500):
            if words in self.text():
                return
            # Textual paints by a timer of its own, sixty times a second.
            await self.pilot.pause(0.01)
        assert words in self.text()

    def toasts(self) -> list[str]:
        return [toast.message for toast in self.app._notifications]


Script = Callable[[Driver], Awaitable[None]]


def drive(
    view: PoolView | CannedControl,
    script: Script,
    *,
    size: tuple[int, int] = (120, 40),
    glyphs: Glyphs = UNICODE,
    read_only: bool = False,
    holder: PoolHolder = PoolHolder.THIS_PROCESS,
) -> Driver:
    """Run *script* against a console of *view*; the clock stands unless a key is pressed."""
    control = view if isinstance(view, CannedControl) else CannedControl(view)
    clock = ManualClock(NOW_NS)
    app = ConsoleApp(
        control, clock=clock, glyphs=glyphs, read_only=read_only, poll_s=None, holder=holder
    )

    async def run() -> Driver:
        async with app.run_test(size=size, notifications=True) as pilot:
            await pilot.pause()
            driver = Driver(app=app, pilot=pilot, control=control, clock=clock)
            await script(driver)
            return driver

    return asyncio.run(run())


def picture(
    view: PoolView, *, size: tuple[int, int], glyphs: Glyphs = UNICODE, keys: tuple[str, ...] = ()
) -> str:
    """Return the text of the console of *view* after *keys*."""
    seen: list[str] = []

    async def script(driver: Driver) -> None:
        await driver.press(*keys)
        seen.append(driver.text())

    drive(view, script, size=size, glyphs=glyphs)
    return seen[0]


assert DEAF_S < 1.0, "a second between keys must be longer than a dialog is deaf"
