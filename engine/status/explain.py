"""What a code means, for people: one text for console, command line and documents."""

from __future__ import annotations

from typing import Final

from engine.errors import (
    EngineError,
    EngineStoppedError,
    QuorumError,
    SplitHistoryError,
    UsageError,
)
from engine.status.catalog import MEANINGS
from engine.status.codes import Code, Meaning

_PREFIX: Final = "DFS-"


def find_code(text: str) -> Code:
    """Return the code that *text* names: whole, in small letters, or its number alone.

    >>> find_code("dfs-1203"), find_code("1203")
    (<Code.DISK_SMART: 'DFS-1203'>, <Code.DISK_SMART: 'DFS-1203'>)

    Raises:
        UsageError: there is no such code; the nearest one is named.
    """
    wanted = _PREFIX + text.strip().upper().removeprefix(_PREFIX)
    try:
        return Code(wanted)
    except ValueError as error:
        nearest = nearest_code(wanted)
        raise UsageError(
            f"there is no code {text}; the nearest is {nearest}: {MEANINGS[nearest].title}"
        ) from error


def nearest_code(wanted: str) -> Code:
    """Return the code that most digits agree with from the left, then by distance.

    >>> str(nearest_code("DFS-1299")), str(nearest_code("DFS-4003")), str(nearest_code("x"))
    ('DFS-1204', 'DFS-4002', 'DFS-0000')
    """
    digits = "".join(sign for sign in wanted if sign.isdecimal())[:4] or "0"
    number = int(digits.ljust(4, "0"))

    def distance(code: Code) -> tuple[int, int]:
        own = code.removeprefix(_PREFIX)
        agreeing = next(
            (place for place in range(4) if own[place : place + 1] != digits[place : place + 1]), 4
        )
        return -agreeing, abs(int(own) - number)

    return min(Code, key=distance)


def code_of_refusal(error: EngineError) -> Code | None:
    """Return the code of a condition that shows only as a refusal; None for all others.

    >>> str(code_of_refusal(SplitHistoryError("two")))
    'DFS-2006'
    """
    if isinstance(error, SplitHistoryError):
        return Code.TWO_HISTORIES
    if isinstance(error, QuorumError):
        return Code.QUORUM_MISSING
    if isinstance(error, EngineStoppedError):
        return Code.STOPPED
    return None


def explanation_of(code: Code) -> tuple[tuple[str, str], ...]:
    """Return the headings and texts of one code, in the order they are read."""
    meaning = MEANINGS[code]
    return (
        ("cause", meaning.cause),
        ("by itself", meaning.by_itself),
        ("impact", meaning.impact),
        ("what to do", meaning.action),
    )


def heading_of(code: Code) -> str:
    """Return one line: code, title and how serious it is.

    >>> heading_of(Code.AT_RISK)
    'DFS-3001 the next loss may cost data (at risk)'
    """
    meaning: Meaning = MEANINGS[code]
    return f"{code} {meaning.title} ({meaning.word})"


def codes_document() -> str:
    """Return every code as a document in Markdown; ``CODES.md`` is this text."""
    lines = [
        "# What the codes mean",
        "",
        "Worst first. `dynamicfs explain CODE` prints the same. The word in brackets is that of the"
        " verdict: `ok` is",
        "worth knowing, `degraded` has less redundancy or needs attention (exit code 3), `at risk`"
        " may lose data with the",
        "next fault (3), `data loss` has lost some (4).",
    ]
    for code in MEANINGS:
        lines += ["", f"## {heading_of(code)}", ""]
        lines += [f"- **{heading}**: {text}" for heading, text in explanation_of(code)]
    return "\n".join(lines) + "\n"
