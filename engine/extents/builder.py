"""An extent while it is being filled.

States: OPEN -> FROZEN (``freeze``) -> RELEASED (``release``). Only an open
builder changes; a frozen one is read by its writer and by readers at the same
time. A builder has no lock: whoever appends, overwrites, freezes or releases
holds the pool's write lock. ``read`` needs none.
"""

from __future__ import annotations

from enum import Enum, auto

from engine.errors import RetryableError
from engine.extents.buffers import BufferPool, ExtentBuffer
from engine.limits import EXTENT_BYTES_MAX
from engine.model.disk import Tier
from engine.model.redundancy import Redundancy


class BuilderReleasedError(RetryableError):
    """The builder's bytes are elsewhere by now: resolve the range again."""


class BuilderState(Enum):
    """Where a builder is in its life."""

    OPEN = auto()
    FROZEN = auto()
    RELEASED = auto()


class ExtentBuilder:
    """User bytes that will be one extent, in the order they arrived.

    ``sequence`` tells builders apart and grows with their age; ``opened_s``
    is the monotonic second of the first byte's arrival.
    """

    __slots__ = (
        "buffer",
        "length",
        "opened_s",
        "redundancy",
        "sequence",
        "state",
        "tier",
    )

    def __init__(
        self,
        buffer: ExtentBuffer,
        *,
        sequence: int,
        redundancy: Redundancy,
        tier: Tier,
        opened_s: float,
    ) -> None:
        self.buffer = buffer
        self.sequence = sequence
        self.redundancy = redundancy
        self.tier = tier
        self.opened_s = opened_s
        self.length = 0
        self.state = BuilderState.OPEN

    @property
    def room(self) -> int:
        """How many more bytes can be appended."""
        return EXTENT_BYTES_MAX - self.length if self.state is BuilderState.OPEN else 0

    def append(self, data: bytes | memoryview) -> int:
        """Copy *data*, at most ``room`` bytes, behind the others; return its offset."""
        offset = self.length
        if len(data) > self.room:
            raise ValueError(f"{len(data)} bytes do not fit into {self.room}")
        self.buffer.view[offset : offset + len(data)] = data
        self.length = offset + len(data)
        return offset

    def overwrite(self, offset: int, data: bytes | memoryview) -> None:
        """Replace bytes appended before; the builder must be open."""
        if self.state is not BuilderState.OPEN:
            raise ValueError(f"builder {self.sequence} is {self.state.name}: it never changes")
        if not 0 <= offset <= offset + len(data) <= self.length:
            raise ValueError(f"range {offset}+{len(data)} is outside {self.length} bytes")
        self.buffer.view[offset : offset + len(data)] = data

    def read(self, offset: int, length: int) -> bytes:
        """Return a copy of the range. Safe from any thread, without a lock.

        Raises:
            BuilderReleasedError: the builder was released before or during the
                copy, which may then hold another extent's bytes (P1).
        """
        if not 0 <= offset <= offset + length <= self.length:
            raise ValueError(f"range {offset}+{length} is outside {self.length} bytes")
        data = bytes(self.buffer.view[offset : offset + length])
        # The state changes before the buffer is handed on, so a copy that ends
        # while it still stands was taken from this builder's bytes.
        if self.state is BuilderState.RELEASED:
            raise BuilderReleasedError(f"builder {self.sequence} was released")
        return data

    def freeze(self) -> None:
        """End the filling; harmless when repeated."""
        if self.state is BuilderState.OPEN:
            self.state = BuilderState.FROZEN

    def release(self, pool: BufferPool) -> None:
        """Give the buffer back; harmless when repeated.

        Only when the extent is committed or its content is no longer wanted,
        and no writer works on it.
        """
        if self.state is not BuilderState.RELEASED:
            self.state = BuilderState.RELEASED
            pool.give_back(self.buffer)
