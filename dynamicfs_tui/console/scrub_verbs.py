"""What keys do to scrubs."""

from __future__ import annotations

from typing import Final

from dynamicfs_tui.console.action import POOL, Action, Weight
from dynamicfs_tui.console.page import Desk
from dynamicfs_tui.console.plans import plan_scrub, plan_stop_scrub
from dynamicfs_tui.console.scene import Scene


def _running(scene: Scene) -> str:
    return "a scrub is running already" if scene.view.scrub.running else ""


def _none_runs(scene: Scene) -> str:
    return "" if scene.view.scrub.running else "no scrub is running"


def _scrub(desk: Desk) -> None:
    desk.ask(plan_scrub(desk.scene.view), lambda control: control.start_scrub(repair=False))


def _stop(desk: Desk) -> None:
    desk.ask(plan_stop_scrub(desk.scene.view), lambda control: control.stop_scrub())


SCRUB: Final = Action(
    action_id="scrub.start",
    keys=("S",),
    title="scrub",
    group=POOL,
    weight=Weight.DISRUPTIVE,
    footer=4,
    refusal=_running,
    run=_scrub,
    help="Read and check every fragment; report damage, change nothing.",
)

STOP_SCRUB: Final = Action(
    action_id="scrub.stop",
    keys=("X",),
    title="stop scrub",
    group=POOL,
    weight=Weight.DISRUPTIVE,
    footer=6,
    refusal=_none_runs,
    run=_stop,
    help="Stop the running scrub.",
)
