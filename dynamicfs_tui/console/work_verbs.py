"""What keys do to reconcile: start, pause, cancel, limit, priority, order.

All but start and cancel act at once and can be taken back.
"""

from __future__ import annotations

from typing import Final

from dynamicfs_tui.console.action import POOL, Action, Weight
from dynamicfs_tui.console.page import Desk
from dynamicfs_tui.console.plans import plan_cancel, plan_rebuild
from dynamicfs_tui.console.question import Question
from dynamicfs_tui.console.scene import Scene
from dynamicfs_tui.console.text import duration, finish_time, short_bytes
from engine.status.control import PoolControl
from engine.status.views import ReconcileView, WorkPriority
from engine.units import MIB

TOPIC: Final = "rebuild"
"""What all of them decide on: one waits until the change before it is seen."""

STEP_RATIO: Final = 0.1
"""How much ``-`` and ``+`` change the limit."""

LIMIT_MIN: Final = MIB
"""Bytes a second below which ``-`` does not go: pausing says more clearly what is meant."""

FULL_SPEED_S: Final = 3600


def _cannot_start(scene: Scene) -> str:
    view = scene.view
    if view.reconcile.active:
        return "the rebuild is running already"
    waits = view.reconcile.waiting_s > 0 or view.reconcile.pending_items > 0
    return "" if waits or view.exposure.degraded_extents else "there is nothing to rebuild"


def _cannot_cancel(scene: Scene) -> str:
    job = scene.view.reconcile
    if job.cancelled:
        return "this round is cancelled already; P resumes"
    return "" if job.active or job.items or job.waiting_s > 0 else "nothing is being rebuilt"


def _start(desk: Desk) -> None:
    desk.ask(plan_rebuild(desk.scene.view), lambda control: control.start_rebuild())


def _cancel(desk: Desk) -> None:
    desk.ask(plan_cancel(desk.scene.view), lambda control: control.work.cancel())


def _stands(job: ReconcileView) -> bool:
    return job.paused or job.cancelled


def _pause_or_resume(desk: Desk) -> None:
    if _stands(desk.scene.view.reconcile):
        desk.act("resume", lambda control: control.work.resume(), undo=_pause, topic=TOPIC)
    else:
        desk.act("pause", _pause, undo=lambda control: control.work.resume(), topic=TOPIC)


def _pause(control: PoolControl) -> str:
    return control.work.pause()


def _pause_label(scene: Scene) -> str:
    return "resume" if _stands(scene.view.reconcile) else "pause"


def set_limit(desk: Desk, bytes_s: int) -> None:
    """Limit the rebuild to *bytes_s*, 0 for no limit; it can be taken back."""
    before = desk.scene.view.reconcile.limit_bytes_s
    if bytes_s != before:
        desk.act(
            f"limit {_limit_text(bytes_s)}",
            lambda control: control.work.limit(bytes_s),
            undo=lambda control: control.work.limit(before),
            topic=TOPIC,
        )


def _limit_text(bytes_s: int) -> str:
    return f"{short_bytes(bytes_s)}B/s" if bytes_s else "none"


def _less(desk: Desk) -> None:
    job, rates = desk.scene.view.reconcile, desk.scene.rates
    # Without a limit the first step down is from what it does now.
    now = job.limit_bytes_s or int(rates.rebuild_bytes_s or job.average_bytes_s)
    if not now:
        desk.tell("no limit is set and no rate is known yet: T sets one", bad=True)
        return
    set_limit(desk, max(LIMIT_MIN, int(now * (1 - STEP_RATIO))))


def _more(desk: Desk) -> None:
    limit = desk.scene.view.reconcile.limit_bytes_s
    if not limit:
        desk.tell("no limit is set; F raises the priority", bad=True)
        return
    set_limit(desk, int(limit * (1 + STEP_RATIO)))


def parse_limit(text: str) -> int | None:
    """Return the bytes a second that *text* in MiB/s means; ``None`` when it means nothing.

    >>> parse_limit("250"), parse_limit("0"), parse_limit("-1"), parse_limit("ten")
    (262144000, 0, None, None)
    """
    try:
        wanted = float(text.strip().replace(",", "."))
    except ValueError:
        return None
    # Comparisons with NaN are false, so it is refused too.
    return int(wanted * MIB) if 0 <= wanted < MIB else None


def limit_remark(scene: Scene, text: str) -> str:
    """Return what the limit *text* would mean, or what is wrong with it."""
    bytes_s = parse_limit(text)
    if bytes_s is None:
        return "a number of MiB/s; 0 takes the limit away"
    if bytes_s == 0:
        return "= no limit: only priority holds it back"
    job = scene.view.reconcile
    left = max(0, job.total_bytes - job.done_bytes)
    if not left:
        return f"= at most {short_bytes(bytes_s)}B/s from now on"
    needed_s = left / bytes_s
    until = finish_time(scene.now_ns, needed_s)
    return f"= {duration(needed_s)} at least for what is left ({until})"


