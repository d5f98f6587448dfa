"""What the screen says about each state of a pool, at three sizes."""

from __future__ import annotations

import timeit
from dataclasses import replace

import pytest
from rich.cells import cell_len

from dynamicfs_tui.console.glyphs import ASCII, UNICODE
from dynamicfs_tui.console.job_lines import scrub_pane
from dynamicfs_tui.console.rates import NO_RATES
from dynamicfs_tui.console.scene import Scene
from dynamicfs_tui.console.text import plain
from tests.console.canned import CannedControl
from tests.console.canned_views import (
    NOW_NS,
    SCENES,
    after,
    data_loss,
    degraded,
    disk,
    empty,
    healthy,
    rebuilding,
    scrub_damage,
    scrubbing,
)
from tests.console.driving import Driver, drive, picture

SIZES = [(80, 24), (120, 40), (200, 60)]
EVERY_SIZE = pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")


@EVERY_SIZE
@pytest.mark.parametrize("name", SCENES)
def test_every_state_names_pool_health_sentence_code_disks_and_clock(
    name: str, size: tuple[int, int]
) -> None:
    view = SCENES[name]()

    rows = picture(view, size=size).split("\n")

    assert len(rows) == size[1]
    assert all(cell_len(row) <= size[0] for row in rows)
    assert f"DynamicFS {view.name}" in rows[0]
    assert view.verdict.word.upper() in rows[0]
    assert "22:13:20" in rows[0]
    assert view.verdict.sentence in rows[2]
    assert view.verdict.code in rows[2]
    for each in view.disks:
        assert any(f"{each.name} " in row and each.state.upper() in row for row in rows)


@EVERY_SIZE
def test_a_degraded_pool_says_what_to_do_and_how_much_is_exposed(size: tuple[int, int]) -> None:
    screen = picture(degraded(), size=size)

    assert "press B to rebuild" in screen
    assert "you can lose no more disks" in screen
    assert "6.0T" in screen
    assert "20k" in screen
    assert screen.count("MISSING") == 2
    assert "unplugged" in screen


@EVERY_SIZE
def test_a_waiting_rebuild_counts_down_with_its_time_of_day(size: tuple[int, int]) -> None:
    screen = picture(degraded(), size=size)

    assert "starts in 7m30s (22:20)" in screen
    assert "rebuild delay of d3 and d5" in screen


@EVERY_SIZE
def test_a_running_rebuild_shows_progress_rate_and_eta(size: tuple[int, int]) -> None:
    screen = picture(rebuilding(), size=size)

    assert "43%" in screen
    assert "11,482/26,700 extents" in screen
    assert "212MB/s" in screen
    assert "ETA 1h12m (23:25)" in screen
    assert "3Rb✗" in screen or "3 Rebuild✗" in screen


def test_the_extents_in_hand_are_listed_with_state_and_reason() -> None:
    screen = picture(rebuilding(), size=(120, 40), keys=("3",))

    assert "77 ‖ pending   0%" in screen
    assert "needs one more disk, or re-encode 3+2: +11 % space" in screen
    assert "91 ✗ failed" in screen


def test_a_running_scrub_shows_progress_rate_and_counts() -> None:
    screen = picture(scrubbing(), size=(120, 40))

    assert "175,000/247,000 fragments" in screen
    assert "410MB/s" in screen
    assert "intact 175k" in screen


def test_findings_name_the_file_and_nothing_in_a_name_reaches_the_terminal() -> None:
    screen = picture(scrub_damage(), size=(120, 40), keys=("4",))

    assert "/vm/db01.img" in screen
    assert "/[b]not markup[/b]" in screen
    assert r"/a\x1b[31m\nb\udcff" in screen
    assert "\x1b" not in screen


