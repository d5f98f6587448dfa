"""The rebuild: what it says, and what its keys ask of the pool."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from dynamicfs_tui.console.glyphs import ASCII
from dynamicfs_tui.console.question_dialog import QuestionDialog
from dynamicfs_tui.console.work_paths import ITEMS_MAX
from dynamicfs_tui.console.work_verbs import FULL_SPEED_S
from engine.errors import UsageError
from engine.status.views import PoolView, ReconcileView, WorkPriority, WorkState
from engine.units import MIB
from tests.conftest import ExpectedWarnings
from tests.console.canned import CannedControl
from tests.console.canned_healing import PENDING_REASON, healing, item, no_work, paused
from tests.console.canned_views import NOW_NS
from tests.console.driving import Driver, drive, picture

SIZES = [(80, 24), (120, 40), (200, 60)]
EVERY_SIZE = pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")


def with_work(**changes: object) -> PoolView:
    """Return the healing pool with *changes* to its rebuild."""
    view = healing()
    return replace(view, reconcile=replace(view.reconcile, **changes))  # type: ignore[arg-type]


@EVERY_SIZE
def test_the_round_says_progress_rates_limit_mode_and_when_it_ends(size: tuple[int, int]) -> None:
    screen = picture(healing(), size=size, keys=("3",))

    assert "43%  11,482 / 26,700" in screen
    assert "1.3T / 2.9T" in screen
    assert "now 212MB/s" in screen
    assert "avg 197MB/s" in screen
    assert "limit 250MB/s" in screen
    assert "mode normal" in screen
    assert "ETA 1h12m (23:25) ±9m00s" in screen
    assert "pending 1" in screen
    assert "failed 1" in screen


def test_what_is_queued_first_and_lost_is_named() -> None:
    screen = picture(healing(), size=(120, 40), keys=("3",))

    assert "rebuild 3.1k (350G), drain 12k (1.3T)" in screen
    assert "first    /vm" in screen
    assert "✗ /photos/lost.raw" in screen
    assert r"✗ /a\x1b[31m" in screen


def test_every_extent_has_its_file_state_and_reason() -> None:
    screen = picture(healing(), size=(200, 60), keys=("3",))
    rows = {row.split()[1 + ("▸" in row)]: row for row in screen.split("\n") if "%" in row}

    assert "▶ running" in rows["1042"]
    assert "/vm/db01.img" in rows["1042"]
    assert PENDING_REASON in rows["77"]
    assert "lost" in rows["91"]
    assert "/[b]not markup[/b]" in rows["2001"]


def test_files_that_a_view_does_not_tell_are_asked_for_and_preferred() -> None:
    view = with_work(items=tuple(item(number, WorkState.QUEUED) for number in (11, 12)))
    control = CannedControl(view)
    control.work.items = (item(12, WorkState.QUEUED, path="/vm/web01.img"),)

    async def script(driver: Driver) -> None:
        await driver.press("3", "j")
        await driver.wait_for_verbs()
        await driver.until("/vm/web01.img")
        await driver.press("E")
        await driver.until("[/vm_]")

    drive(control, script)
    assert control.calls == [("work.list_work", ITEMS_MAX)]


def test_one_question_for_files_at_a_time_is_asked_and_a_refused_one_leaves_the_page_as_it_is(
    expected_warnings: ExpectedWarnings,
) -> None:
    expected_warnings("files of the rebuild failed")
    control = CannedControl(with_work(items=(item(11, WorkState.QUEUED),)))

    async def script(driver: Driver) -> None:
        control.verb_wait.clear()
        control.verb_error = UsageError("not now")
        await driver.press("3")
        for _look in range(3):
            await driver.tick()
        control.verb_wait.set()
        await driver.wait_for_verbs()
        await driver.tick()
        assert "(no file known)" in driver.text()
        assert driver.toasts() == []

    drive(control, script)
    assert control.calls == [("work.list_work", ITEMS_MAX)]


def test_the_row_under_the_cursor_tells_its_file_and_reason_in_full_below() -> None:
    screen = picture(healing(), size=(120, 40), keys=("3", "j", "j"))

    assert f"▸ /photos/2019/trip/001.raw  {PENDING_REASON}" in screen


@pytest.mark.parametrize(
    ("view", "words"),
    [
        (healing(), "▶ running"),
        (paused(healing()), "‖ paused by the operator: P resumes"),
        (with_work(cancelled=True), "‖ cancelled"),
        (with_work(active=False, waiting_s=450.0), "‖ waiting: starts in 7m30s (22:20)"),
        (with_work(active=False), "‖ stands still: retried when disks or space change"),
        (no_work(healing()), "● nothing to rebuild"),
    ],
    ids=["running", "paused", "cancelled", "waiting", "pending", "idle"],
)
def test_the_state_of_the_round_is_said_in_words(view: PoolView, words: str) -> None:
    assert words in picture(view, size=(120, 40), keys=("3",))


def test_no_eta_is_promised_while_it_stands() -> None:
    assert "ETA -- while it stands" in picture(paused(healing()), size=(120, 40), keys=("3",))


def test_full_speed_shows_until_when() -> None:
    view = with_work(full_speed_until_ns=NOW_NS + 1_801_000_000_000)

    assert "full speed for 30m00s" in picture(view, size=(120, 40), keys=("3",))


def test_the_page_is_pure_ascii_where_it_must_be() -> None:
    picture(healing(), size=(120, 40), glyphs=ASCII, keys=("3",)).encode("ascii")


ACTS = [
    ("P", healing, ("work.pause",), ("work.resume",)),
    ("P", lambda: paused(healing()), ("work.resume",), ("work.pause",)),
    ("minus", healing, ("work.limit", 225 * MIB), ("work.limit", 250 * MIB)),
    ("plus", healing, ("work.limit", 275 * MIB), ("work.limit", 250 * MIB)),
    ("F", healing, ("work.set_priority", "high"), ("work.set_priority", "normal")),
    ("H", healing, ("work.full_speed", FULL_SPEED_S), ("work.full_speed", 0)),
]


@pytest.mark.parametrize(("key", "make", "call", "undo"), ACTS, ids=lambda each: str(each)[:12])
def test_a_key_acts_at_once_and_u_takes_it_back(
    key: str, make: Callable[[], PoolView], call: tuple[object, ...], undo: tuple[object, ...]
) -> None:
    async def script(driver: Driver) -> None:
        await driver.press("3", key)
        await driver.wait_for_verbs()
        assert driver.control.calls == [call]
        assert "u undo" in driver.text()
        await driver.press("u")
        await driver.wait_for_verbs()

    assert drive(make(), script).control.calls == [call, undo]


def test_a_second_stroke_is_refused_until_the_first_is_done_and_then_does_the_opposite() -> None:
    view = healing()

    async def script(driver: Driver) -> None:
        driver.control.verb_wait.clear()
        await driver.press_at_once("3", "P", "P", "P")
        assert driver.toasts() == ["P pause: the change before it is under way  (x2)"]
        driver.control.verb_wait.set()
        await driver.wait_for_verbs()
        driver.control.set_view(paused(view))
        await driver.press_at_once("P")
        await driver.wait_for_verbs()

    assert drive(view, script).control.calls == [("work.pause",), ("work.resume",)]


@pytest.mark.parametrize("error", [None, UsageError("no")], ids=["done", "failed"])
def test_a_key_waits_for_a_view_that_was_asked_for_after_the_change(
    error: UsageError | None, expected_warnings: ExpectedWarnings
) -> None:
    """The first view afterwards may be one that somebody else had asked for before."""
    if error is not None:
        expected_warnings("limit 225MB/s failed")

    async def script(driver: Driver) -> None:
        driver.control.verb_error = error
        await driver.press_at_once("3", "minus")
        await driver.wait_for_verbs()
        assert driver.app.need_scene().under_way == {"rebuild"}
        await driver.tick()
        assert driver.app.need_scene().under_way == frozenset()

    drive(healing(), script)


def test_nothing_is_taken_back_after_ten_seconds_or_twice() -> None:
    async def script(driver: Driver) -> None:
        await driver.press("3", "P")
        await driver.wait_for_verbs()
        driver.clock.advance(10.0)
        await driver.press("u")
        assert "u undo: nothing can be taken back now" in driver.toasts()

    assert drive(healing(), script).control.calls == [("work.pause",)]


@pytest.mark.parametrize(
    ("priority", "after"),
    [("low", "normal"), ("normal", "high"), ("high", "low")],
)
def test_the_mode_key_walks_through_all_priorities(priority: str, after: str) -> None:
    async def script(driver: Driver) -> None:
        await driver.press("3", "F")
        await driver.wait_for_verbs()

    view = with_work(priority=WorkPriority(priority))
    assert drive(view, script).control.calls == [("work.set_priority", after)]


def test_the_first_step_down_without_a_limit_is_from_the_present_rate() -> None:
    async def script(driver: Driver) -> None:
        await driver.press("3", "minus")
        await driver.wait_for_verbs()

    view = with_work(limit_bytes_s=0)
    assert drive(view, script).control.calls == [("work.limit", int(212 * MIB * 0.9))]


def test_a_step_up_without_a_limit_says_that_there_is_none() -> None:
    async def script(driver: Driver) -> None:
        await driver.press("3", "plus")
        assert driver.toasts() == ["no limit is set; F raises the priority"]

    assert drive(with_work(limit_bytes_s=0), script).control.calls == []


def test_an_exact_limit_is_asked_for_and_its_meaning_shown_before_it_is_set() -> None:
    async def script(driver: Driver) -> None:
        await driver.press("3", "T", "ctrl+u", *"500")
        assert "MiB/s: [500_]" in driver.text()
        # 1,710 GiB are left: at 500 MiB/s 3,502 seconds.
        assert "58m22s at least for what is left" in driver.text()
        await driver.press("enter")
        await driver.wait_for_verbs()

    assert drive(healing(), script).control.calls == [("work.limit", 500 * MIB)]


@pytest.mark.parametrize("text", ["x", "-5", "", "nan", "inf"])
def test_what_is_no_limit_cannot_be_entered(text: str) -> None:
    async def script(driver: Driver) -> None:
        await driver.press("3", "T", "ctrl+u", *text, "enter")
        assert isinstance(driver.app.screen, QuestionDialog)
        assert "a number of MiB/s" in driver.text()
        await driver.press("escape")

    assert drive(healing(), script).control.calls == []


def test_a_directory_can_go_first_and_u_restores_what_went_first_before() -> None:
    async def script(driver: Driver) -> None:
        await driver.press("3", "j", "j", "E")
        assert "path in the pool: [/photos/2019/trip_]" in driver.text()
        await driver.press("enter")
        await driver.wait_for_verbs()
        await driver.press("u")
        await driver.wait_for_verbs()

    assert drive(healing(), script).control.calls == [
        ("work.prefer", "/photos/2019/trip"),
        ("work.prefer", ""),
        ("work.prefer", "/vm"),
    ]


def test_two_hundred_extents_are_shown_and_only_the_seen_ones_are_written() -> None:
    first = healing().reconcile.items[0]
    items = tuple(replace(first, extent_id=5000 + number) for number in range(200))
    control = CannedControl(with_work(items=items))

    async def script(driver: Driver) -> None:
        await driver.press("3")
        assert "/200" in driver.text()
        await driver.press("G")
        assert "▸    5199" in driver.text()

    drive(control, script)


def test_a_pool_that_never_rebuilt_says_so_without_numbers() -> None:
    view = replace(healing(), reconcile=ReconcileView())

    screen = picture(view, size=(80, 24), keys=("3",))

    assert "nothing to rebuild" in screen
    assert "ETA" not in screen