def _exact_limit(desk: Desk) -> None:
    scene = desk.scene
    now = scene.view.reconcile.limit_bytes_s

    def apply(text: str) -> None:
        bytes_s = parse_limit(text)
        if bytes_s is not None:
            set_limit(desk, bytes_s)

    desk.inquire(
        Question(
            title="Limit of the rebuild",
            label="MiB/s",
            facts=("Bytes written to disks a second, at most; 0 takes the limit away.",),
            text=f"{now / MIB:g}" if now else "",
            check=lambda text: limit_remark(scene, text),
        ),
        apply,
    )


def _next_priority(desk: Desk) -> None:
    before = desk.scene.view.reconcile.priority
    every = tuple(WorkPriority)
    after = every[(every.index(before) + 1) % len(every)]
    desk.act(
        f"priority {after.value}",
        lambda control: control.work.set_priority(after.value),
        undo=lambda control: control.work.set_priority(before.value),
        topic=TOPIC,
    )


def _full_speed(desk: Desk) -> None:
    asked = desk.scene.view.reconcile.full_speed_until_ns > desk.scene.now_ns
    seconds, before = (0, FULL_SPEED_S) if asked else (FULL_SPEED_S, 0)
    desk.act(
        "full speed off" if asked else "full speed",
        lambda control: control.work.full_speed(seconds),
        undo=lambda control: control.work.full_speed(before),
        topic=TOPIC,
    )


def _full_speed_label(scene: Scene) -> str:
    asked = scene.view.reconcile.full_speed_until_ns > scene.now_ns
    return "end full speed" if asked else "full speed 1h"


def prefer(desk: Desk, start: str) -> None:
    """Ask which directory goes first; *start* stands in the field."""
    before = desk.scene.view.reconcile.preferred

    def restore(control: PoolControl) -> str:
        said = control.work.prefer("")
        for path in before:
            said = control.work.prefer(path)
        return said

    def check(text: str) -> str:
        if not text:
            return "= forgets all preferences"
        return "" if text.startswith("/") else "a path within the pool begins with /"

    known = f"First now: {', '.join(before)}." if before else "Nothing is preferred now."
    desk.inquire(
        Question(
            title="Rebuild this first",
            label="path in the pool",
            facts=(
                "Extents of files below it go first among those that are equally exposed.",
                known,
            ),
            text=start,
            check=check,
        ),
        lambda path: desk.act("prefer", lambda c: c.work.prefer(path), undo=restore, topic=TOPIC),
    )


START: Final = Action(
    action_id="work.start", keys=("B",), title="rebuild", group=POOL, footer=6,
    weight=Weight.DISRUPTIVE, needs_writable=True, refusal=_cannot_start, run=_start,
    help="Start the rebuild now instead of after its delay.",
)  # fmt: skip

PAUSE: Final = Action(
    action_id="work.pause", keys=("P",), title="pause", group=POOL, footer=4,
    weight=Weight.REVERSIBLE, topic=TOPIC, run=_pause_or_resume, label=_pause_label,
    help="Pause the rebuild, or let it go on; a pause outlives a restart.",
)  # fmt: skip

CANCEL: Final = Action(
    action_id="work.cancel", keys=("C",), title="cancel", group=POOL, footer=7,
    weight=Weight.DISRUPTIVE, refusal=_cannot_cancel, run=_cancel,
    help="End this round; what is left waits until disks change or it is resumed.",
)  # fmt: skip

LESS: Final = Action(
    action_id="work.less", keys=("minus",), title="slower", group=POOL,
    weight=Weight.REVERSIBLE, topic=TOPIC, run=_less,
    help="Lower the limit of the rebuild by a tenth.",
)  # fmt: skip

MORE: Final = Action(
    action_id="work.more", keys=("plus",), title="faster", group=POOL,
    weight=Weight.REVERSIBLE, topic=TOPIC, run=_more,
    help="Raise the limit of the rebuild by a tenth.",
)  # fmt: skip

LIMIT: Final = Action(
    action_id="work.limit", keys=("T", "f6"), title="limit", group=POOL, footer=5,
    weight=Weight.REVERSIBLE, topic=TOPIC, run=_exact_limit,
    help="Set the limit of the rebuild in MiB/s; shows what it means for the ETA.",
)  # fmt: skip

PRIORITY: Final = Action(
    action_id="work.priority", keys=("F",), title="mode", group=POOL, footer=8,
    weight=Weight.REVERSIBLE, topic=TOPIC, run=_next_priority,
    help="Next priority against users: low, normal, high.",
)  # fmt: skip

FULL_SPEED: Final = Action(
    action_id="work.full_speed", keys=("H",), title="full speed", group=POOL, footer=9,
    weight=Weight.REVERSIBLE, topic=TOPIC, run=_full_speed, label=_full_speed_label,
    help="High priority and no limit for an hour, or an end to that.",
)  # fmt: skip
