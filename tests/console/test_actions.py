"""The registry of actions keeps the rules of the keyboard."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dynamicfs_tui.console.action import Action
from dynamicfs_tui.console.actions import (
    ACTIONS,
    HARMLESS_CAPITALS,
    SMALL_CHANGERS,
    actions_of,
    find_action,
)
from dynamicfs_tui.console.footer_lines import footer_line
from dynamicfs_tui.console.glyphs import UNICODE
from dynamicfs_tui.console.help_screen import help_pane
from dynamicfs_tui.console.pages import PAGES
from dynamicfs_tui.console.rates import NO_RATES
from dynamicfs_tui.console.scene import Scene
from dynamicfs_tui.console.text import plain
from engine.status.views import PoolView
from tests.console.canned_views import NOW_NS, degraded, healthy, rebuilding, scrubbing


def scene(view: PoolView, *, page: str = "overview", read_only: bool = False) -> Scene:
    return Scene(
        view=view, rates=NO_RATES, glyphs=UNICODE, now_ns=NOW_NS, page=page, read_only=read_only
    )


PAGE_NAMES = [spec.name for spec in PAGES]
EACH_ACTION = pytest.mark.parametrize("action", ACTIONS, ids=lambda action: action.action_id)


@pytest.mark.parametrize("page", PAGE_NAMES)
def test_no_key_and_no_id_means_two_things_on_one_page(page: str) -> None:
    actions = actions_of(page)
    keys = [key for action in actions for key in action.keys]
    ids = [action.action_id for action in actions]

    assert sorted(set(keys)) == sorted(keys)
    assert sorted(set(ids)) == sorted(ids)


def test_an_id_names_one_action_wherever_it_works() -> None:
    every = [action for page in PAGE_NAMES for action in actions_of(page)]

    assert len({id(action) for action in every}) == len({action.action_id for action in every})


def test_pages_have_numbers_and_names_of_their_own_in_order() -> None:
    numbers = [spec.number for spec in PAGES]

    assert numbers == sorted(set(numbers))
    assert len(set(PAGE_NAMES)) == len(PAGES)
    assert all(1 <= number <= 9 for number in numbers)


@EACH_ACTION
def test_exactly_the_keys_that_change_the_pool_are_capitals(action: Action) -> None:
    for key in action.keys:
        if key in SMALL_CHANGERS or key.startswith("f"):
            continue
        capital = len(key) == 1 and key.isupper() and key not in HARMLESS_CAPITALS
        assert capital == action.changes_pool


@EACH_ACTION
def test_every_action_has_a_help_text_that_is_a_sentence(action: Action) -> None:
    assert action.help.endswith(".")
    assert action.help[0].isupper()


def test_function_keys_are_never_the_only_binding() -> None:
    for action in ACTIONS:
        assert any(not (key[0] == "f" and key[1:].isdigit()) for key in action.keys)


def test_no_key_collides_with_multiplexers() -> None:
    keys = {key for action in ACTIONS for key in action.keys}

    assert not keys & {"ctrl+s", "ctrl+o", "ctrl+j", "ctrl+a", "ctrl+b", "ctrl+z"}


@pytest.mark.parametrize("page", PAGE_NAMES)
def test_the_help_page_shows_every_action_of_its_page(page: str) -> None:
    text = help_pane(actions_of(page), scene(healthy(), page=page), 120)
    rows = "\n".join(plain(row) for row in text.body.between(0, 999))

    for action in actions_of(page):
        assert action.help.split(";")[0].split(",")[0].rstrip(".") in rows


@pytest.mark.parametrize("page", PAGE_NAMES)
def test_the_footer_of_every_page_offers_help_quit_and_commands_first(page: str) -> None:
    row = plain(footer_line(actions_of(page), scene(healthy(), page=page), 80))

    assert row.startswith(" ? help  q quit…  : commands")


def test_the_footer_says_what_can_be_taken_back() -> None:
    undoable = replace(scene(healthy()), undo="limit 90MB/s")

    assert plain(footer_line((), undoable, 80)).startswith(" u undo limit 90MB/s")


def test_the_footer_names_what_the_key_would_do_now() -> None:
    paused = replace(rebuilding(), reconcile=replace(rebuilding().reconcile, paused=True))

    assert "P pause" in plain(footer_line(actions_of("rebuild"), scene(rebuilding()), 120))
    assert "P resume" in plain(footer_line(actions_of("rebuild"), scene(paused), 120))


@pytest.mark.parametrize(
    ("action_id", "view", "word"),
    [
        ("scrub.start", scrubbing(), "running"),
        ("scrub.stop", healthy(), "no scrub"),
        ("work.start", healthy(), "nothing to rebuild"),
        ("work.start", rebuilding(), "running"),
        ("disk.heal", healthy(), "healthy already"),
    ],
)
def test_an_action_that_makes_no_sense_now_says_why(
    action_id: str, view: PoolView, word: str
) -> None:
    action = find_action(action_id)

    assert word in action.why_not(scene(view))


def test_a_rebuild_may_start_while_one_waits() -> None:
    view = degraded()

    assert find_action("work.start").why_not(scene(view)) == ""


def test_a_read_only_console_refuses_every_change() -> None:
    for action in ACTIONS:
        refused = action.why_not(scene(degraded(), read_only=True))
        assert bool(refused) >= action.changes_pool


def test_a_read_only_pool_refuses_what_must_write() -> None:
    view = replace(degraded(), writable=False, read_only_reason="no quorum")

    assert "no quorum" in find_action("disk.fail").why_not(scene(view))
    assert find_action("scrub.start").why_not(scene(view)) == ""
