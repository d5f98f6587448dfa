"""What the console costs and how old its picture is: ``python -m tests.bench.console_cost``.

Per round, on one pool: a stream beside nothing, the same stream in a process
that draws a console too, both again in the other order. Then, while a rebuild and
a stream run in that process, how long after a verb its effect is on the screen.
Ratios of interleaved runs are meant to be read, not the rates themselves.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from engine.pool.remote_control import reach_owner
from fusebridge.mount_table import find_mount
from tests.bench.rows import Size, Stage, stream_read, stream_write
from tests.bench.systems import MIB, Subject, drop_kernel_caches
from tests.e2e.harness import DYNAMICFS, LivePool, PoolPlan, live_pool, wait_for, wait_for_death
from tests.e2e.terminal import LARGE, Terminal, terminal

IDLE_S: Final = 10.0
LOOK_S: Final = 0.02
LIMIT_MIB_S: Final = 2
"""Slow enough for a rebuild that lasts while the age of the picture is measured."""

CLOCK_TICKS_S: Final = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """Rates of one stream; MB are 10^6 bytes."""

    write_mb_s: float
    read_mb_s: float


def measure_stream(pool: LivePool, size: Size) -> Stream:
    """Write and read a file on the mount, and delete it."""
    subject = Subject(
        name="pool",
        path=pool.mountpoint,
        folder=pool.root,
        make_durable=pool.sync,
        cool=drop_kernel_caches,
    )
    stage = Stage(subject, size, tarball=Path(os.devnull))
    stage.folder.mkdir(exist_ok=True)
    rates = []
    for measure in (stream_write, stream_read):
        amount = measure(stage)
        rates.append(amount / stage.seconds)
    stage.stream.unlink()
    return Stream(write_mb_s=rates[0], read_mb_s=rates[1])


@contextmanager
def console_on(pool: LivePool) -> Iterator[Terminal]:
    """Serve *pool* from the process of a console that is seen; it was not mounted before."""
    with terminal() as screen:
        words = ("console", str(pool.pool_dir), str(pool.mountpoint))
        screen.start([*DYNAMICFS, *words], LARGE)
        screen.expect(r"op/s  RW")
        pid = screen.pid
        try:
            wait_for("it is mounted", lambda: find_mount(str(pool.mountpoint)) is not None)
            yield screen
        finally:
            screen.close()  # SIGHUP: it unmounts and ends cleanly.
            wait_for_death(pid)


def cpu_s(pid: int) -> float:
    """Return the processor seconds that the process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / CLOCK_TICKS_S


def idle_share(screen: Terminal) -> float:
    """Return which part of a core a console uses that has nothing to tell."""
    before = cpu_s(screen.pid)
    time.sleep(IDLE_S)
    return (cpu_s(screen.pid) - before) / IDLE_S


def picture_ages_s(pool: LivePool, screen: Terminal, *, looks: int) -> list[float]:
    """Return for each of *looks* verbs the seconds from its answer to its effect on the screen."""
    owner = reach_owner(pool.pool_dir)
    assert owner is not None
    ages = []
    with owner:
        for number in range(looks):
            limit = LIMIT_MIB_S + number % 2
            owner.work.limit(limit * MIB)
            done_s = time.monotonic()
            while not screen.shows(rf"limit +{limit}(\.0)?M"):
                time.sleep(LOOK_S)
            ages.append(time.monotonic() - done_s)
    return ages


def ages_under_load_s(pool: LivePool, size: Size, *, looks: int) -> list[float]:
    """Return the ages of the picture while a rebuild and a stream run in the console's process."""
    with console_on(pool) as screen:
        screen.press_for("3", "nothing to rebuild")
        pool.must("rebuild", str(pool.pool_dir), "--limit", f"{LIMIT_MIB_S}M")
        pool.must("fail-disk", str(pool.pool_dir), "d2", "--yes")
        screen.expect("running")
        ended = threading.Event()

        def stream() -> None:
            while not ended.is_set():
                measure_stream(pool, size)

        beside = threading.Thread(target=stream)
        beside.start()
        try:
            ages = picture_ages_s(pool, screen, looks=looks)
            if not pool.view().reconcile.active:
                print("the rebuild ended before the measurement", file=sys.stderr)
        finally:
            ended.set()
            beside.join()
    return ages


def main() -> int:
    """Measure and print medians."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--data-mib", type=int, default=512)
    parser.add_argument("--stream-mib", type=int, default=128)
    parser.add_argument("--looks", type=int, default=20)
    options = parser.parse_args()
    size = Size(stream_bytes=options.stream_mib * MIB)
    alone: list[Stream] = []
    beside: list[Stream] = []
    with (
        tempfile.TemporaryDirectory(prefix="dynamicfs-console-") as folder,
        live_pool(Path(folder), PoolPlan(disk_count=7)) as pool,
    ):
        for number in range(options.data_mib // 64):
            (pool.mountpoint / f"data{number}").write_bytes(os.urandom(64 * MIB))
        pool.unmount()
        with console_on(pool) as screen:
            idle = idle_share(screen)
        for number in range(options.rounds):
            for with_console in (False, True) if number % 2 else (True, False):
                if with_console:
                    with console_on(pool):
                        beside.append(measure_stream(pool, size))
                else:
                    pool.mount()
                    alone.append(measure_stream(pool, size))
                    pool.unmount()
            print(alone[-1], beside[-1], file=sys.stderr)
        ages = ages_under_load_s(pool, size, looks=options.looks)
    _print(alone, beside, idle, ages)
    return 0


def _print(alone: list[Stream], beside: list[Stream], idle: float, ages: list[float]) -> None:
    pairs = list(zip(alone, beside, strict=True))
    rows = (
        ("stream written alone, MB/s", statistics.median(one.write_mb_s for one in alone)),
        ("… with a console drawn", statistics.median(one.write_mb_s for one in beside)),
        ("share lost, median of rounds", _lost([(a.write_mb_s, b.write_mb_s) for a, b in pairs])),
        ("stream read alone, MB/s", statistics.median(one.read_mb_s for one in alone)),
        ("… with a console drawn", statistics.median(one.read_mb_s for one in beside)),
        ("share lost, median of rounds", _lost([(a.read_mb_s, b.read_mb_s) for a, b in pairs])),
        ("idle console, share of a core", idle),
        ("age of the picture, median s", statistics.median(ages)),
        ("… the oldest, s", max(ages)),
    )
    for name, figure in rows:
        print(f"{name:34}{figure:10.3f}")


def _lost(pairs: list[tuple[float, float]]) -> float:
    return statistics.median(1 - beside / alone for alone, beside in pairs)


if __name__ == "__main__":
    sys.exit(main())
