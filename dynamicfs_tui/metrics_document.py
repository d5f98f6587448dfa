"""Every exported metric and every alert rule as a document; ``METRICS.md`` is this text."""

from __future__ import annotations

from dynamicfs_tui.alerts import ALERT_RULES
from dynamicfs_tui.metric_families import described_metrics


def metrics_document() -> str:
    """Return names, kinds, labels and meanings, and the rules, in Markdown."""
    lines = [
        "# What Prometheus is told",
        "",
        "`dynamicfs metrics POOL --prometheus` prints it once; `mount … --metrics-address"
        " 127.0.0.1:9600` and",
        "`console … --metrics-address …` serve it at `/metrics`. Counters begin at 0 with the"
        " process that has the pool open.",
        "",
        "| name | kind | labels | meaning |",
        "|---|---|---|---|",
    ]
    lines += [
        f"| `{name}` | {kind} | {', '.join(labels)} | {text} |"
        for name, kind, labels, text in described_metrics()
    ]
    lines += [
        "",
        "## Alert rules",
        "",
        "`dynamicfs metrics --alert-rules` prints them as a rules file. `page` is for somebody to"
        " be woken, `ticket` can wait.",
        "",
        "| alert | code | severity | for | expression |",
        "|---|---|---|---|---|",
    ]
    lines += [
        f"| {rule.name} | {rule.code} | {'page' if rule.page else 'ticket'} | {rule.wait} |"
        f" `{rule.expression}` |"
        for rule in ALERT_RULES
    ]
    return "\n".join(lines) + "\n"
