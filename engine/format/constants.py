"""The numbers of the format; ``engine.format`` says what they mean.

A change of any of them is a new ``FORMAT_VERSION``. Sizes that memory bounds
share with the format (page, block) live in ``engine.limits``.
"""

from __future__ import annotations

from typing import Final, TypeAlias

from engine.limits import BLOCK_BYTES, PAGE_BYTES, RECORD_BYTES_MAX
from engine.units import KIB, MIB

Buffer: TypeAlias = bytes | bytearray | memoryview
"""Contiguous bytes, read and never kept."""

FORMAT_VERSION: Final = 1
"""Version of every record here. A reader refuses any other by name."""

HASH_BYTES: Final = 32
"""A whole BLAKE3."""

SHORT_HASH_BYTES: Final = 16
"""A BLAKE3 cut to 128 bits, where it only has to tell rot from data."""

UUID_BYTES: Final = 16

FRAGMENT_MAGIC: Final = b"DFS-FRAG"
ROOT_MAGIC: Final = b"DFS-ROOT"
JOURNAL_MAGIC: Final = b"DFS-JRNL"
CHECKPOINT_MAGIC: Final = b"DFS-CKPT"
MAGIC_BYTES: Final = 8

HEADER_BYTES: Final = BLOCK_BYTES
"""A fragment's header: one block, so that table and payload stay aligned."""

COMPRESSION_NONE: Final = 0
COMPRESSION_ZSTD: Final = 1

FRAME_HEADER_BYTES: Final = 64
FRAME_ALIGNMENT: Final = BLOCK_BYTES
"""Frames begin here: a disk tears no finer, and a scan steps no wider."""

LABEL_FORMAT: Final = "dynamicfs-disk"
LABEL_BYTES_MAX: Final = 64 * KIB
"""A longer label is damage; 64 journal disks need a tenth of this."""

LABEL_FEATURES: Final[frozenset[str]] = frozenset()
"""Features this reader knows; a label that names another is refused."""

CHECKPOINT_CHUNK_BYTES_MAX: Final = 1 * MIB
"""Compressed bytes between two checks, so memory does not grow with the pool."""

assert all(
    len(magic) == MAGIC_BYTES
    for magic in (FRAGMENT_MAGIC, ROOT_MAGIC, JOURNAL_MAGIC, CHECKPOINT_MAGIC)
)
assert PAGE_BYTES % BLOCK_BYTES == 0
assert RECORD_BYTES_MAX < 2**32, "a frame's length is four bytes on disk"
