"""Plans on the command line: shown by ``--dry-run``, asked about, agreed to by ``--yes``."""

from __future__ import annotations

from argparse import Namespace
from typing import Final, TextIO

from dynamicfs_tui.cli.command import SentenceParser, Session
from dynamicfs_tui.cli.durations import format_duration
from dynamicfs_tui.cli.output import print_json
from engine.errors import UsageError
from engine.status.answers import Judgement, PlanView
from engine.status.sentences import more_may_fail
from engine.status.views import ExitCode
from engine.units import format_bytes

_CODES = {
    Judgement.SAFE: ExitCode.FINE,
    Judgement.RISKY: ExitCode.DEGRADED,
    Judgement.BLOCKED: ExitCode.FAILED,
}
"""What ``--dry-run`` returns."""

TARGETS_SHOWN = 8


DRY_RUN_HELP: Final = "only show what would happen: 0 safe, 3 risky, 1 blocked"


def add_consent(verb: SentenceParser, *, dry_run_help: str = DRY_RUN_HELP) -> None:
    """Give *verb* the options of everything that cannot simply be taken back."""
    verb.add_argument("--dry-run", action="store_true", help=dry_run_help)
    verb.add_argument("--yes", action="store_true", help="do not ask")


def show_plan(session: Session, arguments: Namespace, plan: PlanView) -> int:
    """Print *plan* as the result of a dry run and return its exit code."""
    if arguments.json:
        print_json(session, plan)
    else:
        print_plan(session.stdout, plan)
    return _CODES[plan.judgement]


def print_plan(stream: TextIO, plan: PlanView) -> None:
    """Print *plan* for people: the verdict and why, then figures, then the command."""
    print(f"{f'{plan.verb} {plan.disk}'.rstrip()}: {plan.judgement.value}", file=stream)
    for reason in plan.reasons:
        print(f"  {reason}", file=stream)
    if plan.moves_extents:
        time = format_duration(plan.duration_s)
        noun = "fragments" if plan.disk else "extents"
        print(
            f"  moves {format_bytes(plan.moves_bytes)} in {plan.moves_extents} {noun},"
            f" time: {time}",
            file=stream,
        )
    for target in plan.targets[:TARGETS_SHOWN]:
        print(
            f"  to {target.disk}: {format_bytes(target.bytes)},"
            f" then {target.used_ratio_after:.0%} full",
            file=stream,
        )
    if plan.disk and plan.may_fail_during >= 0:
        print(f"  meanwhile {more_may_fail(plan.may_fail_during)}", file=stream)
    if plan.suggestion:
        print(f"  better: {plan.suggestion}", file=stream)


def require_consent(session: Session, arguments: Namespace) -> None:
    """Refuse what nobody agreed to and nobody can be asked about.

    Raises:
        UsageError: neither ``--yes`` nor ``--dry-run``, and no terminal.
    """
    if not (arguments.yes or arguments.dry_run or session.stdin.isatty()):
        raise UsageError("nobody can be asked here: add --yes to do it, or --dry-run to look")


def has_agreed(session: Session, arguments: Namespace, plan: PlanView) -> bool:
    """Return whether the operator agrees to *plan*: by ``--yes``, or on the terminal.

    Where redundancy is lowered the disk's name has to be typed.
    """
    if arguments.yes:
        return True
    print_plan(session.stderr, plan)
    wanted = plan.typed_name
    if wanted:
        return _answer(session, f"Type {wanted} to go on: ") == wanted
    return asks_yes(session, "Go on?")


def asks_yes(session: Session, question: str) -> bool:
    """Return whether the operator, asked on the terminal, says yes; no is the default."""
    return _answer(session, f"{question} [y/N] ").lower() in ("y", "yes")


def _answer(session: Session, prompt: str) -> str:
    print(prompt, end="", file=session.stderr, flush=True)
    return session.stdin.readline().strip()
