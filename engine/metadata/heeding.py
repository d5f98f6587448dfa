"""Long statements that can be given up."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

import apsw

from engine.errors import RetryableError

Heed = Callable[[], None]
"""Called every some milliseconds of long work; raises RetryableError when it must not go on."""

_HEED_STEPS: Final = 1000
"""Steps of SQLite's machine between two looks: some hundred rows, so at most a few MiB."""


@contextmanager
def heeding(connection: apsw.Connection, heed: Heed) -> Iterator[None]:
    """Call *heed* while statements of *connection* run inside; what it raises passes."""
    refusal: list[RetryableError] = []

    def is_refused() -> bool:
        try:
            heed()
        except RetryableError as error:
            refusal.append(error)
        return bool(refusal)

    connection.set_progress_handler(is_refused, _HEED_STEPS)
    try:
        yield
    except apsw.Error as error:
        if refusal:
            raise refusal[0] from error
        raise
    finally:
        connection.set_progress_handler(None)
