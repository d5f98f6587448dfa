"""Files on a mount beside what they must hold, and a writer that never rests."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from engine.units import KIB, MIB

SIZES: Final = (0, 1, 5 * KIB, 200 * KIB, 3 * MIB, 20 * MIB)
WRITER_FILES: Final = 40
WRITER_PAUSE_S: Final = 0.01
WRITER_END_S: Final = 60.0


class Contents:
    """Files below *folder*, and their oracle: a dict."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.wanted: dict[str, bytes] = {}

    def write(self, name: str, data: bytes) -> None:
        """Write one file and note what it must hold."""
        (self.folder / name).write_bytes(data)
        self.wanted[name] = data

    def write_sizes(self, seed: int) -> None:
        """Write a file of each size, small to larger than an extent."""
        source = random.Random(seed)
        for size in SIZES:
            self.write(f"{seed}-{size}", source.randbytes(size))

    def differing(self) -> list[str]:
        """Return the names of files that do not hold what was written."""
        return [
            name
            for name, wanted in list(self.wanted.items())
            if (self.folder / name).read_bytes() != wanted
        ]


class Writer:
    """A thread that overwrites files of ``written`` until it is stopped."""

    def __init__(self, contents: Contents, *, seed: int = 1) -> None:
        self.rounds = 0
        self.failure: OSError | None = None
        self._contents = contents
        self._seed = seed
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="writer", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End after the file in hand; raises what stopped it before.

        Raises:
            OSError: writing failed.
        """
        self._stopping.set()
        self._thread.join(WRITER_END_S)
        assert not self._thread.is_alive(), "the writer is stuck"
        if self.failure is not None:
            raise self.failure

    def _run(self) -> None:
        source = random.Random(self._seed)
        while not self._stopping.wait(WRITER_PAUSE_S):
            name = f"written-{self.rounds % WRITER_FILES}"
            try:
                self._contents.write(name, source.randbytes(source.choice([100, 30_000, 600_000])))
            except OSError as error:
                self.failure = error
                return
            self.rounds += 1


@contextmanager
def writing(contents: Contents) -> Iterator[Writer]:
    """Have a writer at work for the length of the ``with``; its failure is ours."""
    writer = Writer(contents)
    writer.start()
    try:
        yield writer
    finally:
        writer.stop()
    assert writer.rounds > 0, "the writer wrote nothing"
