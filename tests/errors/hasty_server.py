"""Serves a pool that gives device calls up after one second instead of thirty.

The child of ``test_hung_mount``: ``python -m tests.errors.hasty_server POOL
MOUNTPOINT``. It says ``mounted`` when it serves, and ends with the mount.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from dynamicfs_tui.cli.engine_gateway import mount_name
from dynamicfs_tui.cli.gateway import Access, MountOptions
from dynamicfs_tui.service import serve_mount
from tests.errors.troubled_pool import shorten_device_limits

CALL_S = 1.0


def main() -> None:
    """Serve until unmounted."""
    pool_dir, mountpoint = sys.argv[1:]
    shorten_device_limits(pytest.MonkeyPatch(), call_s=CALL_S)
    options = MountOptions(mountpoint=Path(mountpoint), access=Access.READ_WRITE, shared=False)
    serve_mount(
        Path(pool_dir),
        options,
        name=mount_name(Path(pool_dir)),
        ready=lambda: print("mounted", flush=True),
    )
    print("closed", flush=True)


if __name__ == "__main__":
    main()
