"""Scrub as an operator uses it: targets, pauses over a crash, schedules, results that stay."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from engine.status.answers import ScrubHistoryView
from engine.status.transport import decode
from engine.status.views import ExitCode, ScrubView
from engine.units import KIB
from tests.e2e.harness import FragmentFile, LivePool, wait_for

FILE_BYTES = 700 * KIB
"""Larger than what fsync stages, so each synced file gets an extent of its own."""

FRAGMENTS = 6


def write(pool: LivePool, name: str) -> bytes:
    """Write a file into an extent of its own; return its bytes."""
    path = pool.mountpoint / name
    path.parent.mkdir(exist_ok=True)
    data = os.urandom(FILE_BYTES)
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    return data


def newest_extent(pool: LivePool) -> list[FragmentFile]:
    """Return the fragments of the extent written last, by index."""
    fragments = pool.fragments()
    last = max(one.extent for one in fragments)
    return [one for one in fragments if one.extent == last]


def rot(path: Path) -> None:
    """Flip the last byte of a file, as a decaying disk would: its times stay."""
    before = path.stat()
    data = bytearray(path.read_bytes())
    data[-1] ^= 0xFF
    path.write_bytes(bytes(data))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def found(scrub: ScrubView) -> set[tuple[str, str]]:
    return {(one.path, one.disk) for one in scrub.findings}


def history(pool: LivePool) -> ScrubHistoryView:
    return decode(ScrubHistoryView, pool.ask("scrub", "--history").json)


def test_each_target_finds_the_rot_in_it_and_no_other(pool: LivePool) -> None:
    places: dict[str, list[FragmentFile]] = {}
    for name in ("photos/cat", "photos/dog", "music/song"):
        write(pool, name)
        places[name] = newest_extent(pool)
    names = [disk.name for disk in pool.view().disks]
    rotten = {name: places[name][index] for index, name in enumerate(places)}
    for one in rotten.values():
        rot(one.path)
    all_of_it = {(f"/{name}", names[one.disk]) for name, one in rotten.items()}
    first = rotten["photos/cat"]

    by_disk = pool.scrub("--target", f"disk {names[first.disk]}")
    by_folder = pool.scrub("--target", f"directory {pool.mountpoint}/photos")
    fresh = pool.scrub("--target", "older 1")
    everything = pool.scrub()

    assert found(by_disk) == {one for one in all_of_it if one[1] == names[first.disk]}
    assert by_disk.total_fragments == sum(
        one.disk == first.disk for fragments in places.values() for one in fragments
    )
    assert found(by_folder) == {one for one in all_of_it if one[0].startswith("/photos/")}
    # Rot is no proof: what was found is not verified, however lately it was read.
    assert found(fresh) == all_of_it
    assert found(everything) == all_of_it
    assert {one.outcome for one in everything.findings} == {""}

    bad = pool.scrub("--target", "bad", "--repair")
    assert {one.outcome for one in bad.findings} == {"repaired"}
    again = pool.ask("scrub", "--target", "bad")
    assert again.code == ExitCode.FINE
    assert decode(ScrubView, again.json).intact == 3 * FRAGMENTS


def test_a_paused_scrub_outlives_a_kill_and_goes_on(pool: LivePool) -> None:
    data = {f"file{number}": write(pool, f"file{number}") for number in range(12)}
    victim = pool.fragments()[3]
    rot(victim.path)
    assert pool.ask("scrub", "--limit", "2M").code == ExitCode.FINE
    pool.must("scrub", str(pool.pool_dir), "--repair", "--no-wait")
    wait_for("some is verified", lambda: pool.view().scrub.done_fragments >= 12)
    pool.must("scrub", str(pool.pool_dir), "--pause")
    done = pool.view().scrub.done_fragments
    assert done < 12 * FRAGMENTS

    pool.kill()
    pool.mount()
    paused = pool.view().scrub
    assert (paused.running, paused.paused, paused.repair) == (True, True, True)
    assert paused.done_fragments == done
    assert paused.limit_bytes_s == 2 * KIB * KIB
    assert pool.ask("scrub", "--limit", "0").code == ExitCode.FINE
    ended = pool.scrub("--resume", "--wait")

    assert ended.done_fragments == 12 * FRAGMENTS
    assert [one.outcome for one in ended.findings] == ["repaired"]
    assert all((pool.mountpoint / name).read_bytes() == wanted for name, wanted in data.items())
    assert pool.scrub().corrupt == 0


def test_results_ages_and_settings_stay_when_the_pool_is_closed(pool: LivePool) -> None:
    write(pool, "file")
    assert history(pool).never_fragments == FRAGMENTS
    pool.scrub("--repair")
    pool.must("scrub", str(pool.pool_dir), "--schedule", "every 6 h", "--intensity", "medium")
    before = history(pool)

    pool.unmount()
    closed = history(pool)
    pool.mount()

    assert [(run.target, run.word, run.fragments) for run in before.runs] == [
        ("all", "finished", FRAGMENTS)
    ]
    assert closed.runs == before.runs == history(pool).runs
    assert closed.never_fragments == 0
    scrub = pool.view().scrub
    assert (scrub.schedule, scrub.intensity) == ("every 6 h", "medium")
    assert scrub.next_ns > before.runs[0].started_ns


def test_rot_in_a_journal_is_found_by_name_and_copied_anew(pool: LivePool) -> None:
    for number in range(4):
        write(pool, f"file{number}")
    pool.sync()
    name = pool.view().disks[2].name
    log = next((pool.disks[2] / "journal").glob("*.log"))
    damaged = bytearray(log.read_bytes())
    damaged[100] ^= 0xFF
    log.write_bytes(bytes(damaged))

    scrub = pool.ask("scrub")
    (finding,) = decode(ScrubView, scrub.json).findings
    repaired = pool.scrub("--repair")

    assert scrub.code == ExitCode.DEGRADED
    assert (finding.kind, finding.disk) == ("journal", name)
    assert [one.outcome for one in repaired.findings] == ["repaired"]
    assert pool.ask("scrub").code == ExitCode.FINE
    pool.unmount()
    pool.mount()
    assert (pool.mountpoint / "file3").stat().st_size == FILE_BYTES


@pytest.mark.parametrize(
    "options",
    [("--target", "disk nobody"), ("--target", "directory /nowhere"), ("--schedule", "often")],
)
def test_what_cannot_be_meant_is_refused_in_one_sentence(
    pool: LivePool, options: tuple[str, ...]
) -> None:
    outcome = pool.ask("scrub", *options)

    assert outcome.code == ExitCode.USAGE
    assert len(outcome.said.strip().splitlines()) == 1
