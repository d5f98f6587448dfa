"""Measure systems side by side; see the package."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Final, TypeVar

from rich.console import Console

from tests.bench.machine import ROOT, facts
from tests.bench.own import BehindTheBridge, Given, Host, Pool
from tests.bench.peers import peers
from tests.bench.report import cpu_table, picture, rates_table, ratios_table, store
from tests.bench.rounds import Figures, measure, mounted_systems, say
from tests.bench.rows import QUICK, ROWS, Row, Size
from tests.bench.systems import MIB, System

ROUNDS_MIN: Final = 3
"""Fewer have no median worth the name."""

DISK_BYTES_MIN: Final = 1024 * MIB
OFFLOADING: Final = "fusebridge.empty:make_offloading"
EMPTY: Final = "fusebridge.empty:make_empty"

ON_REQUEST: Final[tuple[System, ...]] = (
    BehindTheBridge("offload", OFFLOADING),
    BehindTheBridge("empty on trio", EMPTY, ("--rw", "--trio")),
    BehindTheBridge("offload on trio", OFFLOADING, ("--rw", "--trio")),
)
"""Reads that are sent to a pool thread; and the alternative of decision 0001."""

Named = TypeVar("Named", System, Row)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print tables, store figures and picture; return the exit code."""
    options = parse(arguments)
    if os.geteuid() != 0:
        print("mounting others and dropping the kernel's caches needs root", file=sys.stderr)
        return 2
    size = QUICK if options.quick else Size()
    if options.size is not None:
        size = replace(size, stream_bytes=options.size * MIB)
    rows = chosen(ROWS, options.rows)
    with tempfile.TemporaryDirectory(prefix="dynamicfs-bench-", dir=options.place) as folder:
        place = Path(folder)
        machine = facts(place)
        systems, absent = available_systems(size, options)
        with mounted_systems(systems, place) as subjects:
            figures = measure(subjects, rows, rounds=options.rounds, size=size, place=place)
            names = [subject.name for subject in subjects]
    show(figures, rows, names, absent)
    about: dict[str, object] = {
        "label": options.label,
        "machine": machine,
        "systems": {system.name: system.version() for system in systems},
        "not_available": absent,
        "size": asdict(size),
        "rounds": options.rounds,
    }
    keep(figures, rows, names, about, options.results)
    return 0


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="run bench", description="Measure file systems.")
    parser.add_argument("--rounds", type=int, default=ROUNDS_MIN)
    parser.add_argument("--size", type=int, metavar="MIB", help="length of the streams")
    parser.add_argument("--quick", action="store_true", help="little of everything")
    parser.add_argument("--rows", default="", help="comma-separated; all without it")
    parser.add_argument("--systems", default="", help="comma-separated; all without it")
    parser.add_argument("--place", help="where all files lie; a directory of the disk to measure")
    parser.add_argument("--label", default="", help="goes into the stored result")
    parser.add_argument("--results", type=Path, default=ROOT / "bench-results")
    parser.add_argument("directories", nargs="*", type=Path, help="to be measured as well")
    options = parser.parse_args(arguments)
    if options.rounds < 1:
        parser.error("at least one round")
    for kind, known in (("rows", ROWS), ("systems", every_system(DISK_BYTES_MIN))):
        unknown = set(filter(None, getattr(options, kind).split(","))) - {one.name for one in known}
        if unknown:
            parser.error(f"{kind} are: {', '.join(one.name for one in known)}")
    return options


def every_system(disk_bytes: int) -> tuple[System, ...]:
    """Return all that can be named."""
    default: tuple[System, ...] = (
        Host(),
        BehindTheBridge("empty", EMPTY),
        Pool("rs:4+2"),
        Pool("copies:3"),
    )
    return (*default, *peers(disk_bytes), *ON_REQUEST)


def available_systems(
    size: Size, options: argparse.Namespace
) -> tuple[list[System], dict[str, str]]:
    """Return what is to be measured, and why the rest of it cannot be."""
    wanted = every_system(max(DISK_BYTES_MIN, 4 * size.stream_bytes))
    if options.systems:
        wanted = chosen(wanted, options.systems)
    else:
        wanted = tuple(system for system in wanted if system not in ON_REQUEST)
    wanted += tuple(Given(directory) for directory in options.directories)
    reasons = {system.name: system.why_not() for system in wanted}
    absent = {name: reason for name, reason in reasons.items() if reason}
    for name, reason in absent.items():
        say(f"{name} is not available: {reason}")
    return [system for system in wanted if system.name not in absent], absent


def chosen(known: tuple[Named, ...], names: str) -> tuple[Named, ...]:
    """Return those of *known* that the comma-separated *names* name; all when empty."""
    wanted = set(filter(None, names.split(",")))
    return tuple(one for one in known if not wanted or one.name in wanted)


def show(
    figures: Figures, rows: Sequence[Row], names: Sequence[str], absent: dict[str, str]
) -> None:
    """Print the tables."""
    console = Console(width=None if sys.stdout.isatty() else 160)
    console.print(rates_table(figures, rows, names))
    console.print(cpu_table(figures, rows, names))
    pools = [name for name in names if name in ("rs:4+2", "copies:3")]
    for name in pools or names[-1:]:
        console.print(ratios_table(figures, rows, names, name))
    for name, reason in absent.items():
        console.print(f"{name}: not available: {reason}")


def keep(
    figures: Figures,
    rows: Sequence[Row],
    names: Sequence[str],
    about: dict[str, object],
    results: Path,
) -> None:
    """Store figures and picture, and say where."""
    results.mkdir(parents=True, exist_ok=True)
    stem = time.strftime("%Y%m%d-%H%M%S")
    store(results / f"{stem}.json", figures, rows, about)
    title = f"DynamicFS beside others, {time.strftime('%Y-%m-%d')}"
    (results / f"{stem}.svg").write_text(picture(figures, rows, names, title), encoding="utf-8")
    print(f"stored in {results / stem}.json and .svg")


if __name__ == "__main__":
    sys.exit(main())
