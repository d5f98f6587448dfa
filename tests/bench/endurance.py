"""What ten minutes of everything at once do to log and memory: ``python -m tests.bench.endurance``.

A console draws and serves the pool; beside it run a stream that is rewritten and synced, small
files that come and go, fsyncs at random places, and one scrub after the other. Told are
the largest log of the metadata and its bound, resident memory over time, and how long
the write lock was held.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from engine.limits import WAL_GATE_BYTES
from engine.units import KIB, MIB
from tests.bench.console_cost import console_on
from tests.e2e.harness import LivePool, live_pool

LOOK_S: Final = 1.0
STREAM_BYTES: Final = 256 * MIB
RANDOM_BYTES: Final = 16 * MIB
FILES_KEPT: Final = 2000
BLOCK: Final = random.Random(10).randbytes(MIB)


@dataclass(slots=True)
class Told:
    """What was seen, once a second, and how much was done."""

    log_bytes: list[int] = field(default_factory=list)
    resident_bytes: list[int] = field(default_factory=list)
    done: dict[str, int] = field(default_factory=dict)


class Work:
    """Workloads on one mount that go on until they are stopped."""

    def __init__(self, pool: LivePool) -> None:
        self._pool = pool
        self.folder = pool.mountpoint
        self.stopped = threading.Event()

    def stream(self) -> int:
        """Rewrite a large file and sync it; return how many MiB were written."""
        written = 0
        while not self.stopped.is_set():
            with (self.folder / "stream").open("wb", buffering=0) as file:
                for _ in range(STREAM_BYTES // MIB):
                    file.write(BLOCK)
                    written += 1
                os.fsync(file.fileno())
        return written

    def small_files(self) -> int:
        """Create small files and remove the oldest; return how many were created."""
        number = 0
        while not self.stopped.is_set():
            (self.folder / f"small-{number}").write_bytes(BLOCK[: 4 * KIB])
            with suppress(FileNotFoundError):
                (self.folder / f"small-{number - FILES_KEPT}").unlink()
            number += 1
        return number

    def fsyncs(self) -> int:
        """Write at random places and sync each; return how often."""
        path, draw, count = self.folder / "random", random.Random(11), 0
        path.write_bytes(bytes(RANDOM_BYTES))
        with path.open("r+b", buffering=0) as file:
            while not self.stopped.is_set():
                file.seek(draw.randrange(RANDOM_BYTES // (4 * KIB)) * 4 * KIB)
                file.write(BLOCK[: 4 * KIB])
                os.fdatasync(file.fileno())
                count += 1
        return count

    def scrubs(self) -> int:
        """Scrub, again and again; return how many came to their end."""
        count = 0
        while not self.stopped.is_set():
            self._pool.must("scrub", str(self._pool.pool_dir), "--no-wait")
            while self._pool.view().scrub.running and not self.stopped.wait(LOOK_S):
                pass
            count += 1
        return count


def endure(pool: LivePool, pid: int, *, seconds: float) -> Told:
    """Run all workloads for so long, and look meanwhile."""
    work, told = Work(pool), Told()
    kinds: dict[str, Callable[[], int]] = {
        "MiB streamed": work.stream,
        "small files": work.small_files,
        "fsyncs": work.fsyncs,
        "scrubs": work.scrubs,
    }
    with ThreadPoolExecutor(len(kinds)) as threads:
        running = {name: threads.submit(kind) for name, kind in kinds.items()}
        end_s = time.monotonic() + seconds
        try:
            while time.monotonic() < end_s and not any(one.done() for one in running.values()):
                time.sleep(LOOK_S)
                told.log_bytes.append((pool.pool_dir / "metadata.db-wal").stat().st_size)
                told.resident_bytes.append(resident_bytes(pid))
        finally:
            work.stopped.set()
        told.done = {name: one.result() for name, one in running.items()}
    return told


def resident_bytes(pid: int) -> int:
    """Return the memory of a process that is in use now."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def main() -> int:
    """Measure and print; the exit code is 1 when the log grew over its bound."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    options = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(prefix="dynamicfs-endurance-") as folder,
        live_pool(Path(folder)) as pool,
    ):
        pool.unmount()
        with console_on(pool) as screen:
            told = endure(pool, screen.pid, seconds=60 * options.minutes)
            held_s = pool.metric("write_lock_held_p99_seconds")
    for name, amount in told.done.items():
        print(f"{name:28}{amount}")
    tenth = max(1, len(told.resident_bytes) // 10)
    parts = [
        told.resident_bytes[at : at + tenth] for at in range(0, len(told.resident_bytes), tenth)
    ]
    print("resident, MiB, by tenths    ", " ".join(f"{max(part) / MIB:.0f}" for part in parts))
    print(f"write lock held p99, ms     {1000 * held_s:.2f}")
    largest = max(told.log_bytes)
    print(f"largest log, MiB            {largest / MIB:.1f} of {WAL_GATE_BYTES / MIB:.0f}")
    return 0 if largest <= WAL_GATE_BYTES + 2 * MIB else 1


if __name__ == "__main__":
    sys.exit(main())
