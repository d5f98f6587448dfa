"""What keys do on the scrub page beyond start and stop: target, pace, schedule."""

from __future__ import annotations

from typing import Final

from dynamicfs_tui.console.action import POOL, Action, Weight
from dynamicfs_tui.console.page import Desk
from dynamicfs_tui.console.question import Question
from dynamicfs_tui.console.scene import Scene
from dynamicfs_tui.console.scrub_targets import (
    WAYS,
    plan_target,
    schedule_remark,
    target_remark,
)
from dynamicfs_tui.console.text import short_bytes
from dynamicfs_tui.console.work_verbs import parse_limit
from engine.status.control import PoolControl
from engine.status.views import Intensity
from engine.units import MIB

TOPIC: Final = "scrub"
"""What the settings decide on: one waits until the change before it is seen."""


def _busy(scene: Scene) -> str:
    return "a scrub is running already" if scene.view.scrub.running else ""


def _idle(scene: Scene) -> str:
    job = scene.view.scrub
    return "" if job.running or job.paused else "no scrub is running"


def start_scrub(desk: Desk, target: str, *, repair: bool) -> None:
    """Ask, then scrub *target*."""
    desk.ask(
        plan_target(desk.scene.view, target, repair=repair),
        lambda control: control.scrubs.start(target, repair=repair),
    )


def _ask_target(desk: Desk, *, repair: bool) -> None:
    view = desk.scene.view
    desk.inquire(
        Question(
            title="Scrub and repair" if repair else "Scrub",
            label="target",
            facts=(f"What to read: {WAYS}.",),
            text="all",
            check=lambda text: target_remark(view, text),
        ),
        lambda text: start_scrub(desk, " ".join(text.split(None, 1)).strip(), repair=repair),
    )


def _pause_or_resume(desk: Desk) -> None:
    if desk.scene.view.scrub.paused:
        desk.act("resume scrub", _resume, undo=_pause, topic=TOPIC)
    else:
        desk.act("pause scrub", _pause, undo=_resume, topic=TOPIC)


def _pause(control: PoolControl) -> str:
    return control.scrubs.pause()


def _resume(control: PoolControl) -> str:
    return control.scrubs.resume()


def _next_intensity(desk: Desk) -> None:
    before = desk.scene.view.scrub.intensity
    every = tuple(Intensity)
    after = every[(every.index(before) + 1) % len(every)]
    desk.act(
        f"scrub intensity {after.value}",
        lambda control: control.scrubs.set_intensity(after.value),
        undo=lambda control: control.scrubs.set_intensity(before.value),
        topic=TOPIC,
    )


def _limit_remark(text: str) -> str:
    bytes_s = parse_limit(text)
    if bytes_s is None:
        return "a number of MiB/s; 0 takes the limit away"
    if not bytes_s:
        return "= no limit: only intensity holds it back"
    return f"= at most {short_bytes(bytes_s)}B/s read"


def _limit(desk: Desk) -> None:
    before = desk.scene.view.scrub.limit_bytes_s

    def apply(text: str) -> None:
        bytes_s = parse_limit(text)
        if bytes_s is not None and bytes_s != before:
            desk.act(
                "scrub limit",
                lambda control: control.scrubs.limit(bytes_s),
                undo=lambda control: control.scrubs.limit(before),
                topic=TOPIC,
            )

    desk.inquire(
        Question(
            title="Limit of the scrub",
            label="MiB/s",
            facts=("Bytes read from disks a second, at most; 0 takes the limit away.",),
            text=f"{before / MIB:g}" if before else "",
            check=_limit_remark,
        ),
        apply,
    )


def _schedule(desk: Desk) -> None:
    before = desk.scene.view.scrub.schedule
    desk.inquire(
        Question(
            title="Schedule of scrubs",
            label="when",
            facts=("nightly, every N h, or manual; the pool keeps it.",),
            text=before,
            check=schedule_remark,
        ),
        lambda text: desk.act(
            "scrub schedule",
            lambda control: control.scrubs.schedule(" ".join(text.split())),
            undo=lambda control: control.scrubs.schedule(before),
            topic=TOPIC,
        ),
    )


START: Final = Action(
    action_id="scrub.target", keys=("S",), title="scrub", group=POOL, footer=4,
    weight=Weight.DISRUPTIVE, refusal=_busy, run=lambda desk: _ask_target(desk, repair=False),
    help="Scrub all, a disk, a directory, what was bad, or what is old; asks which.",
)  # fmt: skip

REPAIR: Final = Action(
    action_id="scrub.target_repair", keys=("R",), title="repair", group=POOL, footer=5,
    weight=Weight.DISRUPTIVE, needs_writable=True, refusal=_busy,
    run=lambda desk: _ask_target(desk, repair=True),
    help="The same, and repair what is damaged or missing from intact fragments.",
)  # fmt: skip

AGAIN: Final = Action(
    action_id="scrub.again", keys=("A",), title="verify again", group=POOL,
    weight=Weight.DISRUPTIVE, refusal=_busy,
    run=lambda desk: start_scrub(desk, "bad", repair=False),
    help="Read again only what was found damaged.",
)  # fmt: skip

PAUSE: Final = Action(
    action_id="scrub.pause", keys=("P",), title="pause", group=POOL, footer=6,
    weight=Weight.REVERSIBLE, topic=TOPIC, refusal=_idle, run=_pause_or_resume,
    label=lambda scene: "resume" if scene.view.scrub.paused else "pause",
    help="Pause the scrub, or let it go on at its cursor; a pause outlives a restart.",
)  # fmt: skip

INTENSITY: Final = Action(
    action_id="scrub.intensity", keys=("I",), title="intensity", group=POOL, footer=8,
    weight=Weight.REVERSIBLE, topic=TOPIC, run=_next_intensity,
    help="Next intensity of scrubs: low, medium, high.",
)  # fmt: skip

LIMIT: Final = Action(
    action_id="scrub.limit", keys=("T",), title="limit", group=POOL, footer=9,
    weight=Weight.REVERSIBLE, topic=TOPIC, run=_limit,
    help="Set the limit of scrubs in MiB/s.",
)  # fmt: skip

SCHEDULE: Final = Action(
    action_id="scrub.schedule", keys=("W",), title="when", group=POOL, footer=10,
    weight=Weight.REVERSIBLE, topic=TOPIC, run=_schedule,
    help="Set when scrubs start by themselves: nightly, every N h, manual.",
)  # fmt: skip

SCRUB_PAGE_ACTIONS: Final = (START, REPAIR, AGAIN, PAUSE, INTENSITY, LIMIT, SCHEDULE)
"""Keys of the scrub page that act on the pool, but for the one that stops."""
