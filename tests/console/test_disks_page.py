"""The disks: table and particulars, and what an operator does to the table."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest

from dynamicfs_tui.console.disk_detail import advice
from dynamicfs_tui.console.glyphs import ASCII
from engine.model.disk import DiskState
from engine.status.views import DiskErrorsView
from tests.console.canned import CannedControl
from tests.console.canned_healing import healing
from tests.console.canned_views import degraded, disk, healthy
from tests.console.driving import Driver, drive, picture

SIZES = [(80, 24), (120, 40), (200, 60)]
EVERY_SIZE = pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")


def rows_with_disks(text: str) -> list[str]:
    """Return the names of the disks in the order of the table."""
    found = (re.match(r"[│ ▸*]*(d\d) +[●◔!◐✗] ", row) for row in text.split("\n"))
    return [match[1] for match in found if match]


@EVERY_SIZE
def test_every_disk_says_in_words_how_it_is(size: tuple[int, int]) -> None:
    screen = picture(healing(), size=size, keys=("2",))

    assert rows_with_disks(screen) == ["d0", "d1", "d2", "d3", "d4", "d5"]
    for word in (
        "● HEALTHY",
        "! SUSPECT",
        "◐ DRAINING",
        "✗ FAILED",
        "MISSING",
        "detached",
        "spare",
    ):
        assert word in screen


def test_the_particulars_tell_errors_by_kind_latency_smart_and_what_to_do() -> None:
    screen = picture(healing(), size=(120, 40), keys=("2", "j"))

    assert "i/o 12  checksum 3  timeouts 1" in screen
    assert "4 in 10 min" in screen
    assert "9 repaired" in screen
    assert "p50 4.0ms  p99 88ms" in screen
    assert "failed: 12 reallocated sectors" in screen
    assert "SUSPECT  for 7m32s" in screen
    assert "R replaces it while it can still be read" in screen


def test_the_particulars_list_the_events_of_that_disk_only() -> None:
    screen = picture(degraded(), size=(120, 40), keys=("2", "G"))

    _table, _below, particulars = screen.partition("Disk d5")
    assert "d5 is missing: unplugged" in particulars
    assert "d3 is missing" not in particulars


def test_enter_shows_the_particulars_alone_and_escape_the_table_again() -> None:
    async def script(driver: Driver) -> None:
        await driver.press("2", "j", "enter")
        assert "Disks > d1" in driver.text().split("\n")[1]
        assert rows_with_disks(driver.text()) == []
        await driver.press("escape")
        assert "▸ d1" in driver.text()

    drive(healing(), script, size=(80, 24))


def test_the_selected_disk_is_the_same_on_both_pages() -> None:
    async def script(driver: Driver) -> None:
        await driver.press("j", "j", "2")
        assert "Disk d2" in driver.text()
        await driver.press("j", "escape")
        assert "▸ d3" in driver.text()

    drive(healing(), script)


def test_a_filter_is_typed_into_the_title_and_escape_ends_it() -> None:
    async def script(driver: Driver) -> None:
        await driver.press("2", "slash", *"susp")
        assert "1/6 /susp_" in driver.text()
        assert rows_with_disks(driver.text()) == ["d1"]
        await driver.press("enter")
        assert "1/6 /susp " in driver.text()
        await driver.press("escape")
        assert len(rows_with_disks(driver.text())) == 6
        assert driver.app.frame.page.page_name == "disks"

    assert drive(healing(), script).control.calls == []


def test_letters_of_a_filter_are_no_keys() -> None:
    async def script(driver: Driver) -> None:
        await driver.press("2", "slash", *"qDFS", "backspace", "backspace", "backspace")
        assert "/q_" in driver.text()
        assert len(driver.app.screen_stack) == 1

    assert drive(healing(), script).control.calls == []


def test_a_filter_compares_numbers() -> None:
    screen = picture(healing(), size=(120, 40), keys=("2", "slash", *"err>5"))

    assert rows_with_disks(screen) == ["d1", "d3"]


def test_a_filter_that_nothing_matches_says_so() -> None:
    assert "no row matches /zzz" in picture(healthy(), size=(80, 24), keys=("2", "slash", *"zzz"))


def test_the_cursor_stays_on_its_disk_while_the_table_is_sorted() -> None:
    async def script(driver: Driver) -> None:
        await driver.press("2", "j")
        await driver.press("o", "o")
        assert rows_with_disks(driver.text()) == ["d5", "d4", "d3", "d2", "d1", "d0"]
        assert "▸ d1" in driver.text()
        assert "DIS▼" in driver.text()

    drive(healing(), script)


def test_a_click_on_a_title_sorts_by_it_and_once_more_the_other_way() -> None:
    async def script(driver: Driver) -> None:
        await driver.press("2")
        head = driver.text().split("\n")[3]
        for wanted in (["d0", "d2", "d4", "d5", "d1", "d3"], ["d3", "d1", "d0", "d2", "d4", "d5"]):
            await driver.pilot.click(offset=(head.index(" ERR") + 2, 3))
            driver.clock.advance(1.0)
            await driver.tick()
            assert rows_with_disks(driver.text()) == wanted

    drive(healing(), script)


def test_marks_stay_with_their_rows_and_are_counted() -> None:
    async def script(driver: Driver) -> None:
        await driver.press("2", "space", "space", "o", "o")
        assert "2 marked" in driver.text()
        marked = [row for row in driver.text().split("\n") if row.lstrip("│ ▸").startswith("*d")]
        assert [row.lstrip("│ ▸*")[:2] for row in marked] == ["d1", "d0"]

    drive(healing(), script)


def test_the_cursor_goes_to_the_next_row_when_its_disk_leaves() -> None:
    control = CannedControl(healing())

    async def script(driver: Driver) -> None:
        await driver.press("2", "j", "j")
        view = healing()
        control.set_view(replace(view, disks=(*view.disks[:2], *view.disks[3:])))
        await driver.tick()
        assert driver.app.selected_uuid == view.disks[3].uuid

    drive(control, script)


def test_errors_that_grow_stand_out_for_two_seconds() -> None:
    control = CannedControl(healing())

    async def script(driver: Driver) -> None:
        await driver.press("2")
        view = healing()
        worse = replace(view.disks[1], lifetime=DiskErrorsView(io=40, checksum=3, timeouts=1))
        control.set_view(replace(view, disks=(view.disks[0], worse, *view.disks[2:])))
        await driver.tick()
        assert "↑44" in driver.text()
        driver.clock.advance(2.1)
        await driver.tick()
        assert "↑44" not in driver.text()

    drive(control, script)


def test_a_row_is_copied_as_json_and_its_first_cell_as_text() -> None:
    async def script(driver: Driver) -> None:
        await driver.press("2", "j", "Y")
        row = json.loads(driver.app.clipboard)
        assert (row["disk"], row["state"], row["err"]) == ("d1", "suspect", 16)
        await driver.press("y")
        assert driver.app.clipboard == "d1"

    drive(healing(), script)


def test_a_detached_disk_is_no_missing_one() -> None:
    screen = picture(healing(), size=(120, 40), keys=("2",))

    assert "1 missing  1 spare" in screen
    assert "2 Disks(1)" in screen


def test_the_symbols_of_all_states_differ_without_colour_and_without_unicode() -> None:
    assert len({mark.symbol for mark in ASCII.disks.values()}) == len(ASCII.disks)
    picture(healing(), size=(120, 40), glyphs=ASCII, keys=("2",)).encode("ascii")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, ""),
        ({"detached": True, "present": False}, "O takes it back"),
        ({"present": False}, "R puts a new disk in its place"),
        ({"smart": "failed: worn"}, "R replaces it"),
        ({"state": DiskState.FAILED}, "R replaces it"),
        ({"state": DiskState.DRAINING}, "X removes it when it is empty"),
        ({"state": DiskState.SUSPECT}, "D moves its data away"),
        ({"lifetime": DiskErrorsView(io=1, recent=1)}, "S scrubs"),
    ],
    ids=["fine", "detached", "missing", "smart", "failed", "draining", "suspect", "recent"],
)
def test_the_advice_names_the_key_that_helps(changes: dict[str, object], words: str) -> None:
    said = advice(disk(0, **changes))

    assert words in said
    assert bool(said) == bool(words)


def test_w_shows_the_columns_that_have_no_room_and_the_first_ones_again() -> None:
    async def script(driver: Driver) -> None:
        await driver.press("2")
        before = driver.text()
        assert "SIZE" not in before
        await driver.press("w")
        assert "SIZE" in driver.text()
        await driver.press("w")
        assert driver.text().splitlines()[2:] == before.splitlines()[2:]

    drive(healthy(), script, size=(80, 24))


def test_n_walks_through_what_matches_the_filter_round_and_round() -> None:
    seen: list[str] = []

    async def script(driver: Driver) -> None:
        await driver.press("2", "n")
        assert driver.toasts() == ["there is no filter, or no match: / starts one"]
        await driver.press("slash", "w", "a", "r", "m", "enter")
        for key in ("n", "n", "n", "N"):
            await driver.press(key)
            seen.append(driver.app.need_scene().selected.name)  # type: ignore[union-attr]

    drive(healthy(), script)
    assert seen == ["d3", "d2", "d3", "d2"]
