"""The check every kernel makes first: C code behind it would not notice."""

from __future__ import annotations

from collections.abc import Sequence

from engine.codec.matrix import Matrix
from engine.format.constants import Buffer


def check_shapes(
    rows: Matrix,
    sources: Sequence[Buffer],
    targets: Sequence[bytearray | memoryview],
    length: int,
) -> None:
    """Raise ValueError unless the buffers are as ``Kernel.encode`` wants them."""
    if len(rows) != len(targets) or any(len(row) != len(sources) for row in rows):
        raise ValueError(
            f"{len(rows)} rows do not make {len(targets)} targets of {len(sources)} sources"
        )
    views = [memoryview(buffer) for buffer in (*sources, *targets)]
    if length < 0 or any(view.nbytes < length for view in views):
        raise ValueError(f"a buffer is shorter than {length} bytes")
    if not all(view.c_contiguous for view in views):
        raise ValueError("a buffer is not contiguous")
    if any(view.readonly for view in views[len(sources) :]):
        raise ValueError("a target is read-only")
