"""Run a pool in sessions that are killed before maintenance gets a turn.

``python -m tests.histories.short_sessions POOL COUNT LIMIT_BYTES`` opens the pool
COUNT times. Each time a process of its own overwrites and fsyncs one file, then kills
itself, the way a machine does that crashes again and again. Checkpoints are due at
LIMIT_BYTES instead of 64 MiB, and journal files are small, so that a test gets there.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from blake3 import blake3

from engine.device import directory_journal
from engine.ids import ROOT_INODE
from engine.metadata import checkpoint
from engine.pool.pool import Pool
from engine.units import MIB
from engine.vfs.interface import OpenMode

SYNCS_PER_SESSION = 12
FILE_BYTES = 48 << 10
JOURNAL_FILE_BYTES = MIB


def content(session: int, sync: int) -> bytes:
    """Return what the file holds after fsync number *sync* of *session*.

    Not compressible, so that a record is as long as what it carries.
    """
    return blake3(b"%d/%d" % (session, sync)).digest(FILE_BYTES)


def _live_and_die(pool_dir: Path, session: int) -> None:
    files = Pool(pool_dir).filesystem
    inode = files.lookup(ROOT_INODE, b"file").inode.inode_id
    opened = files.open(inode, OpenMode.WRITE)
    for sync in range(SYNCS_PER_SESSION):
        files.write(opened.handle, 0, content(session, sync))
        files.sync_file(inode)
    os.kill(os.getpid(), signal.SIGKILL)


def main(pool_dir: Path, count: int, limit_bytes: int) -> int:
    """Return 0 when every session ended by the kill and nothing else."""
    # Both are read by the modules that obey them, at the time of use.
    vars(checkpoint)["CHECKPOINT_JOURNAL_BYTES"] = limit_bytes
    vars(directory_journal)["JOURNAL_FILE_BYTES"] = JOURNAL_FILE_BYTES
    for number in range(count):
        child = os.fork()
        if not child:
            try:
                _live_and_die(pool_dir, number)
            finally:
                os._exit(1)
        _, status = os.waitpid(child, 0)
        if not (os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL):
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])))
