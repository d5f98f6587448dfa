"""What-if: marks are questions, answers are the engine's, and nothing is changed."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import pytest

from dynamicfs_tui.console.glyphs import ASCII
from dynamicfs_tui.console.loss_lines import SETS_MAX, loss_sets, worst_first
from engine.status.answers import WhatIfView
from tests.canned_facets import WHAT_IF, CannedDisks
from tests.console.canned import CannedControl
from tests.console.canned_places import DATA_LOSS, LOST_PATH, full_control
from tests.console.driving import Driver, drive
from tests.console.test_files_page import go


def asked(control: CannedControl) -> list[tuple[str, ...]]:
    """Return the sets of disks that were asked about."""
    return [tuple(call[1]) for call in control.calls if call[0] == "disks.what_if"]  # type: ignore[arg-type]


def uuids(control: CannedControl) -> list[str]:
    """Return the disks in their order."""
    return [disk.uuid for disk in control.view().disks]


def test_a_mark_asks_at_once_and_the_answer_says_simulation_only() -> None:
    control = full_control()

    async def script(driver: Driver) -> None:
        await go(driver, "7", "space")
        screen = driver.text()
        assert "NO DATA LOSS, LESS REDUNDANCY" in screen
        assert "SIMULATION ONLY: nothing is changed" in screen
        await go(driver, "space")

    drive(control, script)
    first, second = uuids(control)[:2]

    assert asked(control) == [(first,), (first, second)]


@pytest.mark.parametrize("size", [(80, 24), (120, 40)], ids=["80x24", "120x40"])
def test_a_loss_is_said_in_bytes_files_and_paths(size: tuple[int, int]) -> None:
    control = full_control()
    control.disks.loss = DATA_LOSS

    async def script(driver: Driver) -> None:
        await go(driver, "7", "space", "enter")
        screen = driver.text()
        assert "✗ DATA LOSS" in screen
        assert "61.0 GiB, 1,204 extents in 38 files" in screen
        assert "IT DOES NOT FIT" in screen
        assert "the pool becomes read-only" in screen
        assert LOST_PATH in screen
        assert "and 36 more" in screen
        assert "more disks may fail" not in screen
        assert "meanwhile" not in screen
        assert "of what is left, no more disk may fail" in " ".join(screen.split())

    drive(control, script, size=size)


def test_any_two_asks_about_every_pair_and_puts_the_worst_first() -> None:
    control = full_control()
    first, second = uuids(control)[1:3]
    control.disks.losses[(first, second)] = replace(DATA_LOSS, disks=("d1", "d2"))

    async def script(driver: Driver) -> None:
        await go(driver, "7", "b")
        screen = driver.text()
        assert "14 of 15 can be lost without loss of data" in screen
        assert "✗ d1+d2  data loss  lost 61G  exposed 80G" in screen

    drive(control, script)

    assert asked(control) == list(combinations(uuids(control), 2))


def test_any_one_asks_about_each_disk() -> None:
    control = full_control()

    async def script(driver: Driver) -> None:
        await go(driver, "7", "a")
        assert "6 of 6 can be lost without loss of data" in driver.text()

    drive(control, script)

    assert asked(control) == [(uuid,) for uuid in uuids(control)]


def test_clearing_the_marks_clears_the_answer() -> None:
    async def script(driver: Driver) -> None:
        await go(driver, "7", "space", "c")
        assert "verdict" not in driver.text()
        assert "Space marks a disk as lost" in driver.text()

    drive(full_control(), script)


class SlowDisks(CannedDisks):
    """Answers only when its gate is open."""

    def __init__(self, record: Callable[..., None]) -> None:
        super().__init__(record)
        self.gate = threading.Event()

    def what_if(self, disks: Sequence[str]) -> WhatIfView:
        answer = super().what_if(disks)
        assert self.gate.wait(30.0)
        return answer


def test_of_marks_made_while_an_answer_is_on_its_way_only_the_last_are_asked_about() -> None:
    control = full_control()
    slow = SlowDisks(control._record)
    control.disks = slow
    first, second, third = uuids(control)[:3]

    async def script(driver: Driver) -> None:
        await driver.press("7", "space", "space", "space")
        slow.gate.set()
        await driver.wait_for_verbs()
        await driver.wait_for_verbs()

    drive(control, script)

    assert asked(control) == [(first,), (first, second, third)]


def test_a_disk_can_be_simulated_from_its_page() -> None:
    control = full_control()

    async def script(driver: Driver) -> None:
        await go(driver, "2", "j", "s")
        assert driver.app.frame.page.page_name == "what-if"

    drive(control, script)

    assert asked(control) == [(uuids(control)[1],)]


def test_a_refusal_stands_in_the_result(expected_warnings: object) -> None:
    expected_warnings("failed")  # type: ignore[operator]
    control = full_control()
    control.verb_error = OSError("the pool is busy")

    async def script(driver: Driver) -> None:
        await go(driver, "7", "space")
        assert "the pool is busy" in driver.text()

    drive(control, script)


def test_the_answer_is_exported_as_json(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))

    async def script(driver: Driver) -> None:
        await go(driver, "7", "space", "x")

    drive(full_control(), script)
    (path,) = (tmp_path / "dynamicfs").iterdir()

    assert json.loads(path.read_text(encoding="ascii"))[0]["degraded_extents"] == 120


def test_no_key_of_the_page_changes_the_pool() -> None:
    control = full_control()

    async def script(driver: Driver) -> None:
        await go(driver, "7", "space", "a", "b", "r", "enter", "escape", "c")

    drive(control, script)

    assert {call[0] for call in control.calls} == {"disks.what_if"}


def test_the_page_is_pure_ascii_where_it_must_be() -> None:
    async def script(driver: Driver) -> None:
        await go(driver, "7", "b")
        driver.text().encode("ascii")

    drive(full_control(), script, glyphs=ASCII)


def test_too_many_sets_are_left_out_and_counted() -> None:
    sets, left_out = loss_sets([str(number) for number in range(40)], 2)

    assert len(sets) == SETS_MAX
    assert left_out == 780 - SETS_MAX


def test_what_loses_more_comes_first() -> None:
    exposed = replace(WHAT_IF, disks=("d3",), exposed_bytes=1)

    assert worst_first([WHAT_IF, exposed, DATA_LOSS]) == (DATA_LOSS, exposed, WHAT_IF)
