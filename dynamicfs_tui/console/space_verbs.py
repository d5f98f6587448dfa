"""What keys do to where data lies: spread it evenly, and give dead bytes back."""

from __future__ import annotations

from typing import Final

from dynamicfs_tui.console.action import POOL, Action, Weight
from dynamicfs_tui.console.page import Desk
from dynamicfs_tui.console.plans import Plan, PlanVerdict
from dynamicfs_tui.console.scene import Scene
from dynamicfs_tui.console.text import percent, safe
from dynamicfs_tui.console.work_verbs import TOPIC
from engine.status.answers import CompactionView
from engine.status.views import DiskView
from engine.units import format_bytes


def plan_compact(found: CompactionView) -> Plan:
    """Return what compacting now reads, writes and frees."""
    facts = (
        ("extents", f"{found.extents:,} of which less than {found.percent}% lives"),
        ("reads", f"at most {format_bytes(found.read_bytes)}"),
        ("writes", format_bytes(found.written_bytes)),
        ("frees", format_bytes(found.freed_bytes)),
    )
    if not found.extents:
        return Plan(
            title="Compact half-dead extents",
            facts=facts,
            verdict=PlanVerdict.BLOCKED,
            why="no extent is dead enough to be worth it",
            confirm="compact",
        )
    return Plan(
        title="Compact half-dead extents",
        facts=facts,
        verdict=PlanVerdict.SAFE,
        why="copies first, deletes last; waits behind all rebuilds",
        confirm="compact",
    )


def plan_rebalance(scene: Scene) -> Plan:
    """Return what spreading the data evenly would start."""
    disks = [disk for disk in scene.view.disks if disk.present and disk.total_bytes]
    fullest, emptiest = max(disks, key=_fullness), min(disks, key=_fullness)
    return Plan(
        title="Spread the data evenly",
        facts=(
            ("fullest", _filled(fullest)),
            ("emptiest", _filled(emptiest)),
            ("moves", "fragments from the fullest disks to the emptiest, until they are alike"),
        ),
        verdict=PlanVerdict.SAFE,
        why="copies first, deletes last; P pauses it, C ends it",
        confirm="rebalance",
    )


def _fullness(disk: DiskView) -> float:
    return 1 - disk.free_bytes / disk.total_bytes


def _filled(disk: DiskView) -> str:
    used = percent(disk.total_bytes - disk.free_bytes, disk.total_bytes)
    return f"{safe(disk.name)}, {used.strip()} used"


def _cannot_rebalance(scene: Scene) -> str:
    there = sum(disk.present and bool(disk.total_bytes) for disk in scene.view.disks)
    return "" if there > 1 else "there is only one disk to fill"


def _cannot_compact(scene: Scene) -> str:
    return "compaction is running already" if scene.view.reconcile.compacting else ""


def _compact(desk: Desk) -> None:
    desk.propose(
        "Compact half-dead extents",
        lambda control: plan_compact(control.work.plan_compaction()),
        lambda control: control.work.compact(),
    )


def _rebalance(desk: Desk) -> None:
    desk.ask(plan_rebalance(desk.scene), lambda control: control.work.rebalance())


REBALANCE: Final = Action(
    action_id="work.rebalance", keys=("M",), title="rebalance", group=POOL, footer=4,
    weight=Weight.DISRUPTIVE, needs_writable=True, refusal=_cannot_rebalance, topic=TOPIC,
    run=_rebalance,
    help="Move fragments from the fullest disks to the emptiest, once.",
)  # fmt: skip

COMPACT: Final = Action(
    action_id="work.compact", keys=("K",), title="compact", group=POOL, footer=5,
    weight=Weight.DISRUPTIVE, needs_writable=True, refusal=_cannot_compact, topic=TOPIC,
    run=_compact,
    help="Rewrite extents that are mostly dead, and give back what deleted bytes hold.",
)  # fmt: skip
