"""The format: every byte DynamicFS writes to a disk, and nothing else does.

All numbers are little-endian and unsigned unless said otherwise. "Hash" is
BLAKE3: 32 bytes, or its first 16 where a table says so. Every record is
version 1; a reader refuses any other version by name, and takes any failed
check as ``DamagedRecordError``. Reserved bytes are zero, and refused if not.

Fragment file: ``fragments/<extent id // 1024, hex>/<extent>.<layout>.<index>``
===============================================================================
A header of 4,096 bytes, the page table, the payload. The payload is ``slice
bytes`` long: ceil(stored / k) rounded up to 4,096. Fragment i < k holds slice
i of the stored bytes, zero-padded; a fragment from k on holds parity; with
replication k is 1 and all payloads are alike. A page is 65,536 bytes of
payload, the last may be shorter. The table is the hash of each page in order,
zero-padded to a multiple of 4,096 bytes.

====== ===== ===========================================================
offset bytes header field
====== ===== ===========================================================
0      8     magic ``DFS-FRAG``
8      2     version
10     1     kind of redundancy: 1 replication, 2 erasure coding
11     1     compression: 0 none
12     2     k: data fragments; 1 for replication
14     2     m: parity fragments; copies - 1 for replication
16     2     index of this fragment
18     2     reserved
20     4     page bytes, 65,536
24     16    pool uuid
40     8     extent id
48     8     layout
56     8     epoch it was written under
64     8     generation it was written under
72     8     user bytes of the extent
80     8     stored bytes: user bytes after compression
88     8     slice bytes
96     32    hash of the page table with its padding
128    3936  reserved
4064   32    hash of bytes 0 to 4,063
====== ===== ===========================================================

The extent's metadata holds the hash of all 4,096 bytes, so that a whole but
stale or foreign fragment does not pass either.

**Parity** is reedsolo's: column c of the parity slices is what
``reedsolo.RSCodec(m, nsize=k+m)`` appends to column c of the data slices
(field polynomial 0x11d, first consecutive root 0, generator 2).

Root record: one transaction group
==================================
====== ===== ===========================================================
offset bytes field
====== ===== ===========================================================
0      8     magic ``DFS-ROOT``
8      2     version
10     2     flags: bit 0 is "opened by force", bit 1 "changeset compressed"
12     4     version of the metadata schema
16     8     length of the whole record, its closing hash included
24     16    pool uuid
40     8     generation
48     8     epoch
56     8     time, signed nanoseconds since the Unix epoch
64     8     rows the changeset changes
72     2     m, how many journal disks may be lost
74     2     count of members
76     2     count of journal disks
78     2     bytes of the pool's name
80     48    high-water marks: extent, layout, inode, map, cookie, disk
128    32    closing hash of the previous record; zeros in the first
160    8     bytes of the changeset, as stored
168    8     bytes of the staged part
176    ...   name (UTF-8), members (16 each), journal disks (16 each),
             changeset (SQLite session extension; with flag bit 1 one
             zstd frame of it that names its length), staged part
...    32    closing hash: of everything before it
====== ===== ===========================================================

The **staged part** is operations without a gap: kind (1 byte: 1 put, 2
delete), map id (8), file offset (8), length (4), then that many bytes of data;
at most 65,536, and none for a delete.

Journal file: ``journal/``
==========================
Frames, each beginning at a multiple of 4,096 bytes and followed by padding
that readers ignore. Unwritten space is zeros.

====== ===== ===========================================================
offset bytes frame field
====== ===== ===========================================================
0      8     magic ``DFS-JRNL``
8      2     version
10     2     reserved
12     4     payload bytes
16     8     generation
24     8     epoch
32     16    hash of the payload, first 16 bytes
48     16    hash of bytes 0 to 47, first 16 bytes
64     ...   payload: a root record
====== ===== ===========================================================

Where no intact frame is found the reader looks on: behind a sound frame header
with a damaged payload by that frame's length, else by 4,096 bytes. A later
intact frame means rot, since a frame is flushed before the next is appended;
none means a torn or an empty tail. The root records' chain has the last word.

Checkpoint file: ``checkpoints/``
=================================
====== ===== ===========================================================
offset bytes field
====== ===== ===========================================================
0      8     magic ``DFS-CKPT``
8      2     version
10     2     compression: 1 zstd
12     4     bytes of the head
16     8     bytes of the database
24     8     reserved
32     32    closing hash of the root record the database stands at
64     ...   head: that record, without changeset and staged part
...    32    hash of everything before it
...    ...   chunks
====== ===== ===========================================================

A chunk is its length (4 bytes, at most 1 MiB), that many bytes of one zstd
frame, and the hash of everything in the file before that hash. A chunk of
length 0 with its hash ends the file. So each chunk is proved before it is
decompressed, and the last hash proves the whole file.

Label: ``dynamicfs-disk.json``
==============================
A UTF-8 JSON object of at most 65,536 bytes: ``format`` (``dynamicfs-disk``),
``version``, ``features`` (a label with one the reader does not know is
refused), ``pool_uuid``, ``pool_name``, ``disk_uuid``, ``disk_name``, ``tier``
(hot, warm, cold), ``epoch``, ``journal_set`` (a list of disk uuids), and
``blake3``: the hash, in lower-case hex, of the object without this key, as JSON
with sorted keys, no spaces, and \\u escapes for all that is not ASCII. Keys
beyond these are hashed like the others and otherwise ignored.
"""
