"""Crashes that come faster than maintenance must not let the journals grow without end."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from engine.device.directory import DirectoryDevice
from engine.format.label import decode_label
from engine.metadata.checkpoint import CHECKPOINTS_KEPT
from engine.metadata.scan import scan_disk
from engine.pool.checkpoints import OVERDUE_RATIO
from engine.pool.pool import Pool
from tests.histories.short_sessions import (
    FILE_BYTES,
    JOURNAL_FILE_BYTES,
    SYNCS_PER_SESSION,
    content,
)
from tests.unit.pool.directory_pool import Place, get, put

ROOT = Path(__file__).parents[2]
SESSIONS = 14
LIMIT_BYTES = 256 << 10
SESSION_BYTES = 2 * SYNCS_PER_SESSION * FILE_BYTES
"""What one session can ship, generously: every byte staged, and as much again in rows."""


def journal_bytes(disk: Path) -> int:
    """Return the bytes of root records on *disk*."""
    device = DirectoryDevice.open(str(disk))
    try:
        scan = scan_disk(decode_label(device.get_label()).disk_uuid, device)
    finally:
        device.close()
    assert not scan.damage
    return sum(root.size_bytes for root in scan.roots)


@pytest.mark.timeout(120)
def test_journals_stay_bounded_when_no_session_lives_long_enough_for_maintenance(
    folder: Path,
) -> None:
    place = Place(folder)
    place.create()
    with Pool(place.pool_dir) as pool:
        put(pool, b"file", b"")

    run = subprocess.run(
        [
            *(sys.executable, "-m", "tests.histories.short_sessions"),
            *(str(place.pool_dir), str(SESSIONS), str(LIMIT_BYTES)),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert run.returncode == 0, run.stderr
    largest = max(journal_bytes(disk) for disk in place.disks)
    database_bytes = (place.pool_dir / "metadata.db").stat().st_size
    # Two checkpoints are kept, and the journal files from the older one on.
    between = OVERDUE_RATIO * max(LIMIT_BYTES, database_bytes) + SESSION_BYTES
    assert largest <= CHECKPOINTS_KEPT * between + JOURNAL_FILE_BYTES
    assert 2 * largest < SESSIONS * SYNCS_PER_SESSION * FILE_BYTES, "too little was written"
    with Pool(place.pool_dir) as pool:
        assert get(pool, b"file") == content(SESSIONS - 1, SYNCS_PER_SESSION - 1)
