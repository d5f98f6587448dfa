"""How polite a rebuild is, and how fast: ``python -m tests.bench.politeness``.

Per round a disk fails, and streams run in pairs: one while the rebuild is
paused, one beside it at normal priority, in turns which of them comes first,
so that a disk whose speed wanders slows both. Then the rest of the rebuild
runs at high priority with nothing beside it. It reads k slices for each it
writes; on directories of one device that device does all of it, so the last
figure is compared with what the device itself gives for that mix.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.bench.rows import Size, Stage, stream_read, stream_write
from tests.bench.systems import MIB, Subject, drop_kernel_caches
from tests.e2e.harness import LivePool, PoolPlan, live_pool, wait_for

DISKS: Final = 7
ACTIVE_S: Final = 30.0
END_S: Final = 600.0
SETTLE_S: Final = 0.5
"""After a pause or its end, until what was in work has ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Streams:
    """One stream written and read again; MB are 10^6 bytes."""

    write_mb_s: float
    read_mb_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What one round gave; rates are MB of 10^6 bytes per second."""

    alone: list[Streams]
    beside: list[Streams]
    """As many as ``alone``, each measured right before or after its like."""
    rebuilt_beside: float
    """Payload the rebuild wrote while the streams beside it ran."""
    rebuilt_alone: float
    device: float
    """A slice written, synced, for k slices read with the page cache passed by."""


class Round:
    """One failed disk and its rebuild, steered by the command line as an operator does."""

    def __init__(self, pool: LivePool, failed: str, size: Size) -> None:
        self._pool = pool
        self._failed = failed
        subject = Subject(
            name="pool",
            path=pool.mountpoint,
            folder=pool.root,
            make_durable=pool.sync,
            # The server goes on: a rebuild is under way in it.
            cool=drop_kernel_caches,
        )
        self._stage = Stage(subject, size, tarball=Path(os.devnull))
        self._rebuilt_bytes = 0
        self._rebuilt_s = 0.0

    def measure(self, pairs: int) -> Figures:
        """Fail the disk and measure around its rebuild; ends with a pool that is whole."""
        self._stage.folder.mkdir(exist_ok=True)
        self._steer("--priority", "normal")
        self._pool.must("fail-disk", str(self._pool.pool_dir), self._failed, "--yes")
        wait_for("it rebuilds", lambda: self._written() > 0, limit_s=ACTIVE_S)
        alone: list[Streams] = []
        beside: list[Streams] = []
        for number in range(pairs):
            for is_beside in (number % 2 == 0, number % 2 != 0):
                (beside if is_beside else alone).append(self._streams(is_beside=is_beside))
        reconcile = self._pool.view().reconcile
        if reconcile.done_items >= reconcile.total_items:
            print("the rebuild ended before the streams: more data is needed", file=sys.stderr)
        return Figures(
            alone=alone,
            beside=beside,
            rebuilt_beside=self._rebuilt_bytes / 1e6 / self._rebuilt_s,
            rebuilt_alone=self._rest_at_high_priority(),
            device=device_mb_s(self._pool),
        )

    def _streams(self, *, is_beside: bool) -> Streams:
        self._steer("--resume" if is_beside else "--pause")
        time.sleep(SETTLE_S)
        before, began_s = self._written(), time.monotonic()
        measured = Streams(write_mb_s=self._rate(stream_write), read_mb_s=self._rate(stream_read))
        if is_beside:
            self._rebuilt_bytes += self._written() - before
            self._rebuilt_s += time.monotonic() - began_s
        self._stage.stream.unlink()
        return measured

    def _rate(self, measure: Callable[[Stage], float]) -> float:
        amount = measure(self._stage)
        return amount / self._stage.seconds

    def _rest_at_high_priority(self) -> float:
        self._steer("--resume")
        self._steer("--priority", "high")
        before, began_s = self._written(), time.monotonic()
        wait_for("it is rebuilt", lambda: not self._pool.view().reconcile.active, limit_s=END_S)
        return (self._written() - before) / 1e6 / (time.monotonic() - began_s)

    def _steer(self, *words: str) -> None:
        self._pool.must("rebuild", str(self._pool.pool_dir), *words)

    def _written(self) -> int:
        return int(self._pool.metric("rebuild_bytes_written_total"))


def device_mb_s(pool: LivePool) -> float:
    """Return what the device gives for a rebuild's mix, without any program between."""
    sources = [file.path for file in pool.fragments() if file.index < 4][:160]
    block = os.urandom(2 * MIB)
    began_s = time.monotonic()
    written = 0
    for number, source in enumerate(sources):
        with source.open("rb") as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
            file.read()
        if number % 4 == 3:
            path = pool.root / f"device-{number}"
            with path.open("wb") as copy:
                copy.write(block)
                os.fdatasync(copy.fileno())
            path.unlink()
            written += len(block)
    return written / 1e6 / (time.monotonic() - began_s)


def main() -> int:
    """Measure and print medians."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--pairs", type=int, default=4)
    parser.add_argument("--data-mib", type=int, default=4096)
    parser.add_argument("--stream-mib", type=int, default=512)
    options = parser.parse_args()
    size = Size(stream_bytes=options.stream_mib * MIB)
    rounds = []
    with (
        tempfile.TemporaryDirectory(prefix="dynamicfs-polite-") as folder,
        live_pool(Path(folder), PoolPlan(disk_count=DISKS)) as pool,
    ):
        for number in range(options.data_mib // 64):
            (pool.mountpoint / f"data{number}").write_bytes(os.urandom(64 * MIB))
        pool.sync()
        for number in range(options.rounds):
            # The disk that failed before is whole again: it has no data any more.
            if number:
                pool.must("set-disk-health", str(pool.pool_dir), f"d{number}", "healthy")
            rounds.append(Round(pool, f"d{number + 1}", size).measure(options.pairs))
            print(rounds[-1], file=sys.stderr)
    _print(rounds)
    return 0


def _print(rounds: list[Figures]) -> None:
    pairs = [pair for one in rounds for pair in zip(one.alone, one.beside, strict=True)]
    rows = (
        ("stream written, rebuild paused, MB/s", [alone.write_mb_s for alone, _ in pairs]),
        ("… beside a rebuild at normal priority", [beside.write_mb_s for _, beside in pairs]),
        ("share lost", [1 - beside.write_mb_s / alone.write_mb_s for alone, beside in pairs]),
        ("stream read, rebuild paused, MB/s", [alone.read_mb_s for alone, _ in pairs]),
        ("… beside a rebuild at normal priority", [beside.read_mb_s for _, beside in pairs]),
        ("share lost", [1 - beside.read_mb_s / alone.read_mb_s for alone, beside in pairs]),
        ("rebuilt beside the streams, MB/s", [one.rebuilt_beside for one in rounds]),
        ("rebuilt at high priority, MB/s", [one.rebuilt_alone for one in rounds]),
        ("the device itself, same mix", [one.device for one in rounds]),
        ("high priority, of the device", [one.rebuilt_alone / one.device for one in rounds]),
    )
    print(f"{'median (least … most)':40}")
    for name, values in rows:
        print(f"{name:40}{statistics.median(values):9.2f}  ({min(values):.2f} … {max(values):.2f})")


if __name__ == "__main__":
    sys.exit(main())