def test_lost_data_is_said_and_so_is_why_the_pool_is_read_only() -> None:
    screen = picture(data_loss(), size=(120, 40))

    assert " RO " in screen.split("\n")[0]
    assert "read-only: fewer than 3 journal disks answer" in screen
    assert "✗ lost" in screen.split("\n")[4]
    assert "61G" in screen.split("\n")[4]


def test_an_empty_pool_says_so() -> None:
    screen = picture(empty(), size=(120, 40))

    assert "no data yet" in screen
    assert "never scrubbed; S starts one" in screen
    assert "nothing happened yet" in screen


def test_a_pool_without_disks_says_how_to_add_one() -> None:
    screen = picture(replace(empty(), disks=(), tiers=()), size=(80, 24))

    assert "No disks yet" in screen


@pytest.mark.parametrize("name", SCENES)
def test_without_unicode_the_screen_is_pure_ascii(name: str) -> None:
    picture(SCENES[name](), size=(120, 40), glyphs=ASCII).encode("ascii")


def test_the_selected_disks_reason_is_shown_in_full_below_the_table() -> None:
    screen = picture(degraded(), size=(80, 24), keys=("j", "j", "j"))

    assert "▸ d3  directory is gone: input/output error while probing" in screen


def test_more_disks_than_rows_scroll_with_the_cursor() -> None:
    many = tuple(
        replace(disk(0), name=f"disk{n:02}", uuid=f"uuid-{n}", disk_id=n) for n in range(40)
    )
    view = replace(healthy(), disks=many)

    assert "disk39" not in picture(view, size=(80, 24))
    assert "▸ disk39" in picture(view, size=(80, 24), keys=("G",))


def test_below_60x16_only_a_notice_is_shown() -> None:
    screen = picture(healthy(), size=(50, 12))

    assert "needs 60x16, this is 50x12" in screen
    assert "tank" not in screen


def test_the_overview_comes_back_when_the_terminal_grows() -> None:
    async def script(driver: Driver) -> None:
        await driver.pilot.resize_terminal(50, 12)
        await driver.pilot.pause()
        assert "needs 60x16" in driver.text()
        await driver.pilot.resize_terminal(80, 24)
        await driver.tick()
        await driver.pilot.pause()
        assert "─Disks 6" in driver.text()

    drive(healthy(), script)


def test_rates_appear_with_the_second_view() -> None:
    first = healthy()
    control = CannedControl(first)

    async def script(driver: Driver) -> None:
        assert "--" in driver.text().split("\n")[0]
        control.set_view(after(first, 1.0, read_mib_s=182, write_mib_s=41))
        await driver.tick()
        assert "↓ 182MB/s ↑  41MB/s" in driver.text().split("\n")[0]

    drive(control, script)


def test_a_view_that_cannot_be_taken_shows_a_badge_and_the_app_lives(
    expected_warnings: object,
) -> None:
    expected_warnings("view could not be taken")  # type: ignore[operator]
    control = CannedControl(healthy())

    async def script(driver: Driver) -> None:
        control.view_error = RuntimeError("deque mutated [/b]")
        await driver.tick()
        assert "metrics error" in driver.text()
        assert "RuntimeError: deque mutated [/b]" in driver.text()
        control.view_error = None
        await driver.tick()
        assert "metrics error" not in driver.text()

    assert drive(control, script).control.views == 3


def test_a_pool_that_never_gave_a_view_is_waited_for(expected_warnings: object) -> None:
    expected_warnings("view could not be taken")  # type: ignore[operator]
    control = CannedControl(healthy())
    control.view_error = RuntimeError("not yet")

    async def script(driver: Driver) -> None:
        assert "waiting for the pool" in driver.text()
        await driver.press("j", "S", "z", "question_mark")
        control.view_error = None
        await driver.tick()
        await driver.pilot.pause()
        assert "All data has its full redundancy" in driver.text()

    drive(control, script)


