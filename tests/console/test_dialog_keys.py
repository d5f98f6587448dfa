"""What keys do in a question, by the clock."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dynamicfs_tui.console.actions import ACTIONS
from dynamicfs_tui.console.dialog_keys import CONFIRM_KEY, Choice, DialogKeys, Outcome
from dynamicfs_tui.console.plans import Plan, PlanVerdict, plan_waiting

PLAN = Plan(title="Scrub", facts=(), verdict=PlanVerdict.SAFE, why="", confirm="start")
TYPED = replace(PLAN, typed_name="d3")
BLOCKED = replace(PLAN, verdict=PlanVerdict.BLOCKED)


def opened(plan: Plan = PLAN) -> DialogKeys:
    return DialogKeys(plan, opened_s=100.0)


@pytest.mark.parametrize("key", ["enter", "escape", CONFIRM_KEY, "S"])
def test_keys_in_the_first_400_ms_do_nothing(key: str) -> None:
    assert opened().press(key, None, 100.39) is Outcome.OPEN


def test_the_confirm_key_confirms_afterwards() -> None:
    assert opened().press(CONFIRM_KEY, CONFIRM_KEY, 100.41) is Outcome.CONFIRMED


def test_enter_on_a_fresh_dialog_cancels() -> None:
    assert opened().press("enter", None, 101.0) is Outcome.CANCELLED


def test_enter_confirms_after_moving_to_the_other_choice() -> None:
    keys = opened()
    keys.press("right", None, 101.0)

    assert keys.press("enter", None, 102.0) is Outcome.CONFIRMED


def test_a_held_enter_never_confirms() -> None:
    keys = opened()
    keys.choice = Choice.CONFIRM
    now_s = 100.0

    for _repeat in range(40):
        now_s += 0.03
        assert keys.press("enter", None, now_s) is Outcome.OPEN


def test_no_opening_key_confirms() -> None:
    assert all(CONFIRM_KEY not in action.keys for action in ACTIONS if action.changes_pool)


def test_a_name_must_be_typed_exactly() -> None:
    keys = opened(TYPED)

    keys.press("d", "d", 101.0)
    assert not keys.armed
    keys.press("3", "3", 101.2)
    assert keys.armed
    keys.press("0", "0", 101.4)
    assert not keys.armed
    keys.press("backspace", None, 101.6)

    assert keys.press("enter", None, 102.0) is Outcome.CONFIRMED


def test_the_confirm_key_is_text_where_a_name_is_wanted() -> None:
    keys = opened(TYPED)

    assert keys.press(CONFIRM_KEY, CONFIRM_KEY, 101.0) is Outcome.OPEN
    assert keys.typed == CONFIRM_KEY


def test_a_wrong_name_and_enter_cancels() -> None:
    keys = opened(TYPED)
    keys.press("x", "x", 101.0)

    assert keys.press("enter", None, 102.0) is Outcome.CANCELLED


def test_a_choice_cannot_be_moved_to_confirm_before_the_name_is_typed() -> None:
    keys = opened(TYPED)
    keys.press("tab", None, 101.0)

    assert keys.choice is Choice.CANCEL


@pytest.mark.parametrize("plan", [BLOCKED, plan_waiting("Drain")], ids=["blocked", "waiting"])
@pytest.mark.parametrize("key", [CONFIRM_KEY, "right", "tab"])
def test_a_blocked_or_unfinished_plan_cannot_be_confirmed(key: str, plan: Plan) -> None:
    keys = opened(plan)

    assert keys.press(key, key, 101.0) is Outcome.OPEN
    assert keys.choose(Choice.CONFIRM, 102.0) is Outcome.OPEN
    assert keys.press("enter", None, 103.0) is Outcome.CANCELLED


def test_a_click_is_ignored_while_the_dialog_is_deaf() -> None:
    assert opened().choose(Choice.CONFIRM, 100.2) is Outcome.OPEN
