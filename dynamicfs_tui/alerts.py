"""Alert rules for Prometheus, with the words of the catalog.

``metrics --alert-rules`` prints them as a rules file.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Final

from engine.status.catalog import MEANINGS
from engine.status.codes import Code


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertRule:
    """One alert. ``wait`` is how long *expression* must hold, as Prometheus writes it."""

    name: str
    code: Code
    expression: str
    wait: str
    page: bool = False
    """Whether somebody is to be woken; otherwise it can wait for the morning."""


def _condition(code: Code) -> str:
    return f'dynamicfs_condition{{code="{code}"}} == 1'


def _on_condition(code: Code, name: str, *, wait: str, page: bool = False) -> AlertRule:
    """Return an alert that fires while the engine tells *code*."""
    return AlertRule(name=name, code=code, expression=_condition(code), wait=wait, page=page)


ALERT_RULES: Final = (
    AlertRule(
        name="DynamicFSDataLost",
        code=Code.DATA_LOST,
        expression='dynamicfs_exposure_extents{losses="lost"} > 0',
        wait="1m",
        page=True,
    ),
    AlertRule(
        name="DynamicFSNextLossMayCostData",
        code=Code.AT_RISK,
        expression="dynamicfs_disks_may_fail == 0 and dynamicfs_tolerance_disks > 0",
        wait="1m",
        page=True,
    ),
    AlertRule(
        name="DynamicFSRefusesChanges",
        code=Code.STOPPED,
        expression="dynamicfs_writable == 0 unless on() "
        + _condition(Code.READ_ONLY_WANTED).replace(" == 1", ""),
        wait="1m",
        page=True,
    ),
    AlertRule(
        name="DynamicFSEngineStuck",
        code=Code.ENGINE_STUCK,
        expression="dynamicfs_engine_late_seconds > 60",
        wait="1m",
        page=True,
    ),
    AlertRule(
        name="DynamicFSSilent",
        code=Code.ENGINE_STUCK,
        expression="absent(dynamicfs_health)",
        wait="5m",
        page=True,
    ),
    _on_condition(Code.METADATA_DAMAGED, "DynamicFSMetadataDamaged", wait="0m", page=True),
    _on_condition(Code.POOL_FULL, "DynamicFSPoolFull", wait="5m", page=True),
    AlertRule(
        name="DynamicFSPoolNearlyFull",
        code=Code.POOL_NEARLY_FULL,
        expression="dynamicfs_capacity_free_bytes / dynamicfs_capacity_total_bytes < 0.1",
        wait="30m",
    ),
    _on_condition(Code.DISK_FAILED, "DynamicFSDiskFailed", wait="1m"),
    _on_condition(Code.DISK_MISSING, "DynamicFSDiskMissing", wait="5m"),
    _on_condition(Code.DISK_SMART, "DynamicFSDrivePredictsFailure", wait="0m"),
    AlertRule(
        name="DynamicFSDiskErrorsGrow",
        code=Code.DISK_ERRORS,
        expression="increase(dynamicfs_disk_errors_total[10m]) > 0",
        wait="0m",
    ),
    AlertRule(
        name="DynamicFSDegradedForLong",
        code=Code.REBUILDING,
        expression="dynamicfs_extents_degraded > 0",
        wait="6h",
    ),
    _on_condition(Code.PENDING, "DynamicFSRebuildPending", wait="15m"),
    AlertRule(
        name="DynamicFSRebuildFailing",
        code=Code.REBUILD_FAILING,
        expression='dynamicfs_rebuild_extents{state="failed"} > 0',
        wait="15m",
    ),
    _on_condition(Code.JOURNALS_SHORT, "DynamicFSJournalDiskMissing", wait="15m"),
    _on_condition(Code.CHECKPOINT_ROOM, "DynamicFSNoCheckpoint", wait="15m"),
    _on_condition(Code.SCRUB_OVERDUE, "DynamicFSScrubOverdue", wait="1h"),
    _on_condition(Code.AUDIT_SILENT, "DynamicFSAuditSilent", wait="0m"),
)
"""Every rule. Where the engine judges (delays, made good elsewhere, wanted), the rule
asks for its condition; where a number says it, the rule asks for the number."""


def rules_text() -> str:
    """Return the rules file: YAML, every text quoted as JSON, which YAML reads as well."""
    lines = ["groups:", "  - name: dynamicfs", "    rules:"]
    for rule in ALERT_RULES:
        meaning = MEANINGS[rule.code]
        lines += [
            f"      - alert: {rule.name}",
            f"        expr: {json.dumps(rule.expression)}",
            f"        for: {rule.wait}",
            "        labels:",
            f"          severity: {'page' if rule.page else 'ticket'}",
            f"          code: {rule.code}",
            "        annotations:",
            f"          summary: {json.dumps(f'DynamicFS: {meaning.title}')}",
            f"          description: {json.dumps(f'{meaning.cause} {meaning.impact}')}",
            f"          action: {json.dumps(meaning.action)}",
        ]
    return "\n".join(lines) + "\n"
