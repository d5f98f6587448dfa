"""From a key through its question to one call of the pool."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dynamicfs_tui.console.dialog import PlanDialog
from dynamicfs_tui.console.question_dialog import QuestionDialog
from engine.errors import UsageError
from engine.model.disk import DiskState
from engine.status.views import PoolView
from tests.console.canned import CannedControl
from tests.console.canned_views import degraded, disk, healthy, rebuilding, scrubbing
from tests.console.driving import Driver, drive


def suspicious() -> PoolView:
    """Return a healthy pool whose first disk is suspect."""
    view = healthy()
    first = disk(0, state=DiskState.SUSPECT, errors=2, reason="slow")
    return replace(view, disks=(first, *view.disks[1:]))


UUID_0 = healthy().disks[0].uuid

PLAN_BASIS = ("disks.plan", "drain", UUID_0, "")

COMPACT_PLAN = ("work.plan_compaction",)

PLANS = ("disks.plan", "work.plan_compaction")

ASKED = [
    ("S", healthy, [("start_scrub", False)]),
    ("4 R enter", healthy, [("scrubs.start", "all", True)]),
    ("4 X", scrubbing, [("stop_scrub",)]),
    ("B", degraded, [("start_rebuild",)]),
    ("3 C", rebuilding, [("work.cancel",)]),
    ("H", suspicious, [("set_disk_health", UUID_0, "healthy")]),
    ("5 M", healthy, [("work.rebalance",)]),
    ("5 K", healthy, [COMPACT_PLAN, COMPACT_PLAN, ("work.compact",)]),
    ("D", healthy, [PLAN_BASIS, PLAN_BASIS, ("disks.drain", UUID_0)]),
]


LOOKS = ("scrubs.history", "work.list_work")
"""What a page asks for by itself; it changes nothing."""


def verbs_of(driver: Driver) -> list[tuple[object, ...]]:
    """Return what keys asked of the pool."""
    return [call for call in driver.control.calls if call[0] not in LOOKS]


def only_plans(driver: Driver) -> bool:
    """Whether the pool was asked for plans at most."""
    return all(name in PLANS for name, *_rest in verbs_of(driver))


EACH = pytest.mark.parametrize(("key", "view", "call"), ASKED, ids=[row[0] for row in ASKED])


@EACH
def test_a_verb_is_called_once_after_its_question(key, view, call) -> None:  # type: ignore[no-untyped-def]
    async def script(driver: Driver) -> None:
        await driver.press(*key.split())
        assert isinstance(driver.app.screen, PlanDialog)
        await driver.wait_for_verbs()
        assert only_plans(driver)
        await driver.press("y", "y")
        await driver.wait_for_verbs()

    assert verbs_of(drive(view(), script)) == call


@EACH
@pytest.mark.parametrize("refusal", ["enter", "escape"])
def test_enter_or_escape_on_a_fresh_question_calls_nothing(  # type: ignore[no-untyped-def]
    key, view, call, refusal
) -> None:
    async def script(driver: Driver) -> None:
        await driver.press(*key.split())
        await driver.wait_for_verbs()
        await driver.press(refusal)
        assert not isinstance(driver.app.screen, PlanDialog)

    assert only_plans(drive(view(), script))


@EACH
def test_keys_typed_ahead_do_not_answer_a_question(key, view, call) -> None:  # type: ignore[no-untyped-def]
    *page, opening = key.split()

    async def script(driver: Driver) -> None:
        await driver.press(*page)
        await driver.press_at_once(opening, "y", "enter", opening, "y")
        await driver.wait_for_verbs()
        assert isinstance(driver.app.screen, (PlanDialog, QuestionDialog))

    assert only_plans(drive(view(), script))


def test_a_probe_acts_at_once_and_tells_what_it_saw() -> None:
    async def script(driver: Driver) -> None:
        await driver.press("V")
        await driver.wait_for_verbs()
        assert driver.toasts() == ["d0: present\nd1: present"]

    assert drive(healthy(), script).control.calls == [("probe_disks",)]


def test_the_overview_goes_on_behind_a_question() -> None:
    control = CannedControl(healthy())

    async def script(driver: Driver) -> None:
        await driver.press("S")
        control.set_view(degraded())
        await driver.tick()
        await driver.pilot.pause(0.05)
        assert "AT RISK" in driver.text().split("\n")[0]

    drive(control, script)


def test_the_answer_of_a_verb_is_shown() -> None:
    async def script(driver: Driver) -> None:
        await driver.press("S", "y")
        await driver.wait_for_verbs()
        assert driver.toasts() == ["scrub started"]

    drive(healthy(), script)


@pytest.mark.parametrize("error", [UsageError("[b]no[/b] scrub now"), ValueError("oops")])
def test_the_error_of_a_verb_is_shown_and_the_app_lives(
    error: Exception, expected_warnings: object
) -> None:
    expected_warnings("Scrub the pool failed")  # type: ignore[operator]
    control = CannedControl(healthy())
    control.verb_error = error

    async def script(driver: Driver) -> None:
        await driver.press("S", "y")
        await driver.wait_for_verbs()
        assert any(str(error) in toast for toast in driver.toasts())
        assert driver.app.is_running

    drive(control, script)


def test_a_read_only_console_says_so_and_calls_nothing() -> None:
    keys = ["S", "R", "P", "F", "H", "B", "X", "D", "O", "V", "W", "T"]

    async def script(driver: Driver) -> None:
        for key in keys:
            await driver.press(key)
            refusal = f"{key} "
            # Only the newest are on the screen.
            assert any(
                toast.startswith(refusal) and "this console is read-only" in toast
                for toast in driver.toasts()
            ), driver.toasts()
        await driver.press("y")

    assert drive(suspicious(), script, read_only=True).control.calls == []


def test_a_refused_action_says_why_instead_of_asking() -> None:
    async def script(driver: Driver) -> None:
        await driver.press("4", "X")
        assert driver.toasts() == ["X stop scrub: no scrub is running"]

    drive(healthy(), script)


def test_a_key_that_acts_releases_a_held_display() -> None:
    async def script(driver: Driver) -> None:
        await driver.press("p", "S", "escape")
        assert "HOLD" not in driver.text()

    drive(healthy(), script)


@pytest.mark.parametrize("key", ["q", "ctrl+q"])
def test_quitting_asks_first(key: str) -> None:
    async def script(driver: Driver) -> None:
        await driver.press(key)
        assert "this console runs the pool tank" in driver.text()
        assert "/srv/tank" in driver.text()
        await driver.press("enter")
        assert driver.app.is_running
        await driver.press(key, "y")

    assert drive(healthy(), script).app.return_value == "quit"


def test_quitting_when_idle_waits_for_the_rebuild() -> None:
    async def script(driver: Driver) -> None:
        await driver.press("q")
        assert "[ when idle (w) ]" in driver.text()
        await driver.press("w")
        await driver.tick()
        assert "the rebuild" in driver.toasts()[-1]
        assert driver.app.return_value is None
        driver.control.set_view(healthy())
        await driver.tick()

    assert drive(rebuilding(), script).app.return_value == "quit"


def test_quitting_when_idle_can_be_taken_back() -> None:
    async def script(driver: Driver) -> None:
        await driver.press("q", "w", "q")
        assert "so far" in driver.text()
        await driver.press("escape")
        driver.control.set_view(healthy())
        await driver.tick()
        assert driver.toasts()[-1] == "the console stays"

    assert drive(rebuilding(), script).app.return_value is None


def test_nothing_is_waited_for_when_nothing_is_under_way() -> None:
    async def script(driver: Driver) -> None:
        await driver.press("q")
        assert "when idle" not in driver.text()
        await driver.press("w")
        assert "[ quit (y) ]" in driver.text()

    drive(healthy(), script)


def test_ctrl_c_gives_a_hint_and_does_not_quit() -> None:
    async def script(driver: Driver) -> None:
        await driver.press("ctrl+c")
        assert driver.app.is_running
        assert driver.toasts() == ["q quits, after a question"]

    drive(healthy(), script)


def test_a_click_on_cancel_cancels() -> None:
    async def script(driver: Driver) -> None:
        await driver.press("S")
        driver.clock.advance(1.0)
        rows = driver.text().split("\n")
        row = next(index for index, text in enumerate(rows) if "[ Cancel" in text)
        await driver.pilot.click(offset=(rows[row].index("Cancel"), row))
        await driver.pilot.pause()
        assert not isinstance(driver.app.screen, PlanDialog)

    assert drive(healthy(), script).control.calls == []


def test_every_dialog_fits_the_smallest_terminal() -> None:
    asked = [(key, view) for key, view, _calls in ASKED]
    for key, view in [*asked, ("F", healthy), ("X", healthy), ("O", healthy), ("q", healthy)]:

        async def script(driver: Driver, keys: str = key) -> None:
            await driver.press(*keys.split())
            await driver.wait_for_verbs()
            assert "Cancel (Esc)" in driver.text()

        drive(view(), script, size=(60, 16))
