"""What stands around every page: alarms, staleness, and who answers."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest

from dynamicfs_tui.console.action import Action
from dynamicfs_tui.console.actions import ACTIONS, actions_of
from dynamicfs_tui.console.alarms import Alarms
from dynamicfs_tui.console.dialog import PlanDialog
from dynamicfs_tui.console.dialog_keys import Choice
from dynamicfs_tui.console.feed import Feed
from dynamicfs_tui.console.glyphs import UNICODE
from dynamicfs_tui.console.pages import PAGES
from dynamicfs_tui.console.plans import PoolHolder
from dynamicfs_tui.console.rates import NO_RATES
from dynamicfs_tui.console.scene import Scene
from engine.clock import ManualClock
from engine.status.views import PoolView, Severity
from tests.console.canned import CannedControl
from tests.console.canned_healing import healing
from tests.console.canned_views import NOW_NS, event, healthy
from tests.console.driving import Driver, drive, picture

ALARM = event(30, Severity.CRITICAL, "disk", "d3 is [b]gone[/b]")


def with_events(*more: object) -> PoolView:
    """Return the healthy pool after *more* has happened."""
    view = healthy()
    return replace(view, events=(*view.events, *more))  # type: ignore[arg-type]


def test_a_new_critical_event_stays_on_every_page_until_it_is_acknowledged() -> None:
    control = CannedControl(healthy())

    async def script(driver: Driver) -> None:
        control.set_view(with_events(ALARM))
        await driver.tick()
        for spec in PAGES:
            await driver.press(str(spec.number))
            assert "disk: d3 is [b]gone[/b]" in driver.text().split("\n")[2]
        assert "Events(1!)" in driver.text()
        await driver.press("exclamation_mark")
        assert "! acknowledge" not in driver.text()

    drive(control, script)


def test_what_happened_before_the_console_started_is_no_alarm() -> None:
    alarms = Alarms()

    later = (ALARM, replace(ALARM, sequence=31), event(32, Severity.INFO, "disk", "fine"))
    came = [alarms.observe(events) for events in ((ALARM,), later, later)]

    assert came == [False, True, False]

    assert [each.sequence for each in alarms.open] == [31]


def test_an_engine_that_stands_still_is_said_in_the_status_line() -> None:
    screen = picture(replace(healthy(), heartbeat_s=42.0), size=(120, 40))

    assert "engine stuck 42s" in screen.split("\n")[0]


def test_a_view_that_does_not_come_any_more_is_said_and_the_screen_lives(
    expected_warnings: object,
) -> None:
    expected_warnings("view could not be taken")  # type: ignore[operator]
    control = CannedControl(healthy())

    async def script(driver: Driver) -> None:
        control.view_error = TimeoutError("silence")
        driver.clock.advance(61.0)
        await driver.tick()
        assert "no answer 1m01s" in driver.text().split("\n")[0]
        await driver.press("2")
        assert "Disk d0" in driver.text()

    drive(control, script)


def test_a_feed_that_waits_for_the_engine_does_not_make_the_screen_wait() -> None:
    asked, answer = threading.Event(), threading.Event()

    def slow_view() -> PoolView:
        asked.set()
        assert answer.wait(30)
        return healthy()

    feed = Feed(slow_view, clock=ManualClock(NOW_NS))
    feed.start(0.001)
    assert asked.wait(30)

    feed.poll()
    assert feed.view is None
    assert feed.fault == ""
    answer.set()
    while feed.view is None:
        feed.poll()
    feed.stop()

    assert feed.view == healthy()


def test_a_console_that_is_attached_says_that_the_pool_goes_on() -> None:
    async def script(driver: Driver) -> None:
        await driver.press("q")
        assert "attached to the pool tank" in driver.text()
        assert "SAFE: nothing but this console ends" in driver.text()

    drive(healing(), script, holder=PoolHolder.ANOTHER)


ASKING = [(spec, action) for spec in PAGES for action in actions_of(spec.name) if action.asks]


@pytest.mark.parametrize(
    ("spec", "action"), ASKING, ids=[f"{s.name}-{a.action_id}" for s, a in ASKING]
)
def test_every_action_that_asks_opens_a_question_with_cancel_chosen(  # type: ignore[no-untyped-def]
    spec, action
) -> None:
    asked = []

    async def script(driver: Driver) -> None:
        await driver.press(str(spec.number), "j", action.keys[0])
        await driver.wait_for_verbs()
        screen = driver.app.screen
        if isinstance(screen, PlanDialog):
            asked.append(screen.keys.choice)
        elif driver.app.screen_stack[1:]:
            asked.append(Choice.CANCEL)  # A question for a path comes before the plan.

    drive(where_it_may(action), script, size=(80, 24))

    assert asked == [Choice.CANCEL]


def where_it_may(action: Action) -> PoolView:
    """Return a pool in which nothing speaks against *action* on its second disk."""
    view = healing()
    waiting = replace(view, reconcile=replace(view.reconcile, active=False, waiting_s=9.0))
    scrubbing = replace(view, scrub=replace(view.scrub, running=True))
    for state in (view, waiting, scrubbing):
        scene = Scene(
            view=state,
            rates=NO_RATES,
            glyphs=UNICODE,
            now_ns=NOW_NS,
            selected_uuid=state.disks[1].uuid,
        )
        if not action.why_not(scene):
            return state
    raise AssertionError(f"{action.action_id} is refused in every state")


def test_a_key_can_be_given_to_another_action_by_its_id() -> None:
    async def script(driver: Driver) -> None:
        driver.app.set_keymap({"page.disks": "f4"})
        await driver.press("f4")
        assert driver.app.frame.page.page_name == "disks"

    drive(healthy(), script)


def test_the_palette_opens_the_page_of_an_action_that_is_not_here() -> None:
    async def script(driver: Driver) -> None:
        commands = list(driver.app.get_system_commands(driver.app.screen))
        assert len(commands) > len(ACTIONS) / 2
        prefer = next(each for each in commands if each.title.startswith("first"))
        prefer.callback()
        await driver.pilot.pause()
        assert driver.app.frame.page.page_name == "rebuild"

    drive(healing(), script)
