"""What a scrub may be of, as an operator types it; and the plan of such a scrub."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from dynamicfs_tui.console.plans import Plan, plan_repair, plan_scrub
from dynamicfs_tui.console.text import safe
from engine.status.views import DiskView, PoolView
from engine.units import format_bytes

DAYS_MAX: Final = 36_500

HOURS_MAX: Final = 24 * 366

WAYS: Final = "all, disk NAME, directory PATH, bad, older DAYS"


def target_remark(view: PoolView, text: str) -> str:
    """Return what is wrong with a target, or what it means after a ``=``."""
    kind, _space, name = text.strip().partition(" ")
    name = name.strip()
    if kind == "all" and not name:
        return "= every fragment of the pool"
    if kind == "bad" and not name:
        return "= only what was found damaged before"
    if kind == "disk" and name:
        disk = _find_disk(view, name)
        if disk is None:
            return f"no disk has the name {safe(name)}"
        return f"= {disk.fragment_count:,} fragments, {format_bytes(disk.fragment_bytes)}"
    if kind == "directory" and name:
        return "= files below it" if name.startswith("/") else "a path in the pool begins with /"
    if kind == "older" and name:
        days = whole_number(name, 1, DAYS_MAX)
        return "a whole number of days" if days is None else f"= not verified for {days} days"
    return f"one of: {WAYS}"


def _find_disk(view: PoolView, name: str) -> DiskView | None:
    return next((disk for disk in view.disks if disk.name == name), None)


def whole_number(text: str, least: int, most: int) -> int | None:
    """Return the number *text* writes when it lies within both ends, else ``None``.

    >>> whole_number("30", 1, 99), whole_number("0", 1, 99), whole_number("x", 1, 99)
    (30, None, None)
    """
    if not (text.isascii() and text.isdigit()) or len(text) > len(str(most)):
        return None
    number = int(text)
    return number if least <= number <= most else None


def schedule_remark(text: str) -> str:
    """Return what is wrong with a schedule, or what it means after a ``=``.

    >>> schedule_remark("every 6 h"), schedule_remark("weekly")
    ('= every 6 hours', 'one of: nightly, every N h, manual')
    """
    words = text.split()
    if words == ["nightly"]:
        return "= once every night"
    if words == ["manual"]:
        return "= only when somebody starts it"
    if len(words) == 3 and words[0] == "every" and words[2] == "h":
        hours = whole_number(words[1], 1, HOURS_MAX)
        if hours is not None:
            return f"= every {hours} hours"
    return "one of: nightly, every N h, manual"


def plan_target(view: PoolView, target: str, *, repair: bool) -> Plan:
    """Return what a scrub of *target* means."""
    plan = plan_repair(view) if repair else plan_scrub(view)
    if target == "all":
        return plan
    meaning = target_remark(view, target).removeprefix("=").strip()
    facts = tuple(("reads", meaning) if name == "reads" else (name, text)
                  for name, text in plan.facts)  # fmt: skip
    end = " and repair" if repair else ""
    return replace(plan, title=f"Scrub {safe(target)}{end}", facts=facts)
