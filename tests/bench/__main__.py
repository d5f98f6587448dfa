"""Measure targets side by side; see the package."""

from __future__ import annotations

import argparse
import json
import os
import platform
import shlex
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

from fusebridge.mount_table import read_mounts
from tests.bench.measurements import ROWS, Size, Target, measure, sync_file_system
from tests.bench.pools import POOLS, mounted_pool
from tests.fuse.mounting import serve

ROOT: Final = Path(__file__).resolve().parents[2]
RESULTS: Final = ROOT / "bench-results"
BUILT_IN: Final[dict[str, tuple[str, ...]]] = {
    "empty": ("fusebridge.empty:make_empty", "--rw"),
    "offload": ("fusebridge.empty:make_offloading", "--rw"),
}
"""Name, factory and options of what is mounted for every run."""

ALTERNATIVE: Final[dict[str, tuple[str, ...]]] = {
    "empty on trio": ("fusebridge.empty:make_empty", "--rw", "--trio"),
    "offload on trio": ("fusebridge.empty:make_offloading", "--rw", "--trio"),
}
"""The same behind the alternative of decision 0001; for one who reconsiders it."""

Results = dict[str, list[dict[str, float]]]


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print the table, store the figures; return the exit code."""
    options = parse(arguments)
    if os.geteuid() != 0:
        print("dropping the kernel's caches needs root", file=sys.stderr)
        return 2
    if options.pin is not None:
        os.sched_setaffinity(0, {options.pin})
    size = Size(stream_bytes=options.stream_mib << 20, files=options.files, fsyncs=options.fsyncs)
    built_in = BUILT_IN | (ALTERNATIVE if options.trio else {})
    with targets(built_in, options.directories, options.sync_command) as chosen:
        results = run(chosen, size, options.rounds)
    print(table(results))
    print(f"\nstored in {store(results, size, options)}")
    return 0


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="tests.bench", description="Measure mounts.")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--stream-mib", type=int, default=256)
    parser.add_argument("--files", type=int, default=2000)
    parser.add_argument("--fsyncs", type=int, default=300)
    parser.add_argument("--pin", type=int, help="run the client on this CPU only")
    parser.add_argument("--trio", action="store_true", help="measure trio's loop as well")
    parser.add_argument("--label", default="", help="goes into the stored result")
    parser.add_argument(
        "--sync-command",
        default="",
        help="makes a DynamicFS mount durable; the directory is appended",
    )
    parser.add_argument("directories", nargs="*", type=Path)
    return parser.parse_args(arguments)


@contextmanager
def targets(
    built_in: Mapping[str, tuple[str, ...]], directories: Sequence[Path], sync_command: str
) -> Iterator[list[Target]]:
    """Mount what is built in, in child processes, and add the given directories."""
    with ExitStack() as stack:
        chosen = []
        for name, (factory, *flags) in built_in.items():
            path = stack.enter_context(serve(factory, options=flags)).path
            chosen.append(Target(name=name, path=path, make_durable=sync_of(path, "")))
        for redundancy in POOLS:
            chosen.append(stack.enter_context(mounted_pool(redundancy)))
        for path in directories:
            durable = sync_of(path, sync_command)
            chosen.append(Target(name=str(path), path=path, make_durable=durable))
        yield chosen


def sync_of(path: Path, sync_command: str) -> Callable[[], None]:
    """Return what makes the files under *path* durable.

    syncfs never reaches the server of a FUSE mount, so those of DynamicFS need
    the command.
    """
    if sync_command and kind_of(path) == "fuse.dynamicfs":
        command = [*shlex.split(sync_command), str(path)]
        return lambda: run_command(command)
    return lambda: sync_file_system(path)


def run_command(command: Sequence[str]) -> None:
    """Run *command* quietly; raise when it fails."""
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=ROOT)


def kind_of(path: Path) -> str:
    """Return the type of the file system that *path* is on."""
    real = path.resolve()
    holding = [
        entry
        for entry in read_mounts()
        if real == Path(entry.mountpoint) or Path(entry.mountpoint) in real.parents
    ]
    return max(holding, key=lambda entry: len(entry.mountpoint)).kind


def run(chosen: Sequence[Target], size: Size, rounds: int) -> Results:
    """Measure every target once per round, in an order that alternates."""
    results: Results = {target.name: [] for target in chosen}
    for number in range(rounds):
        ordered = chosen if number % 2 == 0 else list(reversed(chosen))
        for target in ordered:
            results[target.name].append(measure(target, size))
            print(f"round {number + 1}/{rounds}: {target.name}", file=sys.stderr)
    return results


def table(results: Results) -> str:
    """Return medians, and in brackets each one's ratio to ``empty``.

    >>> empty = [{row: 100.0 for row, _ in ROWS}]
    >>> half = [{row: 50.0 for row, _ in ROWS}]
    >>> table({"empty": empty, "x": half}).splitlines()[2].split()[-2:]
    ['50', '(0.50)']
    """
    names = list(results)
    lines = [f"{'median of the rounds':26}" + "".join(f"{name[-20:]:>22}" for name in names)]
    lines.append("-" * len(lines[0]))
    for row, _ in ROWS:
        limit = median(results["empty"], row)
        cells = [
            f"{median(results[name], row):.0f} ({median(results[name], row) / limit:.2f})"
            for name in names
        ]
        lines.append(f"{row:26}" + "".join(f"{cell:>22}" for cell in cells))
    return "\n".join(lines)


def median(rounds: Sequence[dict[str, float]], row: str) -> float:
    """Return the median of one row."""
    return statistics.median(figures[row] for figures in rounds)


def store(results: Results, size: Size, options: argparse.Namespace) -> Path:
    """Write every figure, and what is needed to read them, as JSON."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{time.strftime('%Y%m%d-%H%M%S')}.json"
    document = {
        "label": options.label,
        "kernel": platform.release(),
        "python": platform.python_version(),
        "cpus": os.cpu_count(),
        "client": "not pinned" if options.pin is None else f"pinned to CPU {options.pin}",
        "stream_bytes": size.stream_bytes,
        "files": size.files,
        "rounds": results,
    }
    path.write_text(json.dumps(document, indent=1) + "\n")
    return path.relative_to(ROOT)


if __name__ == "__main__":
    sys.exit(main())
