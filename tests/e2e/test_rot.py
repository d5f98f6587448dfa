"""One flipped byte in any fragment: reads are right, scrub tells, repair mends."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from engine.format.constants import HEADER_BYTES
from engine.status.views import ExitCode, ScrubView
from engine.units import KIB, MIB
from tests.e2e.contents import Contents
from tests.e2e.harness import FragmentFile, LivePool, live_pool, wait_for

FRAGMENTS = 6
FILE_BYTES = MIB
"""Larger than what fsync stages, so each synced file gets an extent of its own."""

TABLE_BYTES = 4 * KIB
PLACES = {
    "header": 96,
    "table": HEADER_BYTES + 5,
    "payload": HEADER_BYTES + TABLE_BYTES + 70 * KIB,
}
"""Offsets in a fragment file: in each part that the format has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RotStory:
    """What was seen, step by step, of a pool with one flipped byte in every extent."""

    flipped: frozenset[tuple[int, int]]
    """(extent, index) of every fragment with a flipped byte."""
    found: ScrubView
    found_code: int
    differing: list[str]
    repaired: ScrubView
    clean: ScrubView
    clean_code: int
    differing_without_disks: list[str]


def _flip(path: os.PathLike[str], offset: int) -> None:
    """Flip all bits of the byte at *offset*; length and times stay as they were."""
    before = os.stat(path)
    with open(path, "r+b") as file:
        file.seek(offset)
        byte = file.read(1)[0]
        file.seek(offset)
        file.write(bytes([byte ^ 0xFF]))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def _write_extents(pool: LivePool, count: int) -> Contents:
    """Write *count* files into extents of their own."""
    contents = Contents(pool.mountpoint)
    for number in range(count):
        contents.write(f"file{number}", os.urandom(FILE_BYTES))
        descriptor = os.open(pool.mountpoint / f"file{number}", os.O_RDONLY)
        os.fsync(descriptor)
        os.close(descriptor)
    return contents


def _flip_everywhere(pool: LivePool) -> set[tuple[int, int]]:
    """Flip one byte of each kind in one fragment of each index, an extent each."""
    by_extent: dict[int, dict[int, FragmentFile]] = {}
    for fragment in pool.fragments():
        by_extent.setdefault(fragment.extent, {})[fragment.index] = fragment
    cases = [(index, offset) for index in range(FRAGMENTS) for offset in PLACES.values()]
    flipped = set()
    for (extent, fragments), (index, offset) in zip(sorted(by_extent.items()), cases, strict=True):
        _flip(fragments[index].path, offset)
        flipped.add((extent, index))
    return flipped


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RotStory]:
    """Flip, scrub, read, repair, scrub again; then read without two disks."""
    with live_pool(tmp_path_factory.mktemp("rot")) as pool:
        contents = _write_extents(pool, FRAGMENTS * len(PLACES))
        pool.unmount()
        flipped = _flip_everywhere(pool)
        pool.mount()
        found_code = pool.ask("scrub").code
        found = pool.view().scrub
        differing = contents.differing()
        repaired = pool.scrub("--repair")
        wait_for("the repairs are done", lambda: not pool.view().exposure.degraded_extents)
        clean_code = pool.ask("scrub").code
        clean = pool.view().scrub
        pool.unmount()
        for number in (0, 1):
            pool.take_away(number)
        pool.mount()
        yield RotStory(
            flipped=frozenset(flipped),
            found=found,
            found_code=found_code,
            differing=differing,
            repaired=repaired,
            clean=clean,
            clean_code=clean_code,
            differing_without_disks=contents.differing(),
        )


def test_every_file_reads_right_with_a_byte_flipped_in_each_extent(story: RotStory) -> None:
    assert len(story.flipped) == FRAGMENTS * len(PLACES)
    assert story.differing == []


def test_scrub_reports_each_flipped_fragment_and_no_other(story: RotStory) -> None:
    found = {(finding.extent_id, finding.index) for finding in story.found.findings}

    assert found == story.flipped
    assert story.found.corrupt == len(story.flipped)
    assert story.found_code == ExitCode.DEGRADED


def test_scrub_finds_rotten_parity_though_the_data_is_intact(story: RotStory) -> None:
    parity = {(extent, index) for extent, index in story.flipped if index >= 4}

    assert len(parity) == 2 * len(PLACES)
    assert parity <= {(finding.extent_id, finding.index) for finding in story.found.findings}


def test_scrub_without_repair_leaves_the_fragments_alone(story: RotStory) -> None:
    assert story.found.repaired == 0


def test_the_scrub_after_a_repair_is_clean(story: RotStory) -> None:
    clean = story.clean

    assert (clean.corrupt, clean.missing, clean.parity_mismatches, clean.misplaced) == (0, 0, 0, 0)
    assert clean.intact == FRAGMENTS * len(story.flipped)
    assert story.clean_code == ExitCode.FINE


def test_mended_fragments_carry_the_data_when_two_disks_are_away(story: RotStory) -> None:
    assert story.differing_without_disks == []


def test_a_deleted_fragment_file_is_found_missing_and_made_again(pool: LivePool) -> None:
    contents = _write_extents(pool, 1)
    assert pool.scrub().intact == FRAGMENTS  # and so the server may still have it open
    victim = pool.fragments()[2]
    victim.path.unlink()

    found = pool.scrub("--repair")
    wait_for("the repair is done", lambda: not pool.view().exposure.degraded_extents)

    assert [(one.index, one.verdict) for one in found.findings] == [(2, "missing")]
    assert {one.index for one in pool.fragments()} == set(range(FRAGMENTS))
    assert contents.differing() == []
