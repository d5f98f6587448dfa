"""The verb ``metrics``: counters for people, for programs and for Prometheus."""

from __future__ import annotations

from argparse import Namespace

from dynamicfs_tui.cli.command import Session, Verbs, add_json
from dynamicfs_tui.cli.connection import connect
from dynamicfs_tui.cli.gateway import Access
from dynamicfs_tui.cli.output import print_json
from engine.errors import UsageError
from engine.status.views import ExitCode


def register(verbs: Verbs) -> None:
    """Add the verb of this module."""
    metrics = verbs.add("metrics", run_metrics, "print the engine's counters")
    metrics.add_argument("pool", nargs="?", metavar="POOL", help="the pool directory")
    form = metrics.add_mutually_exclusive_group()
    form.add_argument(
        "--prometheus", action="store_true", help="print all metrics in Prometheus' text format"
    )
    form.add_argument(
        "--alert-rules", action="store_true", help="print alert rules for Prometheus; needs no POOL"
    )
    add_json(metrics)


def run_metrics(session: Session, arguments: Namespace) -> int:
    """Print counters, one a line: ``name{label} value``; or what Prometheus reads."""
    if arguments.alert_rules:
        from dynamicfs_tui.alerts import rules_text  # noqa: PLC0415 - only who asks pays for it

        print(rules_text(), end="", file=session.stdout)
        return ExitCode.FINE
    if arguments.pool is None:
        raise UsageError("whose metrics? POOL is missing (see dynamicfs metrics --help)")
    with connect(session, arguments.pool, access=Access.READ_ONLY) as connection:
        metrics = connection.control.metrics()
        view = connection.control.view() if arguments.prometheus else None
    if view is not None:
        # Loading prometheus-client takes longer than all of the rest.
        from dynamicfs_tui.exporter import prometheus_text  # noqa: PLC0415

        print(prometheus_text(view, metrics), end="", file=session.stdout)
        return ExitCode.FINE
    if arguments.json:
        print_json(session, metrics)
        return ExitCode.FINE
    for name, values in sorted(metrics.items()):
        for label, value in sorted(values.items()):
            where = f"{{{label}}}" if label else ""
            print(f"{name}{where} {value:.15g}", file=session.stdout)
    return ExitCode.FINE
