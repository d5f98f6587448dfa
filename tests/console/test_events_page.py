"""Events and audit: one timeline, its facets, its end, and the state of the chain."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from dynamicfs_tui.console.glyphs import ASCII
from dynamicfs_tui.console.log_lines import Facet, merge
from engine.status.catalog import MEANINGS
from engine.status.codes import Code
from engine.status.views import EventView, Severity
from tests.console.canned import CannedControl
from tests.console.canned_places import AUDIT, full_control
from tests.console.canned_views import BASE_EVENTS, NOW_NS
from tests.console.driving import Driver, drive
from tests.console.test_files_page import go


def happen(
    control: CannedControl,
    sequence: int,
    text: str,
    *,
    source: str = "pool",
    code: str = "",
    severity: Severity = Severity.INFO,
) -> None:
    """Let one more event of the pool happen."""
    view = control.view()
    event = EventView(
        sequence=sequence,
        time_ns=NOW_NS + sequence,
        severity=severity,
        source=source,
        text=text,
        code=code,
    )
    control.set_view(replace(view, events=(*view.events, event)))


@pytest.mark.parametrize("size", [(80, 24), (120, 40)], ids=["80x24", "120x40"])
def test_events_and_deeds_of_operators_are_one_timeline(size: tuple[int, int]) -> None:
    async def script(driver: Driver) -> None:
        await go(driver, "8")
        screen = driver.text()
        assert screen.index("opened read-write") < screen.index("disks.drain d2 by ada")
        assert "▲ warning" in screen
        assert "! error" in screen
        assert "✓ chain: done: verify_audit" in screen

    drive(full_control(), script, size=size)


def test_facets_and_severities_leave_out_the_rest() -> None:
    events = [
        replace(BASE_EVENTS[0], sequence=10 + index, severity=severity)
        for index, severity in enumerate(Severity)
    ]

    def keys(facet: Facet, least: Severity = Severity.INFO) -> set[str]:
        return {row.key for row in merge(events, AUDIT, facet, least)}

    assert keys(Facet.ALL) == {"e10", "e11", "e12", "e13", "a1", "a2"}
    assert keys(Facet.ALERTS) == {"e11", "e12", "e13"}
    assert keys(Facet.OPERATOR) == {"a1", "a2"}
    assert keys(Facet.ENGINE) == {"e10", "e11", "e12", "e13"}
    assert keys(Facet.ALL, Severity.ERROR) == {"e12", "e13"}
    assert keys(Facet.ALERTS, Severity.CRITICAL) == {"e13"}


def test_keys_go_through_facets_and_severities() -> None:
    async def script(driver: Driver) -> None:
        await go(driver, "8", "f")
        assert "facet alerts" in driver.text()
        await go(driver, "f", "s")
        assert "facet operator  from warning" in driver.text()
        assert "by bob" in driver.text()
        assert "by ada" not in driver.text()

    drive(full_control(), script)


def test_the_end_is_followed_until_it_is_left_and_again_after_g() -> None:
    control = full_control()

    async def script(driver: Driver) -> None:
        await go(driver, "8")
        happen(control, 50, "the first new one")
        await driver.tick()
        await driver.until("the first new one")
        await go(driver, "k")
        happen(control, 51, "unseen")
        happen(control, 52, "unseen too")
        await driver.tick()
        await driver.until("▼ 2 new: G")
        await go(driver, "G")
        assert " new: G" not in driver.text()
        happen(control, 53, "the last one")
        await driver.tick()
        await driver.until("the last one")
        row = next(row for row in driver.text().split("\n") if "▸" in row)
        assert "the last one" in row

    drive(control, script)


def test_events_that_the_view_no_longer_has_are_asked_for() -> None:
    control = full_control()
    last = control.view().events[-1].sequence

    async def script(driver: Driver) -> None:
        await go(driver, "8")
        control.journal.events = [replace(BASE_EVENTS[0], sequence=last + 1, text="in between")]
        view = control.view()
        late = replace(BASE_EVENTS[0], sequence=last + 2, text="late", time_ns=NOW_NS)
        control.set_view(replace(view, events=(late,)))
        await driver.tick()
        await driver.wait_for_verbs()
        await driver.until("in between")

    drive(control, script)

    assert ("journal.events_since", last, 2_000) in control.calls


def test_a_chain_that_does_not_hold_says_so(expected_warnings: object) -> None:
    expected_warnings("failed")  # type: ignore[operator]
    control = full_control()

    async def script(driver: Driver) -> None:
        await go(driver, "8")
        control.verb_error = OSError("line 7 was changed")
        await go(driver, "v")
        assert "✗" in driver.text()
        assert "line 7 was changed" in driver.text()

    drive(control, script)


def test_the_row_under_the_cursor_tells_what_its_code_means() -> None:
    control = full_control()
    happen(control, 60, "d3 is gone", code="DFS-1001", severity=Severity.ERROR)

    async def script(driver: Driver) -> None:
        await go(driver, "8")
        assert f"DFS-1001 {MEANINGS[Code.DISK_MISSING].title}" in driver.text()

    drive(control, script)


def test_enter_on_an_event_of_a_disk_opens_the_disk() -> None:
    control = full_control()
    happen(control, 60, "it is slow", source="d4")

    async def script(driver: Driver) -> None:
        await go(driver, "8", "enter")
        assert driver.app.frame.page.page_name == "disks"
        assert driver.app.selected_uuid == control.view().disks[4].uuid

    drive(control, script)


def test_the_rows_that_are_shown_are_exported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))

    async def script(driver: Driver) -> None:
        await go(driver, "8", "f", "f", "x")

    drive(full_control(), script)
    (path,) = (tmp_path / "dynamicfs").iterdir()

    assert [row["key"] for row in json.loads(path.read_text(encoding="ascii"))] == ["a1", "a2"]


def test_the_page_is_pure_ascii_where_it_must_be() -> None:
    async def script(driver: Driver) -> None:
        await go(driver, "8")
        driver.text().encode("ascii")

    drive(full_control(), script, glyphs=ASCII)
