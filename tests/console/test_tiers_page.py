"""The tiers page: space, distribution, and disks that get full."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dynamicfs_tui.console.glyphs import ASCII, UNICODE
from dynamicfs_tui.console.tier_lines import fill_word
from engine.units import TIB
from tests.console.canned_views import empty, healthy
from tests.console.driving import Driver, drive, picture


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 60)], ids=lambda s: f"{s[0]}x{s[1]}")
def test_space_and_data_are_said_by_tier(size: tuple[int, int]) -> None:
    screen = picture(healthy(), size=size, keys=("5",))

    assert "73%  5.9T of  8.0T   2 disks" in screen
    assert "where 9.0T of user data are" in screen
    assert "33%  3.0T   9.7k extents" in screen
    assert "stored 1.28x" in screen


def test_a_full_disk_is_told_by_symbol_and_word() -> None:
    view = healthy()
    disks = (replace(view.disks[0], free_bytes=TIB // 10), *view.disks[1:])

    assert "! full" in picture(replace(view, disks=disks), size=(120, 40), keys=("5",))


@pytest.mark.parametrize("glyphs", [UNICODE, ASCII], ids=["unicode", "ascii"])
def test_the_words_of_fullness_differ_without_colour(glyphs: object) -> None:
    words = {fill_word(used, 100, glyphs).text for used in (10, 79, 80, 89, 90, 100)}  # type: ignore[arg-type]

    assert len(words) == 3


def test_a_pool_without_data_is_drawn() -> None:
    assert "Tiers" in picture(empty(), size=(120, 40), keys=("5",))


def test_enter_opens_the_disk_under_the_cursor() -> None:
    view = healthy()

    async def script(driver: Driver) -> None:
        await driver.press("5", "j", "enter")
        assert driver.app.frame.page.page_name == "disks"
        assert driver.app.selected_uuid == view.disks[1].uuid

    drive(view, script)


def test_the_page_is_pure_ascii_where_it_must_be() -> None:
    picture(healthy(), size=(120, 40), glyphs=ASCII, keys=("5",)).encode("ascii")
