"""Every bound of the engine in one place (P8), with its reason.

Format numbers (what is written on disks) live in ``engine.format.constants``.
What an operator may tune lives in ``engine.pool.config``.
"""

from __future__ import annotations

from typing import Final

from engine.units import GIB, KIB, MIB

# Extents and buffers

EXTENT_BYTES_MAX: Final = 8 * MIB
"""User data in one extent. Larger extents amplify small rewrites."""

PAGE_BYTES: Final = 64 * KIB
"""Unit of checksum within a fragment's payload."""

BLOCK_BYTES: Final = 4 * KIB
"""Alignment of slices, headers and page tables; O_DIRECT needs at most this."""

BUILDERS_MAX: Final = 12
"""Extent buffers that exist at once (open, frozen, being written): 12 x 12 MiB."""

BUILDER_OPEN_S: Final = 1.0
"""An open builder with data is frozen after this long."""

PAGE_CACHE_BYTES_MAX: Final = 128 * MIB
"""Verified pages kept in memory."""

PAGE_TABLES_MAX: Final = 4096
"""Verified page tables kept in memory, 8 KiB each at most."""

RECONSTRUCT_BYTES_MAX: Final = 1 * MIB
"""Bytes of each fragment that verification and rebuild hold at once."""

READ_AHEAD_BYTES_MAX: Final = 16 * MIB
"""How far the sequence detector reads ahead of one handle."""

SEQUENCE_GAP_BYTES_MAX: Final = 8 * KIB
"""A read that starts this close behind the last one continues its sequence."""

FRAGMENTS_PER_EXTENT_MAX: Final = 256
"""The field GF(2^8) has no room for more; also REFERENCE phase 8."""

# Metadata groups

GROUP_S_MAX: Final = 1.0
"""A group is committed at this age, so at most this much is lost unsynced."""

GROUP_ROWS_MAX: Final = 4096
GROUP_BYTES_MAX: Final = 8 * MIB
"""A group is committed at this many changed rows or changeset bytes (estimate)."""

GROUP_WAIT_S_MAX: Final = 30.0
"""How long a change waits for journals that do not keep up."""

STEP_S_MAX: Final = 0.002
"""How long a maintenance step may hold the write lock."""

STEP_ROWS_MAX: Final = 256
"""Rows one maintenance step changes at most; about half of STEP_S_MAX."""

STAGED_BYTES_MAX: Final = 64 * MIB
STAGED_ROW_BYTES_MAX: Final = 64 * KIB
STAGED_FSYNC_BYTES_MAX: Final = 256 * KIB
"""fsync stages a file's pending ranges up to this sum; more are sealed."""

OUTBOX_ROOTS_MAX: Final = 64
"""Committed but unacknowledged roots; at the bound, writers wait."""

OUTBOX_BYTES_MAX: Final = 64 * MIB
"""The same bound in bytes of records."""

WAL_CHECKPOINT_BYTES: Final = 16 * MIB
WAL_GATE_BYTES: Final = 32 * MIB
"""Above the first a passive checkpoint runs; above the second readers wait."""

READER_S_MAX: Final = 0.05
"""How long a reader connection may hold a transaction."""

JOURNAL_FILE_BYTES: Final = 16 * MIB
CHECKPOINT_JOURNAL_BYTES: Final = 64 * MIB
"""A checkpoint is due when journals exceed max(this, the database)."""

RECORD_BYTES_MAX: Final = 192 * MIB
"""A root record larger than this is damage, not data."""

ACCESS_TIMES_MAX: Final = 65_536
"""Access times that are newer than their rows; at the bound the oldest are written."""

# Names and values (POSIX and REFERENCE phase 8)

