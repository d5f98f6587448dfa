"""How a coroutine of the dispatcher suspends, and why."""

from __future__ import annotations

import types
from collections.abc import Generator
from enum import Enum, auto


class Mark(Enum):
    """Why a coroutine suspended."""

    READER = auto()
    LOCK = auto()
    JOB = auto()
    JOIN = auto()


@types.coroutine
def suspend(mark: Mark) -> Generator[Mark, None, None]:
    """Hand control back to the dispatcher."""
    yield mark
