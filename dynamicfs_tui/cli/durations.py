"""Durations for people."""

from __future__ import annotations


def format_duration(seconds: float | None) -> str:
    """Return *seconds* in two units at most; None is not known.

    >>> format_duration(4.4), format_duration(65), format_duration(7320), format_duration(None)
    ('4 s', '1 min 5 s', '2 h 2 min', 'unknown')
    """
    if seconds is None:
        return "unknown"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
