"""How another thread lets a request go on that waits in the serving thread."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Final


class RequestWake:
    """Implements ``fusebridge.runtime.Wake``.

    It may ring before the request waits: rings are taken from a queue by the
    serving thread itself, which looks there after the request has suspended.
    """

    __slots__ = ("_announce", "_until_rung", "owner")

    def __init__(
        self,
        owner: object,
        announce: Callable[[RequestWake], None],
        until_rung: Callable[[], Coroutine[object, None, None]],
    ) -> None:
        self.owner: Final = owner
        """The coroutine that waits for it."""
        self._announce = announce
        self._until_rung = until_rung

    def ring(self) -> None:
        self._announce(self)

    async def wait(self) -> None:
        await self._until_rung()
