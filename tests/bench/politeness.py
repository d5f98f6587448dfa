"""How polite a rebuild is, and how fast: ``python -m tests.bench.politeness``.

Per round: a stream alone, the same stream beside a rebuild at normal priority,
then the rest of the rebuild at high priority with nothing beside it. The
rebuild reads k slices for each it writes; on directories of one device that
device does all of it, so the last figure is compared with what the device
itself gives for that mix.
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """MB are 10^6 bytes; rates are per second."""

    alone_write: float
    beside_write: float
    alone_read: float
    beside_read: float
    rebuilt_beside: float
    """Payload the rebuild wrote while the streams ran."""
    rebuilt_alone: float
    device: float
    """A slice written, synced, for k slices read with the page cache passed by."""


def measure_round(pool: LivePool, failed: str, size: Size) -> Figures:
    """Fail a disk and measure around its rebuild; ends with a pool that is whole."""
    pool_dir = str(pool.pool_dir)
    stage = _stage(pool, size)
    pool.must("rebuild", pool_dir, "--priority", "normal")
    alone_write = _rate(stream_write, stage)
    alone_read = _rate(stream_read, stage)
    stage.stream.unlink()
    pool.must("fail-disk", pool_dir, failed, "--yes")
    wait_for("it rebuilds", lambda: _written(pool) > 0, limit_s=ACTIVE_S)
    before, began_s = _written(pool), time.monotonic()
    beside_write = _rate(stream_write, stage)
    beside_read = _rate(stream_read, stage)
    rebuilt_beside = (_written(pool) - before) / 1e6 / (time.monotonic() - began_s)
    if not pool.view().reconcile.active:
        print("the rebuild ended before the stream: more data is needed", file=sys.stderr)
    stage.stream.unlink()
    pool.must("rebuild", pool_dir, "--priority", "high")
    before, began_s = _written(pool), time.monotonic()
    wait_for("it is rebuilt", lambda: not pool.view().reconcile.active, limit_s=END_S)
    rebuilt_alone = (_written(pool) - before) / 1e6 / (time.monotonic() - began_s)
    return Figures(
        alone_write=alone_write,
        beside_write=beside_write,
        alone_read=alone_read,
        beside_read=beside_read,
        rebuilt_beside=rebuilt_beside,
        rebuilt_alone=rebuilt_alone,
        device=device_mb_s(pool),
    )


def _stage(pool: LivePool, size: Size) -> Stage:
    subject = Subject(
        name="pool",
        path=pool.mountpoint,
        folder=pool.root,
        make_durable=pool.sync,
        # The server goes on: a rebuild is under way in it.
        cool=drop_kernel_caches,
    )
    stage = Stage(subject, size, tarball=Path(os.devnull))
    stage.folder.mkdir(exist_ok=True)
    return stage


def _rate(measure: Callable[[Stage], float], stage: Stage) -> float:
    amount = measure(stage)
    return amount / stage.seconds


def _written(pool: LivePool) -> int:
    return int(pool.metric("rebuild_bytes_written_total"))


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
    parser.add_argument("--data-mib", type=int, default=2048)
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
            rounds.append(measure_round(pool, f"d{number + 1}", size))
            print(rounds[-1], file=sys.stderr)
    _print(rounds)
    return 0


def _print(rounds: list[Figures]) -> None:
    def median(of: Callable[[Figures], float]) -> float:
        return statistics.median(of(one) for one in rounds)

    rows: tuple[tuple[str, Callable[[Figures], float]], ...] = (
        ("stream written alone, MB/s", lambda one: one.alone_write),
        ("… beside a rebuild, normal", lambda one: one.beside_write),
        ("share lost", lambda one: 1 - one.beside_write / one.alone_write),
        ("stream read alone, MB/s", lambda one: one.alone_read),
        ("… beside a rebuild, normal", lambda one: one.beside_read),
        ("share lost", lambda one: 1 - one.beside_read / one.alone_read),
        ("rebuilt beside streams, MB/s", lambda one: one.rebuilt_beside),
        ("rebuilt at high priority, MB/s", lambda one: one.rebuilt_alone),
        ("the device itself, same mix", lambda one: one.device),
        ("high priority, of the device", lambda one: one.rebuilt_alone / one.device),
    )
    for name, of in rows:
        print(f"{name:34}{median(of):10.2f}")


if __name__ == "__main__":
    sys.exit(main())
