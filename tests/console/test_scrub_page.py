"""The scrub page: what it says, and what its keys ask of the pool."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dynamicfs_tui.console.dialog import PlanDialog
from dynamicfs_tui.console.glyphs import ASCII
from dynamicfs_tui.console.scrub_targets import schedule_remark, target_remark
from engine.status.views import PoolView
from tests.console.canned import CannedControl
from tests.console.canned_places import LOST_PATH, damaged, full_control
from tests.console.driving import Driver, drive


def screen_of(
    view: PoolView | None = None,
    *keys: str,
    size: tuple[int, int] = (120, 40),
    ascii_only: bool = False,
) -> str:
    """Return the scrub page of *view* after *keys*, when all answers are there."""
    seen: list[str] = []

    async def script(driver: Driver) -> None:
        for key in ("4", *keys):
            await driver.press(key)
            await driver.wait_for_verbs()
        seen.append(driver.text())

    control = full_control(view)
    if ascii_only:
        drive(control, script, size=size, glyphs=ASCII)
    else:
        drive(control, script, size=size)
    return seen[0]


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 60)], ids=lambda s: f"{s[0]}x{s[1]}")
def test_progress_settings_and_past_runs_are_said_at_every_size(size: tuple[int, int]) -> None:
    screen = screen_of(size=size)

    assert "Scrub with repair" in screen
    assert "70%  71,000/100,000 fragments" in screen
    assert "ETA 15m00s (22:28)" in screen
    for fact in ("target disk d4", "intensity medium", "limit 100MB/s", "schedule every 6 h"):
        assert fact in screen
    assert "next in 2h00m (00:13)" in screen or "next in 1h59m" in screen
    assert "#3 ✗ 1 left" in screen
    assert "#1 ✓ 2 repaired" in screen
    assert "/vm/db.img" in screen


def test_findings_say_what_became_of_them() -> None:
    screen = screen_of(size=(200, 60))

    assert "✓ repaired" in screen
    assert "◌ queued" in screen
    assert "✗ irrecoverable" in screen
    assert "/vm/[b]odd[/b]" in screen
    assert "(no file)" in screen


def test_only_unrepaired_findings_are_shown_when_asked_for() -> None:
    screen = screen_of(None, "f")

    assert "Findings 4  3 unrepaired  unrepaired only" in screen
    assert "✓ repaired " not in screen
    assert LOST_PATH in screen


def test_ages_are_a_histogram_with_those_never_verified() -> None:
    screen = screen_of()

    assert "Last verified  100,000 fragments" in screen
    assert "over 7 days" in screen
    assert "60%   60k  5.0T" in screen
    assert "2,000 of 100,000 fragments never" in screen


def test_a_short_terminal_shows_runs_and_ages_in_turn() -> None:
    assert "RESULT" in screen_of(None, "v", size=(80, 24))
    assert "Last verified" in screen_of(None, "v", "v", size=(80, 24))


def test_the_page_is_pure_ascii_where_it_must_be() -> None:
    screen_of(ascii_only=True).encode("ascii")


def test_a_scrub_starts_after_its_target_and_a_plan() -> None:
    async def script(driver: Driver) -> None:
        await driver.press("4", "S", "ctrl+u", *"older 30", "enter")
        assert isinstance(driver.app.screen, PlanDialog)
        assert "not verified for 30 days" in driver.text()
        await driver.press("y")
        await driver.wait_for_verbs()

    control = drive(full_control(damaged(running=False)), script).control

    assert ("scrubs.start", "older 30", False) in control.calls


def test_enter_on_the_plan_of_a_scrub_starts_nothing() -> None:
    async def script(driver: Driver) -> None:
        await driver.press("4", "R", "enter", "enter")
        await driver.wait_for_verbs()

    control = drive(full_control(damaged(running=False)), script).control

    assert not [call for call in control.calls if call[0] == "scrubs.start"]


ACTS = [
    ("P", {}, ("scrubs.pause",), ("scrubs.resume",)),
    ("P", {"paused": True}, ("scrubs.resume",), ("scrubs.pause",)),
    ("I", {}, ("scrubs.set_intensity", "high"), ("scrubs.set_intensity", "medium")),
]


@pytest.mark.parametrize(("key", "state", "call", "undo"), ACTS, ids=["pause", "resume", "pace"])
def test_a_key_acts_at_once_and_u_takes_it_back(
    key: str, state: dict[str, bool], call: tuple[str, ...], undo: tuple[str, ...]
) -> None:
    control = CannedControl(damaged(**state))

    async def script(driver: Driver) -> None:
        await driver.press("4", key)
        await driver.wait_for_verbs()
        await driver.press("u")
        await driver.wait_for_verbs()

    drive(control, script)

    assert [each for each in control.calls if each != ("scrubs.history",)] == [call, undo]


def test_limit_and_schedule_are_asked_for_and_sent() -> None:
    control = CannedControl(damaged())

    async def script(driver: Driver) -> None:
        await driver.press("4", "T", "ctrl+u", "5", "0", "enter")
        await driver.wait_for_verbs()
        await driver.press("W", "ctrl+u", *"nightly", "enter")
        await driver.wait_for_verbs()

    drive(control, script)

    assert ("scrubs.limit", 50 * 1024 * 1024) in control.calls
    assert ("scrubs.schedule", "nightly") in control.calls


def test_enter_on_a_finding_shows_where_its_file_is() -> None:
    control = full_control()

    async def script(driver: Driver) -> None:
        await driver.press("4", "j", "j", "enter")
        await driver.wait_for_verbs()
        assert driver.app.frame.page.page_name == "files"

    drive(control, script)

    assert ("files.where", LOST_PATH) in control.calls


def test_findings_are_exported_as_json(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))

    async def script(driver: Driver) -> None:
        await driver.press("4", "f", "x")
        await driver.wait_for_verbs()
        assert "3 records written" in driver.toasts()[-1]

    drive(full_control(), script)
    (path,) = (tmp_path / "dynamicfs").iterdir()
    records = json.loads(path.read_text(encoding="ascii"))

    assert [record["extent_id"] for record in records] == [8, 91, 92]


@pytest.mark.parametrize(
    ("text", "accepted"),
    [
        ("all", True), ("bad", True), ("disk d1", True), ("directory /vm", True),
        ("older 30", True),
        ("", False), ("disk", False), ("disk d99", False), ("directory vm", False),
        ("older", False), ("older 0", False), ("older x", False), ("all d1", False),
    ],
)  # fmt: skip
def test_a_target_is_accepted_only_when_it_names_something(text: str, accepted: bool) -> None:  # noqa: FBT001
    assert target_remark(damaged(), text).startswith("=") == accepted


@pytest.mark.parametrize(
    ("text", "accepted"),
    [("nightly", True), ("manual", True), ("every 6 h", True), ("every 0 h", False),
     ("every 6", False), ("", False), ("hourly", False)],
)  # fmt: skip
def test_a_schedule_is_one_of_three(text: str, accepted: bool) -> None:  # noqa: FBT001
    assert schedule_remark(text).startswith("=") == accepted
