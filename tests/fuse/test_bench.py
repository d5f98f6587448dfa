"""The benchmark itself: a run in small, what it stores, and how it judges."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from xml.etree import ElementTree

import pytest

from fusebridge.mount_table import read_mounts
from tests.bench.report import goal_of
from tests.bench.rounds import Figure, Figures
from tests.fuse.mounting import ROOT

pytestmark = pytest.mark.fuse

ROWS = ("create", "rename", "untar")
SYSTEMS = ("host", "empty")
ROUNDS = (1, 2, 3)


@pytest.fixture
def quiet_place(tmp_path: Path) -> Iterator[Path]:
    """A place whose syncfs waits for nobody else's files, where there is one."""
    memory = Path("/dev/shm")
    usable = memory.is_dir() and os.access(memory, os.W_OK)
    with tempfile.TemporaryDirectory(dir=memory if usable else tmp_path) as folder:
        yield Path(folder)


def _bench(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, "-m", "tests.bench", *map(str, arguments)]
    return subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)


def _figure(system: str, number: int, rate: float) -> Figure:
    return Figure(row="create", system=system, round=number, rate=rate, server_cpu_ms=0.0)


def test_a_run_stores_a_figure_for_each_row_system_and_round_and_leaves_nothing_else(
    tmp_path: Path, quiet_place: Path
) -> None:
    given = quiet_place / "given"
    given.mkdir()
    chosen = ("--rows", ",".join(ROWS), "--systems", ",".join(SYSTEMS))

    done = _bench("--quick", *chosen, "--place", quiet_place, "--results", tmp_path, given)

    assert done.returncode == 0, done.stderr
    (stored,) = tmp_path.glob("*.json")
    figures = json.loads(stored.read_text())["figures"]
    found = {(one["row"], one["system"], one["round"]) for one in figures}
    assert found == set(product(ROWS, (*SYSTEMS, str(given)), ROUNDS))
    assert all(one["rate"] > 0 for one in figures)
    (picture,) = tmp_path.glob("*.svg")
    assert ElementTree.parse(picture).getroot().tag.endswith("svg")
    assert list(quiet_place.iterdir()) == [given]
    assert list(given.iterdir()) == []
    assert [one for one in read_mounts() if str(quiet_place) in one.mountpoint] == []


def test_what_cannot_be_measured_is_named_with_its_reason_and_the_rest_goes_on(
    tmp_path: Path, quiet_place: Path
) -> None:
    absent = quiet_place / "absent"
    chosen = ("--rows", "create", "--systems", "host", "--rounds", "1")

    done = _bench("--quick", *chosen, "--place", quiet_place, "--results", tmp_path, absent)

    assert done.returncode == 0, done.stderr
    (stored,) = tmp_path.glob("*.json")
    document = json.loads(stored.read_text())
    assert document["not_available"] == {str(absent): "no directory"}
    assert [one["system"] for one in document["figures"]] == ["host"]


def test_a_ratio_is_the_median_within_rounds_so_that_a_slow_round_hits_both() -> None:
    # Twice as fast in each round, while the machine slows down to a tenth.
    mine = [_figure("mine", 1, 200.0), _figure("mine", 2, 20.0), _figure("mine", 3, 100.0)]
    other = [_figure("other", 1, 100.0), _figure("other", 2, 10.0), _figure("other", 3, 500.0)]

    figures = Figures([*mine, *other])

    assert figures.ratio("create", "mine", "other") == 2.0
    assert figures.median("create", "mine") == 100.0
    assert figures.ratio("rename", "mine", "other") is None


def test_goals_are_for_the_pool_that_was_promised_them_only() -> None:
    assert goal_of("stream-read-cold", "rs:4+2", "zfs-fuse raidz2") == 2.0
    assert goal_of("git-status-cold", "rs:4+2", "gluster 4+2") == 2.0
    assert goal_of("git-status-cold", "rs:4+2", "zfs-fuse raidz2") is None
    assert goal_of("stream-read-cold", "copies:3", "zfs-fuse raidz2") is None
