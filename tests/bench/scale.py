"""What operations cost as a pool grows: ``python -m tests.bench.scale --files 1000000``.

The pool is filled through its mount, and at every power of ten the same sample
of operations is measured: the processor time of the server, which other work
on the machine does not change, and the time that passed. Then how long the
pool takes to close and to open, and the deletion of a file of a tebibyte.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final

import psutil

from engine.units import GIB, KIB, MIB, TIB
from tests.bench.systems import drop_kernel_caches
from tests.e2e.harness import LivePool, live_pool

SAMPLE: Final = 1000
FILES_PER_FOLDER: Final = 1000
BLOCK: Final = random.Random(8).randbytes(KIB)
SPARSE_BYTES: Final = TIB
SPARSE_STEP_BYTES: Final = 4 * GIB


@dataclass(slots=True)
class Cost:
    """Of one operation, in microseconds."""

    processor_us: float = 0.0
    passed_us: float = 0.0


@dataclass(slots=True)
class Milestone:
    """What was measured with so many *files* in the pool."""

    files: int
    costs: dict[str, Cost] = field(default_factory=dict)
    resident_bytes: int = 0
    log_bytes: int = 0
    held_p99_s: float = 0.0


class GrowingPool:
    """Fills *pool* and measures it."""

    def __init__(self, pool: LivePool) -> None:
        self._pool = pool
        self._draw = random.Random(9)
        self.files = 0

    def fill(self, files: int) -> None:
        """Create small files until there are so many."""
        while self.files < files:
            self._create(self.files)
            self.files += 1

    def measure(self) -> Milestone:
        """Measure one sample of each operation; there are as many files afterwards."""
        self._pool.sync()
        told = Milestone(files=self.files)
        first = self.files
        chosen = [self._path(self._draw.randrange(first)) for _ in range(SAMPLE)]
        with self._measuring(told, "create"):
            self.fill(first + SAMPLE)
            self._pool.sync()
        added = [self._path(number) for number in range(first, self.files)]
        renamed = [path.with_name(path.name + ".renamed") for path in added]
        with self._measuring(told, "rename"):
            for old, new in zip(added, renamed, strict=True):
                old.rename(new)
        drop_kernel_caches()
        with self._measuring(told, "cold stat"):
            for path in chosen:
                path.stat()
        drop_kernel_caches()
        with self._measuring(told, "cold read"):
            for path in chosen:
                assert path.read_bytes() == BLOCK
        with self._measuring(told, "unlink"):
            for path in renamed:
                path.unlink()
        self.files = first
        told.resident_bytes = self._server().memory_info().rss
        told.log_bytes = (self._pool.pool_dir / "metadata.db-wal").stat().st_size
        told.held_p99_s = self._pool.metric("write_lock_held_p99_seconds")
        return told

    @contextmanager
    def _measuring(self, told: Milestone, name: str) -> Iterator[None]:
        before, began_s = self._processor_s(), time.perf_counter()
        yield
        passed_s = time.perf_counter() - began_s
        told.costs[name] = Cost(
            processor_us=(self._processor_s() - before) / SAMPLE * 1e6,
            passed_us=passed_s / SAMPLE * 1e6,
        )

    def _processor_s(self) -> float:
        times = self._server().cpu_times()
        return float(times.user + times.system)

    def _server(self) -> psutil.Process:
        return psutil.Process(self._pool.server_pid)

    def _path(self, number: int) -> Path:
        return self._pool.mountpoint / f"{number // FILES_PER_FOLDER}" / f"file-{number}"

    def _create(self, number: int) -> None:
        path = self._path(number)
        if number % FILES_PER_FOLDER == 0:
            path.parent.mkdir(exist_ok=True)
        file = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY)
        os.write(file, BLOCK)
        os.close(file)


def unlink_of_a_sparse_tebibyte(pool: LivePool) -> float:
    """Write a megabyte every few gigabytes, and return the seconds that deleting it all takes."""
    path = pool.mountpoint / "sparse"
    with path.open("wb") as file:
        for offset in range(0, SPARSE_BYTES, SPARSE_STEP_BYTES):
            file.seek(offset)
            file.write(BLOCK * (MIB // len(BLOCK)))
        file.truncate(SPARSE_BYTES)
    pool.sync()
    return seconds_of(path.unlink)


def seconds_of(work: Callable[[], object]) -> float:
    """Return the seconds *work* takes."""
    began_s = time.perf_counter()
    work()
    return time.perf_counter() - began_s


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=100_000)
    options = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(prefix="dynamicfs-scale-") as folder,
        live_pool(Path(folder)) as pool,
    ):
        growing = GrowingPool(pool)
        milestone = SAMPLE
        while milestone <= options.files:
            took_s = seconds_of(partial(growing.fill, milestone))
            print(f"{milestone} files; the last of them in {took_s:.1f} s", file=sys.stderr)
            show(growing.measure())
            milestone *= 10
        rows = {
            "unlink of a sparse tebibyte, s": unlink_of_a_sparse_tebibyte(pool),
            "unmount, s": seconds_of(pool.unmount),
            "mount, s": seconds_of(pool.mount),
            "list its root, s": seconds_of(partial(os.listdir, pool.mountpoint)),
        }
        for name, figure in rows.items():
            print(f"{name:32}{figure:10.4f}")
    return 0


def show(told: Milestone) -> None:
    """Print one milestone."""
    print(f"\n{told.files} files: {told.resident_bytes / MIB:.0f} MiB resident,", end=" ")
    print(f"{told.log_bytes / MIB:.1f} MiB of log, lock held p99 {1000 * told.held_p99_s:.2f} ms")
    for name, cost in told.costs.items():
        print(f"  {name:12}{cost.processor_us:8.0f} us of processor{cost.passed_us:8.0f} us passed")


if __name__ == "__main__":
    sys.exit(main())