NAME_BYTES_MAX: Final = 255
SYMLINK_BYTES_MAX: Final = 4095
XATTR_NAME_BYTES_MAX: Final = 255
XATTR_VALUE_BYTES_MAX: Final = 64 * KIB
XATTRS_PER_INODE_MAX: Final = 1024
XATTR_LIST_BYTES_MAX: Final = 64 * KIB
"""Names of one inode, each with a zero behind it: what the kernel lets a listing be. With more,
nothing of an inode could be listed, nor copied by what keeps attributes."""

XATTR_BYTES_PER_INODE_MAX: Final = 1 * MIB
"""Names and values of one inode: they come and go with it, and whole in a changeset."""

XATTR_STEP_BYTES: Final = 256 * KIB
"""Values one step removes at most; about STEP_S_MAX."""

FILE_BYTES_MAX: Final = 2**63 - 1
LINKS_MAX: Final = 65_000
"""Names of a file. ext4's bound; programs expect one near it."""

DIRECTORY_LINKS_MAX: Final = 2**31 - 1
"""Two, and one for each directory in it. Where ext4 counts no further it sets no bound, and
nor does anything here but the field of 32 bits in which the kernel is told."""

# Disks

DISKS_MAX: Final = 64
LANE_QUEUE_MAX: Final = 256
LANES_ABANDONED_MAX: Final = 2
DEVICE_CALL_S_MAX: Final = 30.0
"""A device call past this is abandoned and its disk becomes suspect."""

PROBE_S: Final = 2.0
"""Between two probes of every disk."""

DISK_RESERVE_RATIO: Final = 0.01
DISK_RESERVE_BYTES: Final = 256 * MIB
DISK_RESERVE_RATIO_MAX: Final = 0.10
"""Each disk keeps max(1 %, 256 MiB) free, but never above a tenth of itself."""

POOL_RESERVE_BYTES: Final = 32 * MIB
"""Reserve file beside the database: deletes and commits have room (P6)."""

# Maintenance

QUARANTINE_AGE_S: Final = 24 * 3600
"""A fragment nobody names is deleted only when older (REFERENCE phase 1)."""

RECONCILE_ITEMS_MAX: Final = 10_000
"""Items listed by name; more are counted only."""

EVENTS_MAX: Final = 2048
FINDINGS_MAX: Final = 10_000
"""Lines of the timeline, and of a scrub's result; older or further ones are dropped."""

EVENT_FILE_BYTES: Final = 1 * MIB
"""Events on file: two of this size, some ten thousand lines."""

AUDIT_FILE_BYTES: Final = 4 * MIB
AUDIT_FILES_MAX: Final = 8
"""The audit trail: so many older files of this size, some hundred thousand lines."""

# Control socket

CONTROL_CLIENTS_MAX: Final = 8
"""Commands served at once; one more is told to try again."""

CONTROL_REQUEST_BYTES_MAX: Final = 64 * KIB
CONTROL_REPLY_BYTES_MAX: Final = 64 * MIB
"""Lines longer than these are refused; a list of extents is the longest reply."""

CONTROL_IDLE_S: Final = 30.0
"""A client that neither asks nor takes its answer for this long is dropped."""

CONTROL_VIEW_S: Final = 1.0
"""A view that takes longer than this is answered with the last one and its age."""

CONTROL_ANSWER_S: Final = 300.0
"""How long a command waits for one answer; ``check`` and ``sync`` take the longest."""

POOL_BYTES_MAX: Final = 1024 * 1024 * GIB
"""Where sums of bytes stop to be believed: a pebibyte."""

assert PAGE_BYTES % BLOCK_BYTES == 0
assert EXTENT_BYTES_MAX % PAGE_BYTES == 0
assert STAGED_ROW_BYTES_MAX <= STAGED_FSYNC_BYTES_MAX <= STAGED_BYTES_MAX
assert XATTR_NAME_BYTES_MAX + XATTR_VALUE_BYTES_MAX <= XATTR_BYTES_PER_INODE_MAX
assert XATTR_VALUE_BYTES_MAX <= XATTR_STEP_BYTES
assert WAL_CHECKPOINT_BYTES < WAL_GATE_BYTES
