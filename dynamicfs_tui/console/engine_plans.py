"""A plan that the engine made, as a dialog shows it."""

from __future__ import annotations

from dynamicfs_tui.console.plans import Plan, PlanVerdict
from dynamicfs_tui.console.scene import Scene
from dynamicfs_tui.console.text import duration, finish_time, safe, short_bytes
from engine.status.answers import Judgement, PlanView
from engine.status.sentences import more_may_fail
from engine.units import format_bytes

_VERDICTS = {
    Judgement.SAFE: PlanVerdict.SAFE,
    Judgement.RISKY: PlanVerdict.RISKY,
    Judgement.BLOCKED: PlanVerdict.BLOCKED,
}

TARGETS_SHOWN = 4
FULL_PERCENT = 90
"""A disk that a plan fills beyond this is named."""


def dialog_of(plan: PlanView, scene: Scene, *, title: str, confirm: str) -> Plan:
    """Return what a dialog says of *plan*: what moves, how long, what is true after it."""
    facts = [
        # Nothing was counted for a policy that is not to be had.
        ("moves", _moves(plan) if plan.disk or plan.judgement is not Judgement.BLOCKED else ""),
        ("time", _time(plan, scene)),
        ("meanwhile", _tolerance(plan.may_fail_during) if plan.disk else ""),
        ("after", _after(plan, scene)),
        *(("because", safe(reason)) for reason in plan.reasons[1:]),
    ]
    if plan.suggestion:
        facts.append(("better", safe(plan.suggestion)))
    if plan.command:
        facts.append(("same as", safe(plan.command)))
    return Plan(
        title=title,
        facts=tuple((name, text) for name, text in facts if text),
        verdict=_VERDICTS[plan.judgement],
        why=safe(plan.reasons[0]) if plan.reasons else "no reason given",
        confirm=confirm,
        typed_name=plan.typed_name,
        basis=plan.basis,
    )


def _moves(plan: PlanView) -> str:
    if not plan.moves_extents and not plan.moves_bytes:
        return "nothing"
    text = f"{format_bytes(plan.moves_bytes)} in {plan.moves_extents:,} extents"
    if plan.targets:
        named = [
            f"{safe(target.disk)} {short_bytes(target.bytes)}"
            for target in plan.targets[:TARGETS_SHOWN]
        ]
        more = len(plan.targets) - TARGETS_SHOWN
        text += f" to {', '.join(named)}{f' and {more} more' if more > 0 else ''}"
    return text


def _time(plan: PlanView, scene: Scene) -> str:
    if plan.duration_s is None:
        return "unknown yet" if plan.moves_bytes else ""
    limit = scene.view.reconcile.limit_bytes_s
    at = f" at the limit of {short_bytes(limit)}B/s" if limit else " at the present rate"
    end = finish_time(scene.now_ns, plan.duration_s)
    return f"about {duration(plan.duration_s)}{at} (until {end})"


def _tolerance(may_fail: int) -> str:
    return "data would be lost" if may_fail < 0 else more_may_fail(may_fail)


def _after(plan: PlanView, scene: Scene) -> str:
    if not plan.used_ratio_before and not plan.used_ratio_after:
        return ""
    arrow = scene.glyphs.arrow
    text = f"space used {plan.used_ratio_before:.0%} {arrow} {plan.used_ratio_after:.0%}"
    full = [t for t in plan.targets if t.used_ratio_after * 100 >= FULL_PERCENT]
    if full:
        named = ", ".join(f"{safe(t.disk)} {t.used_ratio_after:.0%}" for t in full[:TARGETS_SHOWN])
        text += f"; nearly full: {named}"
    return text
