"""What a dialog promises must follow from the view."""

from __future__ import annotations

from dataclasses import replace

from dynamicfs_tui.console.plans import (
    Plan,
    PlanVerdict,
    plan_fail,
    plan_heal,
    plan_quit,
    plan_rebuild,
    plan_scrub,
)
from tests.console.canned_views import data_loss, degraded, disk, healthy, rebuilding, scrubbing


def fact(plan: Plan, name: str) -> str:
    return next(text for key, text in plan.facts if key == name)


def test_failing_a_disk_of_a_healthy_pool_is_safe_and_costs_one_loss() -> None:
    view = healthy()

    plan = plan_fail(view, view.disks[3])

    assert plan.verdict is PlanVerdict.SAFE
    assert fact(plan, "now") == "you can lose 2 more disks"
    assert fact(plan, "after") == "you can lose 1 more disk, until it is rebuilt"
    assert fact(plan, "rebuilds") == "41,203 extents, 2.6 TiB"
    assert plan.typed_name == "d3"


def test_failing_a_disk_is_blocked_when_no_more_disks_may_fail() -> None:
    view = degraded()

    plan = plan_fail(view, view.disks[0])

    assert plan.verdict is PlanVerdict.BLOCKED
    assert "data would be lost" in plan.why
    assert "data would be lost" in fact(plan, "after")


def test_failing_a_disk_that_is_missing_already_costs_nothing_more() -> None:
    view = degraded()

    plan = plan_fail(view, view.disks[3])

    assert plan.verdict is PlanVerdict.RISKY
    assert fact(plan, "after") == "you can lose no more disks, until it is rebuilt"


def test_the_last_tolerated_loss_is_risky() -> None:
    view = rebuilding()

    assert plan_fail(view, view.disks[0]).verdict is PlanVerdict.RISKY


def test_too_little_room_to_rebuild_is_risky() -> None:
    view = healthy()
    disks = tuple(replace(each, free_bytes=1) for each in view.disks)

    plan = plan_fail(replace(view, disks=disks), disks[0])

    assert plan.verdict is PlanVerdict.RISKY
    assert "too little room" in plan.why


def test_only_healthy_present_disks_count_as_targets() -> None:
    view = degraded()

    assert fact(plan_fail(view, view.disks[3]), "onto").startswith("4 healthy disks")


def test_a_missing_disk_of_a_pool_with_lost_data_should_come_back_instead() -> None:
    view = data_loss()

    assert "bring the disk back" in plan_fail(view, view.disks[3]).why


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
