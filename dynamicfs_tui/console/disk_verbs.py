"""What keys do to disks. The engine plans; the operator agrees; the engine does it.

Verbs name a disk by its UUID: it stays the same disk whatever happens to the
table meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from dynamicfs_tui.console.action import POOL, Action, Refusal, Weight
from dynamicfs_tui.console.engine_plans import dialog_of
from dynamicfs_tui.console.page import Call, Desk
from dynamicfs_tui.console.plans import FAILED, HEALTHY, plan_heal
from dynamicfs_tui.console.question import Question
from dynamicfs_tui.console.scene import Scene
from dynamicfs_tui.console.text import safe
from engine.status.views import DiskView

DRAINING: Final = "draining"


def _propose(desk: Desk, disk: DiskView, verb: str, words: str, call: Call, path: str = "") -> None:
    """Ask the engine for the plan of *verb*, and the operator for an answer to it."""
    scene = desk.scene
    title = f"{words[0].upper()}{words[1:]} disk {safe(disk.name)}"
    desk.propose(
        title,
        lambda control: dialog_of(
            control.disks.plan(verb, disk.uuid, path), scene, title=title, confirm=words
        ),
        call,
    )


def _on_disk(do: Callable[[Desk, DiskView], None]) -> Callable[[Desk], None]:
    def run(desk: Desk) -> None:
        disk = desk.scene.selected
        if disk is not None:
            do(desk, disk)

    return run


def _when(reason: Callable[[DiskView], str]) -> Refusal:
    """Return a refusal that looks at the selected disk; without one nothing can be done."""

    def refusal(scene: Scene) -> str:
        return "no disk is selected" if scene.selected is None else reason(scene.selected)

    return refusal


def _any(_disk: DiskView) -> str:
    return ""


def _cannot_drain(disk: DiskView) -> str:
    return f"{disk.name} is draining already" if disk.state == DRAINING else ""


def _cannot_fail(disk: DiskView) -> str:
    return f"{disk.name} is marked failed already" if disk.state == FAILED else ""


def _cannot_heal(disk: DiskView) -> str:
    if disk.state == HEALTHY:
        return f"{disk.name} is healthy already"
    return "" if disk.present else f"{disk.name} is missing: bring it back first"


def _drain(desk: Desk, disk: DiskView) -> None:
    _propose(desk, disk, "drain", "drain", lambda control: control.disks.drain(disk.uuid))


def _remove(desk: Desk, disk: DiskView) -> None:
    _propose(desk, disk, "remove", "remove", lambda control: control.disks.remove(disk.uuid))


def _fail(desk: Desk, disk: DiskView) -> None:
    _propose(desk, disk, "fail", "fail", lambda control: control.set_disk_health(disk.uuid, FAILED))


def _heal(desk: Desk, disk: DiskView) -> None:
    desk.ask(
        plan_heal(desk.scene.view, disk),
        lambda control: control.set_disk_health(disk.uuid, HEALTHY),
    )


def _detach_or_attach(desk: Desk, disk: DiskView) -> None:
    if not disk.detached:
        _propose(desk, disk, "detach", "detach", lambda control: control.disks.detach(disk.uuid))
        return

    def attach(path: str) -> None:
        place = "" if path == disk.path else path
        _propose(
            desk,
            disk,
            "attach",
            "attach",
            lambda control: control.disks.attach(disk.uuid, place),
            place,
        )

    desk.inquire(
        Question(
            title=f"Attach disk {safe(disk.name)}",
            label="its directory",
            facts=("Where the disk is now; as it stands, it is where it was.",),
            text=disk.path,
            check=_check_path,
        ),
        attach,
    )


def _replace(desk: Desk, disk: DiskView) -> None:
    def replace(path: str) -> None:
        _propose(
            desk,
            disk,
            "replace",
            "replace",
            lambda control: control.disks.replace(disk.uuid, path, ""),
            path,
        )

    desk.inquire(
        Question(
            title=f"Replace disk {safe(disk.name)}",
            label="new directory",
            facts=(
                f"What {safe(disk.name)} has (or had) moves to a new disk at this directory;"
                " a plan is shown before anything happens.",
            ),
            check=_check_path,
        ),
        replace,
    )


def _check_path(text: str) -> str:
    if not text.strip():
        return "type the path of a directory"
    return "" if text.startswith("/") else "an absolute path begins with /"


def _probe(desk: Desk) -> None:
    desk.act("probe", lambda control: "\n".join(control.probe_disks()) or "no disks to probe")


def _spare(desk: Desk, disk: DiskView) -> None:
    wanted = not disk.spare
    desk.act(
        "spare",
        lambda control: control.disks.set_spare(disk.uuid, spare=wanted),
        undo=lambda control: control.disks.set_spare(disk.uuid, spare=not wanted),
        topic="spare",
    )


def _detach_label(scene: Scene) -> str:
    disk = scene.selected
    return "attach" if disk is not None and disk.detached else "detach"


DRAIN: Final = Action(
    action_id="disk.drain", keys=("D", "f8"), title="drain", group=POOL, footer=4,
    weight=Weight.DISRUPTIVE, needs_writable=True, refusal=_when(_cannot_drain),
    run=_on_disk(_drain),
    help="Move everything off the selected disk; it stays a member until it is removed.",
)  # fmt: skip

REPLACE: Final = Action(
    action_id="disk.replace", keys=("R",), title="replace", group=POOL, footer=5,
    weight=Weight.DISRUPTIVE, needs_writable=True, refusal=_when(_any),
    run=_on_disk(_replace),
    help="Put a new disk in the place of the selected one, which may be gone. Asks for the path.",
)  # fmt: skip

DETACH: Final = Action(
    action_id="disk.detach", keys=("O",), title="detach", group=POOL, footer=7,
    weight=Weight.DISRUPTIVE, needs_writable=True, refusal=_when(_any),
    run=_on_disk(_detach_or_attach), label=_detach_label,
    help="Let go of the selected disk for maintenance, or take it back.",
)  # fmt: skip

FAIL: Final = Action(
    action_id="disk.fail", keys=("F",), title="fail", group=POOL, footer=6,
    weight=Weight.DESTRUCTIVE, needs_writable=True, refusal=_when(_cannot_fail),
    run=_on_disk(_fail),
    help="Mark the selected disk failed; its data is rebuilt elsewhere.",
)  # fmt: skip

HEAL: Final = Action(
    action_id="disk.heal", keys=("H",), title="healthy", group=POOL, footer=9,
    weight=Weight.DISRUPTIVE, needs_writable=True, refusal=_when(_cannot_heal),
    run=_on_disk(_heal),
    help="Mark the selected disk healthy: it takes new data again.",
)  # fmt: skip

REMOVE: Final = Action(
    action_id="disk.remove", keys=("X",), title="remove", group=POOL, footer=8,
    weight=Weight.DESTRUCTIVE, needs_writable=True, refusal=_when(_any),
    run=_on_disk(_remove),
    help="Take the selected disk out of the pool; refused while data is on it.",
)  # fmt: skip

SPARE: Final = Action(
    action_id="disk.spare", keys=("W",), title="spare", group=POOL,
    weight=Weight.REVERSIBLE, topic="spare", needs_writable=True, refusal=_when(_any),
    run=_on_disk(_spare),
    help="Make the selected disk a spare, used to heal only, or an ordinary disk.",
)  # fmt: skip

PROBE: Final = Action(
    action_id="disk.probe", keys=("V",), title="probe", group=POOL, footer=10,
    weight=Weight.REVERSIBLE, run=_probe,
    help="Look at every disk now; acts at once.",
)  # fmt: skip

DISK_ACTIONS: Final = (DRAIN, REPLACE, DETACH, FAIL, HEAL, REMOVE, SPARE, PROBE)
