"""Which bits of a byte are flipped: one each in the usual run, many in the soak."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Final

import pytest

SEED: Final = 20_261_120

PATTERNS: Final = pytest.mark.parametrize(
    "patterns",
    [
        pytest.param(0, id="one bit"),
        *(pytest.param(turn, id=f"bits {turn}", marks=pytest.mark.soak) for turn in range(1, 9)),
    ],
)
"""Run a test once with one bit of each byte, and in the soak with eight more patterns."""


def pattern_at(offset: int, patterns: int) -> int:
    """Return what the byte at *offset* is XORed with: never 0.

    The usual run turns through the bits with the offset; the soak takes the
    other bits, and last all of them.
    """
    return 0xFF if patterns == 8 else 1 << (offset + patterns) % 8


def sample(offsets: Sequence[int], count: int, *, seed: int = SEED) -> list[int]:
    """Return *count* of *offsets*, the same for the same *seed*, in order."""
    return sorted(random.Random(seed).sample(offsets, min(count, len(offsets))))
