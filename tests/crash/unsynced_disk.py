"""A real mount whose power can be cut: what nobody synced is lost, by choice of a seed.

Below it is no disk but ``UnsyncedTree`` in a child process; programs above see
an ordinary file system of the kernel, with its page cache, O_DIRECT, locks and
shared mappings. Whatever runs on it should be dead before ``again``.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from fusebridge.mount_table import Detach, abort_connection, detach, find_mount
from tests.crash.unsynced_tree import Kept
from tests.e2e.harness import ROOT, TookTooLongError, command_environment

END_S: Final = 20.0


class UnsyncedDisk:
    """The mount at ``path`` and its power switch. One thread at a time."""

    def __init__(self, root: Path) -> None:
        """Mount an empty one at ``unsynced`` below *root*.

        Raises:
            TookTooLongError: it could not be mounted; its log is the text.
        """
        self.path = root / "unsynced"
        self.path.mkdir()
        self._log = root / "unsynced.log"
        with self._log.open("w") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.crash.unsynced_server", str(self.path)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env=command_environment(),
                cwd=ROOT,
            )
        self._expect("mounted")

    def cut(self, kept: Kept, seed: int) -> None:
        """Cut the power: from now on no sync succeeds, and nothing counts."""
        self._say(f"cut {kept.value} {seed}")
        self._expect("done")

    def again(self) -> None:
        """Switch the power on: what is left is mounted, and durable."""
        self._say("again")
        self._expect("done")

    def close(self) -> None:
        """End the child and take the mount away, in whatever state they are."""
        try:
            self._process.communicate(timeout=END_S)
        except subprocess.TimeoutExpired:
            self._abort()
            self._process.kill()
            self._process.communicate(timeout=END_S)
        while find_mount(str(self.path.parent.resolve() / self.path.name)) is not None:
            detach(str(self.path), Detach.NOW)

    def _abort(self) -> None:
        entry = find_mount(str(self.path.parent.resolve() / self.path.name))
        if entry is not None:
            with suppress(OSError):
                abort_connection(entry.device, entry.mountpoint)

    def _say(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()

    def _expect(self, word: str) -> None:
        assert self._process.stdout is not None
        heard = self._process.stdout.readline().strip()
        if heard != word:
            raise TookTooLongError(f"{heard}\n{self._log.read_text()}")


@contextmanager
def unsynced_disk(root: Path) -> Iterator[UnsyncedDisk]:
    """An empty file system with a power switch; nothing is left of it."""
    disk = UnsyncedDisk(root)
    try:
        yield disk
    finally:
        disk.close()
