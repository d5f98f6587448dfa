"""What commands print: JSON for programs, tables for people, and the exit code."""

from __future__ import annotations

import json
from argparse import Namespace
from collections.abc import Iterable, Sequence

from dynamicfs_tui.cli.command import Session
from engine.status.transport import encode
from engine.status.views import ExitCode, HealthWord, PoolView

_PIPE_COLUMNS = 200
"""Width of a table that no terminal cuts."""


def print_json(session: Session, value: object) -> None:
    """Print *value* as JSON on standard output."""
    print(json.dumps(encode(value), indent=2, ensure_ascii=False), file=session.stdout)


def print_sentences(session: Session, arguments: Namespace, sentences: Sequence[str]) -> None:
    """Print what a verb had to say, a sentence a line or as ``{"messages": […]}``."""
    if arguments.json:
        print_json(session, {"messages": list(sentences)})
    else:
        for sentence in sentences:
            print(sentence, file=session.stdout)


def print_table(
    session: Session, columns: Sequence[str], rows: Iterable[Sequence[str]], *, right: str = ""
) -> None:
    """Print a plain table; columns named in *right* (space-separated) hold numbers."""
    # Rich costs some 50 ms; commands that print JSON do not pay for it.
    from rich.console import Console  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    table = Table(box=None, pad_edge=False, header_style="bold")
    numeric = right.split()
    for column in columns:
        table.add_column(column, justify="right" if column in numeric else "left", no_wrap=True)
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    width = None if session.stdout.isatty() else _PIPE_COLUMNS
    console = Console(file=session.stdout, width=width, highlight=False)
    console.print(table)


def health_code(view: PoolView) -> int:
    """Return the exit code that tells a script how the pool is."""
    if view.exposure.lost_extents or view.verdict.word is HealthWord.DATA_LOSS:
        return ExitCode.DATA_LOST
    if view.verdict.word is not HealthWord.OK:
        return ExitCode.DEGRADED
    return ExitCode.FINE
