"""What the pool's actions show before and call when they are confirmed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from dynamicfs_tui.console import plans
from dynamicfs_tui.console.plans import Plan
from engine.errors import UsageError
from engine.status.control import PoolControl
from engine.status.views import DiskView, PoolView

Target = DiskView | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Verb:
    """One verb of the pool. ``call`` runs in a thread and returns what to tell the operator."""

    plan: Callable[[PoolView, Target], Plan] | None
    """``None`` acts at once."""
    call: Callable[[PoolControl, Target], str]


def _disk(target: Target) -> DiskView:
    if target is None:
        raise UsageError("no disk is selected")
    return target


VERBS: Final[Mapping[str, Verb]] = {
    "scrub": Verb(
        plan=lambda view, _target: plans.plan_scrub(view),
        call=lambda control, _target: control.start_scrub(repair=False),
    ),
    "repair": Verb(
        plan=lambda view, _target: plans.plan_repair(view),
        call=lambda control, _target: control.start_scrub(repair=True),
    ),
    "stop_scrub": Verb(
        plan=lambda view, _target: plans.plan_stop_scrub(view),
        call=lambda control, _target: control.stop_scrub(),
    ),
    "rebuild": Verb(
        plan=lambda view, _target: plans.plan_rebuild(view),
        call=lambda control, _target: control.start_rebuild(),
    ),
    "probe": Verb(
        plan=None,
        call=lambda control, _target: "\n".join(control.probe_disks()) or "no disks to probe",
    ),
    # The UUID, not the name: it stays the same disk whatever happens to the table meanwhile.
    "fail_disk": Verb(
        plan=lambda view, target: plans.plan_fail(view, _disk(target)),
        call=lambda control, target: control.set_disk_health(_disk(target).uuid, plans.FAILED),
    ),
    "heal_disk": Verb(
        plan=lambda view, target: plans.plan_heal(view, _disk(target)),
        call=lambda control, target: control.set_disk_health(_disk(target).uuid, plans.HEALTHY),
    ),
}
