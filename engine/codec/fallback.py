"""The kernel of last resort: ``bytes.translate`` and XOR of wide integers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from engine.codec.field import PRODUCT
from engine.codec.matrix import Matrix
from engine.codec.shapes import check_shapes
from engine.format.constants import Buffer
from engine.units import KIB

_STEP_BYTES: Final = 32 * KIB
"""Bytes of each source per step: sources, products and sum stay in the cache."""


class TranslateKernel:
    """Pure Python. Holds the GIL, but for no longer than one step at a time."""

    name = "python"

    def encode(
        self,
        rows: Matrix,
        sources: Sequence[Buffer],
        targets: Sequence[bytearray | memoryview],
        length: int,
    ) -> None:
        """See ``Kernel.encode``."""
        check_shapes(rows, sources, targets, length)
        source_views = [memoryview(source) for source in sources]
        target_views = [memoryview(target) for target in targets]
        for start in range(0, length, _STEP_BYTES):
            stop = min(start + _STEP_BYTES, length)
            pieces = [bytes(view[start:stop]) for view in source_views]
            for row, view in zip(rows, target_views, strict=True):
                view[start:stop] = _combined(row, pieces).to_bytes(stop - start, "little")


def _combined(row: bytes, pieces: Sequence[bytes]) -> int:
    """Return the sum of *pieces*, each times its coefficient, as one integer."""
    total = 0
    for coefficient, piece in zip(row, pieces, strict=True):
        if coefficient > 1:
            total ^= int.from_bytes(piece.translate(PRODUCT[coefficient]), "little")
        elif coefficient:
            total ^= int.from_bytes(piece, "little")
    return total
