"""Finds sequential reading and says how far to read ahead. Pure arithmetic."""

from __future__ import annotations

from typing import Final

from engine.limits import READ_AHEAD_BYTES_MAX, SEQUENCE_GAP_BYTES_MAX
from engine.units import MIB

_READS_BEFORE_AHEAD: Final = 2
"""One continued read may be chance; two are a sequence."""

_DISORDER_BYTES_MAX: Final = 4 * MIB
"""How far from its place a read of an established sequence may come: the few
1 MiB requests that the kernel has under way at once."""

_WINDOW_BYTES_MIN: Final = 4 * MIB


class SequenceDetector:
    """The reading of one handle. Not thread-safe: the handle's lock guards it.

    >>> detector = SequenceDetector()
    >>> [detector.advise(number << 20, 1 << 20) for number in range(4)]
    [(0, 0), (0, 0), (3145728, 4194304), (0, 0)]
    >>> detector.advise(0, 4096)
    (0, 0)
    """

    __slots__ = ("_ahead_end", "_continued", "_next", "_window_bytes")

    def __init__(self) -> None:
        self._next = -1
        self._reset()

    def _reset(self) -> None:
        self._continued = 0
        self._window_bytes = 0
        self._ahead_end = 0

    def advise(self, offset: int, length: int) -> tuple[int, int]:
        """Note a read; return (offset, length) in the file to fetch now.

        The length is 0 when nothing should be fetched. The window doubles with
        each advice up to READ_AHEAD_BYTES_MAX; no byte is advised twice within
        a sequence, and new advice waits until half the window was consumed.
        """
        follows = self._follows(offset)
        end = offset + length
        if not follows:
            self._next = end
            self._reset()
            return (0, 0)
        end = self._next = max(end, self._next)
        self._continued += 1
        if self._continued < _READS_BEFORE_AHEAD:
            return (0, 0)
        start = max(end, self._ahead_end)
        if start - end > self._window_bytes // 2:
            return (0, 0)
        self._window_bytes = min(
            max(2 * self._window_bytes, _WINDOW_BYTES_MIN), READ_AHEAD_BYTES_MAX
        )
        self._ahead_end = max(start, end + self._window_bytes)
        if self._ahead_end == start:
            return (0, 0)
        return (start, self._ahead_end - start)

    def _follows(self, offset: int) -> bool:
        """Whether a read at *offset* belongs to the sequence.

        An established one may come a little out of order: the kernel sends its
        own read-ahead beside what it waits for.
        """
        if self._next < 0:
            return False
        if self._continued >= _READS_BEFORE_AHEAD:
            return abs(offset - self._next) <= _DISORDER_BYTES_MAX
        return 0 <= offset - self._next <= SEQUENCE_GAP_BYTES_MAX
