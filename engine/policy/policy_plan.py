"""Whether another redundancy is safe, risky or not to be had, and why. Pure."""

from __future__ import annotations

from engine.model.redundancy import Redundancy, overhead_ratio, tolerance
from engine.policy.plan import Judged, Ruling


def judge_policy(before: Redundancy, after: Redundancy, *, obstacle: str = "") -> Ruling:
    """Judge the change of a policy; *obstacle* is why it cannot be, empty when it can.

    >>> from engine.model.redundancy import ErasureCoding, Replication
    >>> judge_policy(Replication(2), ErasureCoding(4, 2)).judged.value
    'SAFE'
    >>> judge_policy(ErasureCoding(4, 2), Replication(2)).reasons[0]
    'it survives the loss of 1 disk instead of 2'
    """
    if obstacle:
        return Ruling(judged=Judged.BLOCKED, reasons=(obstacle,))
    now, then = tolerance(before), tolerance(after)
    disks = "disk" if then == 1 else "disks"
    if then < now:
        judged, why = Judged.RISKY, f"it survives the loss of {then} {disks} instead of {now}"
    elif then > now:
        judged, why = Judged.SAFE, f"it survives the loss of {then} {disks}, more than now"
    else:
        judged, why = Judged.SAFE, f"it survives the loss of {then} {disks}, as now"
    return Ruling(
        judged=judged,
        reasons=(why, _space(before, after), "what is there is encoded anew in the background"),
        lowers_redundancy=then < now,
    )


def _space(before: Redundancy, after: Redundancy) -> str:
    now, then = overhead_ratio(before), overhead_ratio(after)
    return f"each byte takes {then:.2f} bytes of disks, now {now:.2f}"
