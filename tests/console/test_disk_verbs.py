"""Disks through the engine's plans: what is shown, what must be typed, what is called."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest

from dynamicfs_tui.console.dialog import PlanDialog
from dynamicfs_tui.console.question_dialog import QuestionDialog
from engine.errors import UsageError
from engine.status.answers import Judgement, PlanView, TargetView
from engine.units import GIB
from tests.canned_facets import PLAN, CannedDisks, Record
from tests.console.canned import CannedControl
from tests.console.canned_healing import healing
from tests.console.canned_views import healthy
from tests.console.driving import Driver, drive

UUID_1 = healthy().disks[1].uuid
DETACHED = healing().disks[4]

RISKY = PlanView(
    verb="drain",
    disk="d1",
    plan_id="77",
    basis="9000",
    judgement=Judgement.RISKY,
    reasons=("a rebuild is running", "d7 reaches 91 %"),
    moves_extents=26_410,
    moves_bytes=3 * GIB,
    targets=tuple(
        TargetView(disk=f"t{number}", bytes=GIB, used_ratio_after=0.5 + number / 10)
        for number in range(6)
    ),
    duration_s=13_200.0,
    may_fail_during=0,
    used_ratio_before=0.62,
    used_ratio_after=0.74,
    suggestion="wait until the rebuild has ended",
    command="dynamicfs drain POOL d1 --yes",
    typed_name="d1",
)


def planned(plan: PlanView) -> CannedControl:
    """Return a healthy pool whose engine answers with *plan*."""
    control = CannedControl(healthy())
    control.disks.answer = plan
    return control


CALLS = [
    ("D", "drain", ("disks.drain", UUID_1)),
    ("X", "remove", ("disks.remove", UUID_1)),
    ("O", "detach", ("disks.detach", UUID_1)),
    ("F", "fail", ("set_disk_health", UUID_1, "failed")),
]


@pytest.mark.parametrize("page", ["1", "2"])
@pytest.mark.parametrize(("key", "verb", "call"), CALLS, ids=[row[0] for row in CALLS])
def test_the_engine_plans_then_the_operator_agrees_then_it_is_done(
    page: str, key: str, verb: str, call: tuple[object, ...]
) -> None:
    plan = ("disks.plan", verb, UUID_1, "")

    async def script(driver: Driver) -> None:
        await driver.press(page, "j", key)
        await driver.wait_for_verbs()
        assert driver.control.calls == [plan]
        await driver.press("y")
        await driver.wait_for_verbs()

    assert drive(healthy(), script).control.calls == [plan, plan, call]


def test_a_plan_tells_what_moves_how_long_what_is_true_after_and_the_command() -> None:
    async def script(driver: Driver) -> None:
        await driver.press("j", "D")
        await driver.wait_for_verbs()
        await driver.until("RISKY")
        text = driver.text()
        assert "3.0 GiB in 26,410 extents to t0 1.0G, t1 1.0G, t2 1.0G" in text
        assert "and 2 more" in text
        assert "about 3h40m at the present rate (until 01:53)" in text
        assert "no more disk may fail" in text
        assert "space used 62% → 74%" in text
        assert "nearly full: t4 90%, t5 100%" in text
        assert "RISKY: a rebuild is running" in text
        assert "d7 reaches 91 %" in text
        assert "wait until the rebuild has ended" in text
        assert "dynamicfs drain POOL d1 --yes" in text

    drive(planned(RISKY), script)


def test_a_plan_that_lowers_redundancy_wants_the_name_typed() -> None:
    async def script(driver: Driver) -> None:
        await driver.press("j", "D")
        await driver.wait_for_verbs()
        await driver.press("y", "backspace", "d", "1", "enter")
        await driver.wait_for_verbs()

    assert drive(planned(RISKY), script).control.calls[-1] == ("disks.drain", UUID_1)


def test_another_name_confirms_nothing() -> None:
    async def script(driver: Driver) -> None:
        await driver.press("j", "D")
        await driver.wait_for_verbs()
        await driver.press("d", "2", "enter")
        await driver.wait_for_verbs()

    assert [call[0] for call in drive(planned(RISKY), script).control.calls] == ["disks.plan"]


def test_a_blocked_plan_has_nothing_to_confirm() -> None:
    blocked = replace(PLAN, judgement=Judgement.BLOCKED, reasons=("data would be lost",))

    async def script(driver: Driver) -> None:
        await driver.press("D")
        await driver.wait_for_verbs()
        await driver.until("BLOCKED: data would be lost")
        assert "[ drain" not in driver.text()
        await driver.press("y", "tab", "enter")
        await driver.wait_for_verbs()

    assert [call[0] for call in drive(planned(blocked), script).control.calls] == ["disks.plan"]


def test_a_refusal_of_the_engine_is_shown_where_the_plan_would_be(
    expected_warnings: object,
) -> None:
    expected_warnings("Drain disk d0 failed")  # type: ignore[operator]
    control = CannedControl(healthy())
    control.verb_error = UsageError("[b]the pool has too few disks")

    async def script(driver: Driver) -> None:
        await driver.press("D")
        await driver.wait_for_verbs()
        await driver.until("BLOCKED: [b]the pool has too few disks")
        await driver.press("y", "enter")
        assert not isinstance(driver.app.screen, PlanDialog)

    drive(control, script)


def test_a_plan_that_changed_meanwhile_is_shown_again_instead_of_done() -> None:
    control = planned(PLAN)

    async def script(driver: Driver) -> None:
        await driver.press("j", "D")
        await driver.wait_for_verbs()
        control.disks.answer = replace(PLAN, basis="8813", reasons=("d2 is slow now",))
        await driver.press("y")
        await driver.wait_for_verbs()
        await driver.until("the plan changed meanwhile: d2 is slow now")
        assert ("disks.drain", UUID_1) not in control.calls
        await driver.press("y")
        await driver.wait_for_verbs()

    drive(control, script)

    assert control.calls[-1] == ("disks.drain", UUID_1)


def test_a_dialog_acts_on_the_disk_it_was_opened_for() -> None:
    view = healthy()
    control = CannedControl(view)

    async def script(driver: Driver) -> None:
        await driver.press("j", "D")
        await driver.wait_for_verbs()
        control.set_view(replace(view, disks=tuple(reversed(view.disks))))
        await driver.tick()
        await driver.press("y")
        await driver.wait_for_verbs()

    drive(control, script)

    assert control.calls[-1] == ("disks.drain", UUID_1)


class SlowDisks(CannedDisks):
    """Disks whose plans take until they are released."""

    def __init__(self, record: Record) -> None:
        super().__init__(record)
        self.released = threading.Event()

    def plan(self, verb: str, disk: str, replacement: str) -> PlanView:
        assert self.released.wait(30)
        return super().plan(verb, disk, replacement)


def test_keys_do_nothing_while_the_engine_still_plans_and_just_after() -> None:
    control = CannedControl(healthy())
    slow = SlowDisks(lambda *call: control.calls.append(call))
    control.disks = slow

    async def script(driver: Driver) -> None:
        await driver.press("D", "y", "tab")
        await driver.until("WAIT: the engine works out what it would mean")
        slow.released.set()
        await driver.wait_for_verbs()
        await driver.until("SAFE: redundancy stays whole")
        await driver.press_at_once("y", "y")
        await driver.wait_for_verbs()
        assert isinstance(driver.app.screen, PlanDialog)

    drive(control, script)

    assert [call[0] for call in control.calls] == ["disks.plan"]


def test_replacing_asks_for_the_path_of_the_new_disk_first() -> None:
    plan = ("disks.plan", "replace", UUID_1, "/mnt/new")

    async def script(driver: Driver) -> None:
        await driver.press("j", "R", *"mnt", "enter")
        assert isinstance(driver.app.screen, QuestionDialog)
        assert "an absolute path begins with /" in driver.text()
        await driver.press("ctrl+u", *"/mnt/new", "enter")
        await driver.wait_for_verbs()
        await driver.press("y")
        await driver.wait_for_verbs()

    assert drive(healthy(), script).control.calls == [
        plan,
        plan,
        ("disks.replace", UUID_1, "/mnt/new", ""),
    ]


@pytest.mark.parametrize(("typed", "path"), [("", ""), ("2", f"{DETACHED.path}2")])
def test_a_detached_disk_is_attached_where_it_was_or_elsewhere(typed: str, path: str) -> None:
    plan = ("disks.plan", "attach", DETACHED.uuid, path)

    async def script(driver: Driver) -> None:
        await driver.press("2", "j", "j", "j", "j")
        assert "O attach" in driver.text()
        await driver.press("O", *typed, "enter")
        await driver.wait_for_verbs()
        await driver.press("y")
        await driver.wait_for_verbs()

    assert drive(healing(), script).control.calls == [
        plan,
        plan,
        ("disks.attach", DETACHED.uuid, path),
    ]


def test_a_spare_is_made_and_taken_back_at_once() -> None:
    async def script(driver: Driver) -> None:
        await driver.press("2", "j", "W")
        await driver.wait_for_verbs()
        await driver.press("u")
        await driver.wait_for_verbs()

    assert drive(healthy(), script).control.calls == [
        ("disks.set_spare", UUID_1, True),
        ("disks.set_spare", UUID_1, False),
    ]


def test_leaving_the_question_for_a_path_asks_the_engine_nothing() -> None:
    async def script(driver: Driver) -> None:
        await driver.press("R", *"/mnt", "escape")

    assert drive(healthy(), script).control.calls == []
