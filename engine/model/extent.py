"""An extent and its fragments, as committed."""

from __future__ import annotations

from dataclasses import dataclass, field

from engine.ids import DiskId, Epoch, ExtentId, Generation, LayoutId
from engine.limits import EXTENT_BYTES_MAX
from engine.model.disk import Tier
from engine.model.redundancy import Redundancy, fragment_count, needed_count, slice_bytes


@dataclass(frozen=True, slots=True)
class FragmentRef:
    """Where one fragment is, and the BLAKE3 of its 4 KiB header.

    ``layout`` is the layout the file was written under; a repaired fragment
    has a newer one than its siblings, since no name is ever written twice.
    """

    index: int
    disk_id: DiskId
    layout: LayoutId
    header_hash: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtentRecord:
    """A named container of file data; its bytes never change."""

    extent_id: ExtentId
    redundancy: Redundancy
    tier: Tier
    length_bytes: int
    epoch: Epoch
    generation: Generation
    fragments: tuple[FragmentRef, ...]
    slice_bytes: int = field(init=False, repr=False, compare=False)
    """Payload length of each fragment."""
    needed_count: int = field(init=False, repr=False, compare=False)
    """How many intact fragments are enough."""

    def __post_init__(self) -> None:
        if not 0 < self.length_bytes <= EXTENT_BYTES_MAX:
            raise ValueError(f"extent {self.extent_id}: length {self.length_bytes}")
        if len(self.fragments) != fragment_count(self.redundancy):
            raise ValueError(f"extent {self.extent_id}: {len(self.fragments)} fragments")
        if any(ref.index != position for position, ref in enumerate(self.fragments)):
            raise ValueError(f"extent {self.extent_id}: fragments out of order")
        # Asked for several times in each read, so they are no properties.
        object.__setattr__(self, "slice_bytes", slice_bytes(self.redundancy, self.length_bytes))
        object.__setattr__(self, "needed_count", needed_count(self.redundancy))

    def with_fragment(self, ref: FragmentRef) -> tuple[FragmentRef, ...]:
        """Return the fragments with *ref* in the place of its index."""
        return (*self.fragments[: ref.index], ref, *self.fragments[ref.index + 1 :])


def fragment_name(extent_id: ExtentId, layout: LayoutId, index: int) -> str:
    """Return the device name of a fragment.

    Directories by the high bits of the id: a stream touches one directory.

    >>> fragment_name(ExtentId(4100), LayoutId(7), 3)
    'fragments/4/4100.7.3'
    """
    return f"fragments/{extent_id // 1024:x}/{extent_id}.{layout}.{index}"
