"""Ways between the pages: numbers, tabs, drill-down, and back."""

from __future__ import annotations

import pytest

from dynamicfs_tui.console.pages import PAGES, PageSpec
from tests.console.canned_views import degraded, healthy
from tests.console.driving import Driver, drive, picture

SIZES = [(80, 24), (120, 40), (200, 60)]
EVERY_SIZE = pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")


@pytest.mark.parametrize("spec", PAGES, ids=lambda spec: spec.name)
def test_a_number_opens_its_page_and_escape_returns(spec: PageSpec) -> None:
    async def script(driver: Driver) -> None:
        await driver.press(str(spec.number))
        assert driver.app.frame.page.page_name == spec.name
        assert f"{spec.number} {spec.title}" in driver.text().split("\n")[1]
        await driver.press("escape")
        assert driver.app.frame.page.page_name == "overview"

    drive(healthy(), script)


def test_escape_goes_back_page_by_page() -> None:
    async def script(driver: Driver) -> None:
        seen = []
        await driver.press("2", "3", "8")
        for _step in range(4):
            seen.append(driver.app.frame.page.page_name)
            await driver.press("escape")
        assert seen == ["events", "rebuild", "disks", "overview"]

    drive(healthy(), script)


@EVERY_SIZE
def test_the_tabs_are_on_every_page_and_say_what_wants_attention(size: tuple[int, int]) -> None:
    for spec in PAGES:
        tabs = picture(degraded(), size=size, keys=(str(spec.number),)).split("\n")[1]
        for each in PAGES:
            assert f"{each.number} {each.title}" in tabs or f"{each.number}{each.short}" in tabs
        assert "Disks(2)" in tabs or "2Dk(2)" in tabs


def test_a_click_on_a_tab_opens_its_page() -> None:
    async def script(driver: Driver) -> None:
        tabs = driver.text().split("\n")[1]
        await driver.pilot.click(offset=(tabs.index("Rebuild") + 2, 1))
        await driver.pilot.pause()
        assert driver.app.frame.page.page_name == "rebuild"

    drive(healthy(), script)


def test_enter_on_a_pane_of_the_overview_opens_its_page() -> None:
    async def script(driver: Driver) -> None:
        for name in ("disks", "rebuild", "scrub", "tiers", "events"):
            await driver.press("enter")
            assert driver.app.frame.page.page_name == name
            await driver.press("escape")
            driver.app.frame.page.panes[name].focus()
            await driver.press("tab")

    drive(healthy(), script)


def test_a_double_click_is_enter() -> None:
    async def script(driver: Driver) -> None:
        rows = driver.text().split("\n")
        row = next(index for index, text in enumerate(rows) if "─ Rebuild" in text)
        await driver.pilot.click(offset=(10, row + 1), times=2)
        await driver.pilot.pause()
        assert driver.app.frame.page.page_name == "rebuild"

    drive(healthy(), script)


@pytest.mark.parametrize("spec", PAGES, ids=lambda spec: spec.name)
def test_every_page_fits_the_smallest_terminal_and_the_notice_below_it(spec: PageSpec) -> None:
    async def script(driver: Driver) -> None:
        await driver.press(str(spec.number))
        assert f"{spec.number}{spec.short}" in driver.text().split("\n")[1]
        await driver.pilot.resize_terminal(59, 16)
        await driver.until("needs 60x16")
        await driver.pilot.resize_terminal(60, 16)
        await driver.until(f"{spec.number}{spec.short}")

    drive(degraded(), script, size=(60, 16))


def test_e_goes_to_the_events_and_back_again() -> None:
    async def script(driver: Driver) -> None:
        await driver.press("3", "e")
        assert driver.app.frame.page.page_name == "events"
        await driver.press("e")
        assert driver.app.frame.page.page_name == "rebuild"

    drive(healthy(), script)


def test_one_key_goes_through_the_layouts_and_back_to_the_first() -> None:
    async def script(driver: Driver) -> None:
        for page, pane in (("rebuild", "work"), ("overview", "disks"), ("overview", "")):
            await driver.press("f12")
            assert (driver.app.frame.page.page_name, driver.app.frame.page.zoomed) == (page, pane)

    drive(healthy(), script)
