"""The seam between the code's algebra and whatever does its bulk."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Protocol

from engine.codec import isal
from engine.codec.fallback import TranslateKernel
from engine.codec.matrix import Matrix
from engine.format.constants import Buffer


class Kernel(Protocol):
    """Multiplies slices by a matrix. Thread-safe."""

    @property
    def name(self) -> str:
        """What the status view calls it."""

    def encode(
        self,
        rows: Matrix,
        sources: Sequence[Buffer],
        targets: Sequence[bytearray | memoryview],
        length: int,
    ) -> None:
        """Write to each of *targets* its row's linear combination of *sources*.

        Only the first *length* bytes of each buffer are read or written.
        *targets* are writable and overlap neither *sources* nor each other.

        Raises:
            ValueError: the counts do not fit *rows*, or a buffer is shorter
                than *length*, not contiguous or, as a target, read-only.
        """


@cache
def default_kernel() -> Kernel:
    """Return ISA-L where it is installed, else the pure Python kernel."""
    return isal.load() or TranslateKernel()
