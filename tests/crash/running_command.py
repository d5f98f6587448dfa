"""A ``dynamicfs`` command that runs while the test does something else, such as killing it."""

from __future__ import annotations

import subprocess
import time
from contextlib import suppress
from pathlib import Path

from engine.pool.config import CONFIG_NAME
from fusebridge.mount_table import Detach, detach, find_mount
from tests.e2e.harness import COMMAND_S, DYNAMICFS, LivePool, Outcome, command_environment


class RunningCommand:
    """``dynamicfs WORDS…`` from its start to its end. One thread at a time."""

    def __init__(self, pool: LivePool, *words: str) -> None:
        """Start it."""
        self._process = subprocess.Popen(
            [*DYNAMICFS, *words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=command_environment(),
            cwd=pool.root,
        )

    @property
    def runs(self) -> bool:
        """Whether it has not ended yet."""
        return self._process.poll() is None

    def run_for(self, limit_s: float) -> None:
        """Return after *limit_s* seconds, or earlier when it ends by itself."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(limit_s)

    def kill(self) -> None:
        """SIGKILL it, and wait; harmless when it has ended."""
        self._process.kill()
        self._process.communicate(timeout=COMMAND_S)

    def end(self) -> Outcome:
        """Wait for its end and return how it was."""
        printed, said = self._process.communicate(timeout=COMMAND_S)
        return Outcome(code=self._process.returncode, printed=printed, said=said)


def seconds_of(pool: LivePool, *words: str) -> float:
    """Run a command that must succeed, and return how long it took."""
    start_s = time.monotonic()
    outcome = RunningCommand(pool, *words).end()
    assert outcome.code == 0, f"{words[0]}: {outcome}"
    return time.monotonic() - start_s


def is_whole(pool_dir: Path) -> bool:
    """Whether *pool_dir* is a pool: its configuration is what comes last."""
    return (pool_dir / CONFIG_NAME).exists()


def begin_to_open(pool: LivePool) -> RunningCommand:
    """Start ``mount --foreground``, after what ``mount`` does about a dead mount."""
    while find_mount(str(pool.mountpoint.parent.resolve() / pool.mountpoint.name)) is not None:
        detach(str(pool.mountpoint), Detach.NOW)
    words = ["--read-write", "--foreground", str(pool.pool_dir), str(pool.mountpoint)]
    return RunningCommand(pool, "mount", *words)
