"""Serves an ``UnsyncedTree`` and cuts its power on command.

The child of ``tests.crash.unsynced_disk``: ``python -m
tests.crash.unsynced_server MOUNTPOINT``. It answers each line on its input
with one line: ``cut KEPT SEED`` takes what was not synced and lets nothing be
synced any more, ``again`` mounts what is left. The end of the input ends it.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

from engine.errors import EngineError
from fusebridge.mount import Mount
from fusebridge.operations import Operations
from tests.crash.unsynced_tree import Kept, UnsyncedTree

START_S: Final = 15.0
STOP_S: Final = 5.0
SWITCH_INTERVAL_S: Final = 0.0005


class _Server:
    """One tree after another, at one mount point."""

    def __init__(self, mountpoint: Path) -> None:
        self._mountpoint = mountpoint
        self._tree = UnsyncedTree()
        self._mount = self._begin()

    def _begin(self) -> Mount:
        mount = Mount(
            self._tree, str(self._mountpoint), name="unsynced", read_write=True, allow_other=False
        )
        mount.start(START_S)
        return mount

    def obey(self, verb: str, *words: str) -> None:
        """Do what one line says."""
        if verb == "cut":
            self._tree.cut(Kept(words[0]), int(words[1]))
        else:
            assert self._tree.survivor is not None
            self._mount.stop(STOP_S)
            self._tree = self._tree.survivor
            self._mount = self._begin()

    def close(self) -> None:
        """Take the mount away."""
        self._mount.stop(STOP_S)


def main() -> None:
    """Serve until the input ends."""
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    # The kernel is to keep no writes back: what it holds, no cut could take.
    Operations.enable_writeback_cache = False
    server = _Server(Path(sys.argv[1]))
    try:
        print("mounted", flush=True)
        for line in sys.stdin:
            try:
                server.obey(*line.split())
            except EngineError as error:
                print(f"{type(error).__name__}: {error}", flush=True)
                return
            print("done", flush=True)
    finally:
        server.close()


if __name__ == "__main__":
    main()