def test_a_view_that_cannot_be_drawn_does_not_end_the_app(expected_warnings: object) -> None:
    expected_warnings("could not be drawn")  # type: ignore[operator]
    broken = replace(healthy(), exposure=None)  # type: ignore[arg-type]
    control = CannedControl(healthy())

    async def script(driver: Driver) -> None:
        control.set_view(broken)
        await driver.tick()
        control.set_view(healthy())
        await driver.tick()
        assert "you can lose 2 more disks" in driver.text()

    drive(control, script)


def test_unknown_keys_are_harmless_and_silent() -> None:
    async def script(driver: Driver) -> None:
        before = driver.text()
        await driver.press_at_once("b", "ä", "f7", "ctrl+s", "ctrl+z", "ctrl+x", "insert")
        assert driver.text() == before
        assert driver.toasts() == []
        assert driver.app.is_running

    drive(healthy(), script)


def test_a_held_display_stands_still_and_says_so() -> None:
    first = healthy()
    control = CannedControl(first)

    async def script(driver: Driver) -> None:
        await driver.press("p")
        control.set_view(degraded())
        await driver.tick()
        assert "HOLD" in driver.text()
        assert "MISSING" not in driver.text()
        await driver.press("p")
        assert "MISSING" in driver.text()

    drive(control, script)


def test_zoom_comes_back_with_the_same_key() -> None:
    async def script(driver: Driver) -> None:
        await driver.press("z")
        assert "Rebuild" not in driver.text().split("\n", 2)[2]
        await driver.press("z")
        assert "─ Rebuild" in driver.text()

    drive(healthy(), script)


def test_tab_walks_through_the_panes() -> None:
    async def script(driver: Driver) -> None:
        names = []
        for _step in range(5):
            names.append(driver.app.focused.id if driver.app.focused else None)
            await driver.press("tab")
        assert names == ["disks", "rebuild", "scrub", "tiers", "events"]

    drive(healthy(), script)


def test_help_opens_over_the_overview_and_closes() -> None:
    async def script(driver: Driver) -> None:
        await driver.press("question_mark")
        assert "Upper-case keys act on the pool" in driver.text()
        await driver.press("escape")
        assert "Upper-case keys act on the pool" not in driver.text()

    drive(healthy(), script, size=(80, 24))


def test_a_turn_for_the_worse_is_told_and_one_for_the_better_is_not() -> None:
    control = CannedControl(healthy())

    async def script(driver: Driver) -> None:
        control.set_view(degraded())
        await driver.tick()
        assert any("AT RISK" in toast for toast in driver.toasts())
        told = len(driver.toasts())
        control.set_view(healthy())
        await driver.tick()
        assert len(driver.toasts()) == told

    drive(control, script)


def test_the_cursor_stays_on_its_disk_when_disks_come_and_go() -> None:
    view = healthy()
    control = CannedControl(view)

    async def script(driver: Driver) -> None:
        await driver.press("j", "j")
        control.set_view(replace(view, disks=view.disks[1:]))
        await driver.tick()
        assert "▸ d2" in driver.text()

    drive(control, script)


def test_a_name_with_brackets_is_no_markup() -> None:
    view = replace(healthy(), name="[/b]", disks=(disk(0, name="[/x]d", path="/[red]"),))

    screen = picture(view, size=(200, 60))

    assert "DynamicFS [/b]" in screen
    assert "Disk [/x]d" in screen
    assert "/[red]" in screen


def test_only_the_rows_that_are_seen_are_written() -> None:
    view = scrub_damage()
    many = tuple(replace(view.scrub.findings[0], extent_id=n) for n in range(10_000))
    scene = Scene(
        view=replace(view, scrub=replace(view.scrub, findings=many)),
        rates=NO_RATES,
        glyphs=UNICODE,
        now_ns=NOW_NS,
    )

    body = scrub_pane(scene, 80).body

    assert len(body) == 10_000
    assert "500" in plain(body.between(500, 501)[0])
    assert timeit.timeit(lambda: scrub_pane(scene, 80), number=10) < 1.0
