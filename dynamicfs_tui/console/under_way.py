"""What was asked of the pool and is not seen in a view yet.

A key that does the opposite of what is, or a tenth less of it, must not decide
on a picture from before the last key: two quick strokes would do one thing twice.
"""

from __future__ import annotations

from typing import Final

VIEWS_UNTIL_SEEN: Final = 2
"""The first view that is asked for afterwards may have been begun before, for another asker."""


class UnderWay:
    """The topics of verbs that run, or whose effect is not seen yet. For one thread."""

    def __init__(self) -> None:
        self._running: dict[str, int] = {}
        self._seen_from: dict[str, int] = {}

    def begin(self, topic: str) -> None:
        """A verb of *topic* was sent; an empty topic is nobody's."""
        self._running[topic] = self._running.get(topic, 0) + 1

    def end(self, topic: str, views_asked: int) -> None:
        """It has answered or failed, when *views_asked* views had been asked for."""
        self._running[topic] -= 1
        self._seen_from[topic] = views_asked + VIEWS_UNTIL_SEEN

    def topics(self, views_taken: int) -> frozenset[str]:
        """Return what must wait, when of all views asked for *views_taken* have been taken."""
        every = self._running.keys() - {""}
        return frozenset(
            topic for topic in every if self._running[topic] or views_taken < self._seen_from[topic]
        )
