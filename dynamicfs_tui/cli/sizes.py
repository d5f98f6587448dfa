"""Sizes as people write them."""

from __future__ import annotations

from argparse import ArgumentTypeError
from typing import Final

from engine.units import GIB, KIB, MIB, TIB

_UNITS: Final = {"": 1, "k": KIB, "m": MIB, "g": GIB, "t": TIB}


def parse_size(text: str) -> int:
    """Return the bytes of ``50M``, ``1.5GiB`` or ``4096``; units are binary.

    >>> parse_size("50M"), parse_size("1.5 GiB"), parse_size("0")
    (52428800, 1610612736, 0)

    Raises:
        ArgumentTypeError: *text* is no size.
    """
    number = text.strip().lower().removesuffix("b").removesuffix("i").strip()
    unit = number[-1:] if number[-1:].isalpha() else ""
    try:
        size = float(number.removesuffix(unit)) * _UNITS[unit]
    except (ValueError, KeyError) as error:
        raise ArgumentTypeError(f"{text!r} is no size: write 50M or 4096") from error
    if not 0 <= size < 2**63:
        raise ArgumentTypeError(f"{text!r} is out of range")
    return int(size)
