"""How many requests of the kernel each row costs: ``python -m tests.bench.requests``.

Counted on the empty file system, so what the kernel asks by itself, whatever
the engine answers. Unlike times, the counts are the same on every machine.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.bench.rows import ROWS, Size, Stage, make_tarball
from tests.bench.systems import Subject, drop_kernel_caches, sync_file_system
from tests.fuse.mounting import Served, serve

SMALL = Size(stream_bytes=16 << 20, files=200, random_reads=200, syncs=200, tree_files=100)


class CountingStage(Stage):
    """A stage that counts requests instead of time."""

    def __init__(self, subject: Subject, size: Size, tarball: Path, served: Served) -> None:
        super().__init__(subject, size, tarball)
        self._served = served
        self.requests: dict[str, int] = {}

    @contextmanager
    def timed(self) -> Iterator[None]:
        """Count what is asked within the block."""
        before = self._served.counters()
        with super().timed():
            yield
        after = self._served.counters()
        self.requests = {name: after[name] - before[name] for name in after}


def main() -> int:
    """Print a line for each row."""
    with (
        tempfile.TemporaryDirectory(prefix="dynamicfs-bench-") as folder,
        serve("fusebridge.empty:make_empty") as served,
    ):
        tarball = Path(folder) / "tree.tar"
        make_tarball(tarball, SMALL)
        subject = Subject(
            name="empty",
            path=served.path,
            folder=served.path.parent,
            make_durable=lambda: sync_file_system(served.path),
            cool=drop_kernel_caches,
            keeps_contents=False,
        )
        (served.path / "bench").mkdir()
        for row in ROWS:
            if row.needs_contents:
                continue
            stage = CountingStage(subject, SMALL, tarball, served)
            amount = row.measure(stage)
            shares = {name: count / amount for name, count in stage.requests.items()}
            found = [f"{name} {share:.2f}" for name, share in shares.items() if share >= 0.01]
            print(f"{row.name:24}{', '.join(found)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
