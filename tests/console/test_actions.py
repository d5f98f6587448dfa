"""The registry of actions keeps the rules of the keyboard."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dynamicfs_tui.console.actions import ACTIONS, HARMLESS_CAPITALS, Action, Weight, find_action
from dynamicfs_tui.console.app import ConsoleApp
from dynamicfs_tui.console.footer_lines import footer_lines
from dynamicfs_tui.console.glyphs import UNICODE
from dynamicfs_tui.console.help_screen import help_pane
from dynamicfs_tui.console.rates import NO_RATES
from dynamicfs_tui.console.scene import Scene
from dynamicfs_tui.console.text import plain
from dynamicfs_tui.console.verbs import VERBS
from engine.status.views import PoolView
from tests.console.canned import CannedControl
from tests.console.canned_views import NOW_NS, degraded, healthy, rebuilding, scrubbing


def scene(view: PoolView) -> Scene:
    return Scene(view=view, rates=NO_RATES, glyphs=UNICODE, now_ns=NOW_NS)


def test_no_key_and_no_id_is_used_twice() -> None:
    keys = [key for action in ACTIONS for key in action.keys]
    ids = [action.action_id for action in ACTIONS]

    assert len(set(keys)) == len(keys)
    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize("action", ACTIONS, ids=lambda action: action.action_id)
def test_exactly_the_keys_that_change_the_pool_are_capitals(action: Action) -> None:
    for key in action.keys:
        capital = len(key) == 1 and key.isupper() and key not in HARMLESS_CAPITALS
        assert capital == action.changes_pool


@pytest.mark.parametrize("action", ACTIONS, ids=lambda action: action.action_id)
def test_every_action_has_a_help_text_and_something_to_do(action: Action) -> None:
    app = ConsoleApp(CannedControl(healthy()), poll_s=None)

    assert action.help.endswith(".")
    assert action.action_id in app._handlers


def test_every_action_that_changes_the_pool_is_a_verb_and_asks_unless_it_is_reversible() -> None:
    changing = [action for action in ACTIONS if action.changes_pool]

    assert {action.action_id for action in changing} == set(VERBS)
    for action in changing:
        acts_at_once = VERBS[action.action_id].plan is None
        assert acts_at_once == (action.weight is Weight.REVERSIBLE)


def test_a_destructive_action_wants_a_name_typed() -> None:
    for action in (action for action in ACTIONS if action.weight is Weight.DESTRUCTIVE):
        plan = VERBS[action.action_id].plan
        assert plan is not None
        assert plan(healthy(), healthy().disks[1]).typed_name == "d1"


def test_no_key_collides_with_multiplexers() -> None:
    keys = {key for action in ACTIONS for key in action.keys}

    assert not keys & {"ctrl+s", "ctrl+o", "ctrl+j", "ctrl+a", "ctrl+b", "ctrl+z"}


def test_the_help_page_shows_every_action() -> None:
    page = "\n".join(plain(row) for row in help_pane(scene(healthy()), 90).body.between(0, 999))

    for action in ACTIONS:
        assert action.help.split(";")[0].rstrip(".") in page


def test_the_footer_offers_help_and_quit_first() -> None:
    row = plain(footer_lines(scene(healthy()), 80)[0])

    assert row.startswith(" ? help  q quit…")


@pytest.mark.parametrize(
    ("action_id", "view", "word"),
    [
        ("scrub", scrubbing(), "running"),
        ("stop_scrub", healthy(), "no scrub"),
        ("rebuild", healthy(), "nothing to rebuild"),
        ("rebuild", rebuilding(), "running"),
        ("heal_disk", healthy(), "healthy already"),
    ],
)
def test_an_action_that_makes_no_sense_now_says_why(
    action_id: str, view: PoolView, word: str
) -> None:
    action = find_action(action_id)

    assert word in action.why_not(view, view.disks[0], read_only=False)


def test_a_rebuild_may_start_while_one_waits() -> None:
    view = degraded()

    assert find_action("rebuild").why_not(view, None, read_only=False) == ""


def test_a_read_only_console_refuses_every_change() -> None:
    for action in ACTIONS:
        refused = action.why_not(degraded(), degraded().disks[3], read_only=True)
        assert bool(refused) >= action.changes_pool


def test_a_read_only_pool_refuses_what_must_write() -> None:
    view = replace(degraded(), writable=False, read_only_reason="no quorum")

    assert "no quorum" in find_action("fail_disk").why_not(view, view.disks[0], read_only=False)
    assert find_action("scrub").why_not(view, view.disks[0], read_only=False) == ""
