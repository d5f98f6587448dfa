"""The files page: a lazy tree, where a file is, and what the keys ask for."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from dynamicfs_tui.console.file_tree import FileTree, TreeRow
from dynamicfs_tui.console.glyphs import ASCII
from engine.units import GIB
from tests.console.canned import CannedControl
from tests.console.canned_places import damaged, entry, full_control
from tests.console.driving import Driver, drive


async def go(driver: Driver, *keys: str) -> None:
    """Press *keys*, each answered before the next."""
    for key in keys:
        await driver.press(key)
        await driver.wait_for_verbs()


def screen_of(*keys: str, size: tuple[int, int] = (120, 40)) -> str:
    """Return the files page after *keys*."""
    seen: list[str] = []

    async def script(driver: Driver) -> None:
        await go(driver, "6", *keys)
        seen.append(driver.text())

    drive(full_control(), script, size=size)
    return seen[0]


def listed(control: CannedControl) -> list[object]:
    """Return the folders that were asked for, in order."""
    return [call[1] for call in control.calls if call[0] == "files.list_directory"]


def test_only_folders_that_are_opened_are_asked_for() -> None:
    control = full_control()

    async def script(driver: Driver) -> None:
        await go(driver, "6")
        assert listed(control) == ["/"]
        await go(driver, "j", "j", "enter")

    drive(control, script)

    assert listed(control) == ["/", "/vm"]


def test_nothing_is_asked_for_before_the_page_is_seen() -> None:
    async def script(driver: Driver) -> None:
        await go(driver, "2", "1")

    assert listed(drive(full_control(), script).control) == []


def test_the_tree_shows_folders_first_with_health_in_symbol_and_word() -> None:
    rows = [row for row in screen_of("j", "j", "enter").split("\n") if row.startswith("│")]
    names = [row[:58] for row in rows]

    assert "photos/" in names[2]
    assert "✗ lost" in names[2]
    assert "vm/" in names[3]
    assert "▲ degraded" in names[3]
    assert "[b]odd[/b]" in names[4]
    assert "! exposed" in names[4]
    assert "db.img" in names[5]
    assert "readme.txt" in names[6]
    assert "● whole" in names[6]


@pytest.mark.parametrize("size", [(80, 24), (120, 40)], ids=["80x24", "120x40"])
def test_enter_on_a_file_shows_its_fragments_by_disk(size: tuple[int, int]) -> None:
    screen = screen_of("G", "enter", size=size)

    assert "▲ degraded" in screen
    assert "survives no more loss" in screen
    assert "rs:4+2 (pool)" in screen
    assert "SURVIVES  d1   d2" in screen
    assert "0         0    1✗" in screen
    assert "and 39 extents more" in screen


def test_escape_comes_back_to_the_tree_on_a_narrow_terminal() -> None:
    assert "readme.txt" in screen_of("G", "enter", "escape", size=(80, 24))


def test_a_path_is_found_and_the_way_to_it_opened() -> None:
    control = full_control()

    async def script(driver: Driver) -> None:
        await go(driver, "6", "f", "ctrl+u", *"/vm/db.img", "enter")
        assert "▸       db.img" in driver.text()

    drive(control, script)

    assert ("files.where", "/vm/db.img") in control.calls
    assert listed(control) == ["/", "/vm"]


def test_an_error_stands_in_the_page_and_not_in_the_way(expected_warnings: object) -> None:
    expected_warnings("failed")  # type: ignore[operator]
    control = full_control()
    control.verb_error = OSError("the pool is busy")

    async def script(driver: Driver) -> None:
        await go(driver, "6")
        assert "the pool is busy" in driver.text()
        control.verb_error = None
        await go(driver, "r")
        assert "readme.txt" in driver.text()

    drive(control, script)


def test_closing_a_folder_forgets_it_so_that_it_is_read_anew() -> None:
    control = full_control()

    async def script(driver: Driver) -> None:
        await go(driver, "6", "j", "j", "l", "h", "l")

    drive(control, script)

    assert listed(control) == ["/", "/vm", "/vm"]


def test_the_answer_is_copied_as_json() -> None:
    async def script(driver: Driver) -> None:
        await go(driver, "6", "G", "enter", "c")
        assert json.loads(driver.app.clipboard)["redundancy"] == "rs:4+2"
        await go(driver, "y")
        assert driver.app.clipboard == "/readme.txt"

    drive(full_control(), script)


def test_what_is_below_the_cursor_is_verified_after_a_plan() -> None:
    control = full_control(damaged(running=False))

    async def script(driver: Driver) -> None:
        await go(driver, "6", "j", "j", "V")
        assert "Scrub directory /vm" in driver.text()
        await go(driver, "y")

    drive(control, script)

    assert ("scrubs.start", "directory /vm", False) in control.calls


def test_redundancy_is_asked_for_planned_and_set() -> None:
    control = full_control()
    control.files.plan = replace(
        control.files.plan, moves_extents=1_400, moves_bytes=11 * GIB, duration_s=600.0
    )

    async def script(driver: Driver) -> None:
        await go(driver, "6", "j", "j", "L", *"copies:3", "enter")
        await driver.until("SAFE: it survives the loss of 2 disks, as now")
        assert "11.0 GiB in 1,400 extents" in driver.text()
        assert "about 10m" in driver.text()
        assert "dynamicfs change-policy /srv/pool /vm copies:3" in driver.text()
        await go(driver, "y")

    drive(control, script)

    assert ("files.plan_redundancy", "/vm", "copies:3") in control.calls
    assert ("files.set_redundancy", "/vm", "copies:3") in control.calls


def test_the_page_is_pure_ascii_where_it_must_be() -> None:
    async def script(driver: Driver) -> None:
        await go(driver, "6", "G", "enter")
        driver.text().encode("ascii")

    drive(full_control(), script, glyphs=ASCII)


def test_a_large_folder_says_that_more_is_found_by_path() -> None:
    tree = FileTree()
    tree.fill("/", [entry(f"f{number:05}") for number in range(5_000)])

    rows = tree.rows()

    assert len(rows) == 5_002
    assert rows[-1] == TreeRow(path="/", depth=1, note="more: f finds a path")


def test_an_empty_folder_says_so() -> None:
    tree = FileTree()
    tree.fill("/", [])

    assert [row.note for row in tree.rows()] == ["", "(empty)"]
