"""What a dialog promises must follow from the view."""

from __future__ import annotations

from dataclasses import replace

from dynamicfs_tui.console.plans import (
    Plan,
    PlanVerdict,
    plan_cancel,
    plan_heal,
    plan_leave,
    plan_quit,
    plan_rebuild,
    plan_scrub,
)
from tests.console.canned_views import degraded, disk, healthy, rebuilding, scrubbing


def fact(plan: Plan, name: str) -> str:
    return next(text for key, text in plan.facts if key == name)


def test_cancelling_says_what_stays_undone_and_is_risky_while_data_survives_no_loss() -> None:
    running = rebuilding()
    exposed = replace(running, exposure=replace(running.exposure, zero_extents=7))

    plan = plan_cancel(running)

    assert fact(plan, "left") == "15,218 extents, 1.7 TiB"
    assert plan.verdict is PlanVerdict.SAFE
    assert plan_cancel(exposed).verdict is PlanVerdict.RISKY
    assert "7 extents survive no more loss" in plan_cancel(exposed).why


def test_leaving_an_attached_console_ends_nothing_else() -> None:
    assert plan_leave(rebuilding()).verdict is PlanVerdict.SAFE


def test_trusting_a_disk_that_had_errors_is_risky() -> None:
    assert plan_heal(healthy(), disk(2, errors=4)).verdict is PlanVerdict.RISKY
    assert plan_heal(healthy(), disk(2)).verdict is PlanVerdict.SAFE


def test_a_rebuild_plan_says_what_it_protects_and_what_waits() -> None:
    plan = plan_rebuild(degraded())

    assert fact(plan, "rebuilds").startswith("24,700 extents")
    assert fact(plan, "instead of") == "waiting 7m30s more"
    assert fact(plan, "missing").startswith("d3, d5")


def test_a_scrub_plan_counts_the_fragments_of_present_disks_only() -> None:
    assert fact(plan_scrub(degraded()), "reads").endswith("on 4 disks")


def test_quitting_says_what_is_running() -> None:
    assert plan_quit(healthy()).verdict is PlanVerdict.SAFE
    assert plan_quit(rebuilding()).verdict is PlanVerdict.RISKY
    assert ("scrub", "runs; it stops") in plan_quit(scrubbing()).facts
