"""Entry point of ``dynamicfs``: parse, run the verb, turn refusals into one sentence."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from types import TracebackType
from typing import Final

from dynamicfs_tui.cli import (
    compact,
    completion,
    disk_life,
    disks,
    engine_gateway,
    files,
    health,
    journal,
    metrics,
    mounting,
    orphans,
    policy,
    pools,
    rebuild,
    screens,
    scrub,
    spares,
)
from dynamicfs_tui.cli.command import SentenceParser, Session, Verbs
from engine.errors import EngineError, ExtentUnrecoverableError, UsageError
from engine.status.catalog import MEANINGS
from engine.status.explain import code_of_refusal
from engine.status.views import ExitCode

DEBUG_VARIABLE: Final = "DYNAMICFS_DEBUG"
INTERRUPTED: Final = 130
"""128 + SIGINT, as shells count."""


def build_parser() -> SentenceParser:
    """Return the parser of every verb."""
    parser = SentenceParser(
        prog="dynamicfs",
        description="A redundant, self-checking, self-healing file system over disk directories.",
        epilog="exit codes: 0 fine, 1 failed, 2 usage, 3 degraded, 4 data lost",
        allow_abbrev=False,
    )
    verbs = Verbs(parser)
    for module in (
        pools,
        disks,
        disk_life,
        spares,
        files,
        policy,
        orphans,
        mounting,
        health,
        metrics,
        journal,
        scrub,
        rebuild,
        compact,
        screens,
    ):
        module.register(verbs)
    completion.register(verbs, build_parser)
    return parser


def main(argv: Sequence[str] | None = None, *, session: Session | None = None) -> int:
    """Run one command and return its exit code; never raises but for bugs.

    A bug prints one sentence too, and its traceback with DYNAMICFS_DEBUG=1.
    """
    sys.excepthook = _report_bug
    session = session or Session(engine=engine_gateway)
    try:
        return _run(session, argv)
    except UsageError as error:
        return _refuse(session, error, ExitCode.USAGE)
    except ExtentUnrecoverableError as error:
        return _refuse(session, error, ExitCode.DATA_LOST)
    except BrokenPipeError:
        # Whoever read our output has enough; Python must not complain at its exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.FAILED
    except (EngineError, OSError) as error:
        return _refuse(session, error, ExitCode.FAILED)
    except KeyboardInterrupt:
        return INTERRUPTED


def _run(session: Session, argv: Sequence[str] | None) -> int:
    """Parse and run; argparse ends ``--help`` itself."""
    parser = build_parser()
    try:
        arguments = parser.parse_args(argv)
    except SystemExit as ended:
        return ExitCode.FINE if not ended.code else ExitCode.USAGE
    if arguments.verb is None:
        parser.print_help(session.stderr)
        return ExitCode.USAGE
    code: int = arguments.handler(session, arguments)
    session.stdout.flush()
    return code


def _refuse(session: Session, error: Exception, code: ExitCode) -> int:
    """Print *error* as one sentence."""
    if os.environ.get(DEBUG_VARIABLE) == "1":
        raise error
    known = code_of_refusal(error) if isinstance(error, EngineError) else None
    told = f" [{known}]" if known else ""
    print(f"dynamicfs:{told} {_sentence(error)}", file=session.stderr)
    if known:
        print(f"  do: {MEANINGS[known].action} (dynamicfs explain {known})", file=session.stderr)
    return code


def _sentence(error: BaseException) -> str:
    """Return one line that says what is wrong, without numbers of the C library."""
    if isinstance(error, OSError) and error.strerror:
        text = f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    else:
        text = str(error) or type(error).__name__
    return " ".join(text.split())


def _report_bug(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    """Replace the traceback of an unforeseen exception; the exit code stays 1."""
    if os.environ.get(DEBUG_VARIABLE) == "1":
        sys.__excepthook__(kind, error, trace)
        return
    text = f"{kind.__name__}: {_sentence(error)}"
    print(f"dynamicfs: this is a bug ({text}); {DEBUG_VARIABLE}=1 shows where", file=sys.stderr)
