"""A scrub over time: paused, limited, scheduled, interrupted by restarts, remembered."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from engine.errors import UsageError
from engine.ids import DiskId, ExtentId
from engine.maintenance.scrub_target import parse_target
from engine.policy.scrub_pacing import ScrubIntensity
from engine.policy.scrub_schedule import parse_schedule
from tests.unit.maintenance.small_pool import SmallPool, pattern, small_pool

DATA = pattern(300_001)
HOUR_S = 3600
DAY_S = 24 * HOUR_S


@pytest.fixture
def pool(tmp_path: Path) -> Iterator[SmallPool]:
    with small_pool(tmp_path, 6) as small:
        yield small


def step_until(pool: SmallPool, condition: Callable[[], bool]) -> None:
    for _ in range(2000):
        if condition():
            return
        if not pool.scrub.step():
            pool.clock.advance(0.5)
    raise AssertionError("it does not come about")


def restart(pool: SmallPool) -> None:
    """Make everything anew from what is on disk."""
    pool.commit()
    pool.scrub.records.close()
    pool.start_maintenance()


# Pause, stop


def test_a_paused_scrub_reads_nothing_and_goes_on_at_its_cursor_after_a_restart(
    pool: SmallPool,
) -> None:
    for number in range(6):
        pool.write_file(f"f{number}", DATA)
    pool.scrub.start(repair=False)
    step_until(pool, lambda: pool.scrub.progress().done_fragments == 18)
    pool.scrub.pause()
    pool.extents.forget_counts()

    restart(pool)
    for _ in range(20):
        pool.scrub.step()
        pool.clock.advance(60)

    assert pool.scrub.progress().paused
    assert pool.extents.counted("get") == {}
    pool.scrub.resume()
    step_until(pool, lambda: not pool.scrub.progress().running)
    assert pool.scrub.progress().done_fragments == 36
    assert sum(calls for calls, _ in pool.extents.counted("get").values()) == 18


def test_a_close_keeps_the_cursor_to_the_extent(pool: SmallPool) -> None:
    for number in range(6):
        pool.write_file(f"f{number}", DATA)
    pool.scrub.start(repair=False)
    step_until(pool, lambda: pool.scrub.progress().done_fragments == 18)
    pool.scrub.close()
    assert not pool.scrub.step()
    pool.scrub.let_go()
    pool.extents.forget_counts()

    restart(pool)
    step_until(pool, lambda: not pool.scrub.progress().running)

    assert pool.scrub.progress().done_fragments == 36
    assert sum(calls for calls, _ in pool.extents.counted("get").values()) == 18
    assert len(pool.scrub.records.proofs(ExtentId(0), ExtentId(99))) == 36


def test_a_pause_interrupts_the_extent_in_hand(
    pool: SmallPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool.write_file("a", pattern(7_000_000))
    pool.scrub.start(repair=False)
    heard: list[int] = []
    note = pool.scrub._steps._note_bytes

    def pause_behind_the_first_bytes(count: int) -> None:
        note(count)
        heard.append(count)
        pool.scrub.pause()

    monkeypatch.setattr(pool.scrub._steps, "_note_bytes", pause_behind_the_first_bytes)
    for _ in range(5):
        pool.scrub.step()
    monkeypatch.undo()

    assert len(heard) == 1
    assert pool.scrub.progress().done_fragments == 0
    restart(pool)
    pool.scrub.resume()
    step_until(pool, lambda: not pool.scrub.progress().running)
    # What was read before the pause is read again, and counted once.
    assert pool.scrub.progress().done_bytes == pool.scrub.progress().total_bytes
    assert pool.scrub.progress().done_fragments == 6


def test_what_is_not_running_is_neither_paused_nor_resumed(pool: SmallPool) -> None:
    for verb in (pool.scrub.pause, pool.scrub.resume):
        with pytest.raises(UsageError):
            verb()

    pool.scrub.start(repair=False)
    with pytest.raises(UsageError):
        pool.scrub.resume()


def test_a_paused_scrub_can_be_stopped(pool: SmallPool) -> None:
    pool.write_file("a", DATA)
    pool.scrub.start(repair=False)
    pool.scrub.pause()

    pool.scrub.stop()
    pool.scrub.step()

    assert not pool.scrub.progress().running
    assert not pool.scrub.progress().paused


def test_only_a_scrub_of_everything_that_came_to_its_end_says_that_all_was_read(
    pool: SmallPool,
) -> None:
    pool.write_file("a", DATA)
    pool.scrub.start(repair=False)
    pool.scrub.stop()
    pool.scrub.step()
    stopped = pool.scrub.progress()
    pool.scrub.start(repair=False, target=parse_target("directory /a"))
    step_until(pool, lambda: not pool.scrub.progress().running)
    partial = pool.scrub.progress()

    pool.scrub.start(repair=False)
    step_until(pool, lambda: not pool.scrub.progress().running)
    whole_ns = pool.scrub.progress().whole_ns
    pool.clock.advance(DAY_S)
    pool.scrub.start(repair=False, target=parse_target("disk d1"))
    step_until(pool, lambda: not pool.scrub.progress().running)
    restart(pool)

    assert (stopped.whole_ns, partial.whole_ns) == (0, 0)
    assert 0 < stopped.finished_ns <= partial.finished_ns <= whole_ns
    assert pool.scrub.progress().whole_ns == whole_ns


def test_a_scrub_of_a_part_does_not_put_off_the_one_of_the_night(pool: SmallPool) -> None:
    pool.write_file("a", DATA)
    pool.scrub.settings.set_schedule(parse_schedule("nightly"))
    due_ns = pool.scrub.progress().next_ns
    pool.scrub.start(repair=False, target=parse_target("directory /a"))
    pool.scrub.pause()
    pool.clock.advance((due_ns - pool.clock.now_ns()) / 1e9 + HOUR_S)

    pool.scrub.resume()
    step_until(pool, lambda: pool.scrub.progress().runs_completed == 2)

    assert pool.scrub.progress().target == "all"


# Speed


def test_a_limit_is_kept_and_holds_after_a_restart(pool: SmallPool) -> None:
    records = [pool.write_file(f"f{number}", DATA) for number in range(8)]
    bytes_each = 6 * records[0].slice_bytes
    pool.scrub.settings.set_limit(bytes_each // 10)

    restart(pool)
    start_s = pool.clock.monotonic_s()
    pool.scrub_all()

    # Eight extents at ten seconds each; the wait behind the last one is not waited for.
    assert pool.clock.monotonic_s() - start_s >= 70
    assert pool.scrub.progress().limit_bytes_s == bytes_each // 10


def test_the_time_left_is_right_at_a_constant_rate(pool: SmallPool) -> None:
    records = [pool.write_file(f"f{number}", DATA) for number in range(40)]
    pool.scrub.settings.set_limit(6 * records[0].slice_bytes // 4)
    pool.scrub.start(repair=False)
    start_s = pool.clock.monotonic_s()

    step_until(pool, lambda: pool.scrub.progress().done_fragments == 60)
    eta_s = pool.scrub.progress().eta_s
    half_s = pool.clock.monotonic_s()
    step_until(pool, lambda: pool.scrub.progress().done_fragments == 240)
    took_s = pool.clock.monotonic_s() - half_s

    assert half_s > start_s
    assert eta_s == pytest.approx(took_s, rel=0.2)


def test_an_intensity_is_kept(pool: SmallPool) -> None:
    pool.scrub.settings.set_intensity(ScrubIntensity.LOW)

    restart(pool)

    assert pool.scrub.progress().intensity is ScrubIntensity.LOW


def test_a_missing_disk_does_not_spoil_the_time_left(pool: SmallPool) -> None:
    for number in range(4):
        pool.write_file(f"f{number}", DATA)
    pool.lose(2)

    pool.scrub_all()

    progress = pool.scrub.progress()
    assert progress.done_bytes == progress.total_bytes


# Schedule


def test_a_schedule_starts_scrubs_at_its_hours_also_after_a_restart(pool: SmallPool) -> None:
    pool.write_file("a", DATA)
    pool.scrub.settings.set_schedule(parse_schedule("every 6 h"))
    set_ns = pool.clock.now_ns()
    assert pool.scrub.progress().next_ns == set_ns + 6 * HOUR_S * 10**9
    starts = []

    for hour in range(1, 25):
        pool.clock.advance(HOUR_S)
        if hour == 9:
            restart(pool)
        before = pool.scrub.progress().runs_completed
        for _ in range(30):
            if not pool.scrub.step():
                pool.clock.advance(0.001)
        if pool.scrub.progress().runs_completed > before:
            starts.append(hour)

    assert starts == [6, 12, 18, 24]
    assert pool.scrub.progress().schedule == "every 6 h"


def test_a_scrub_that_is_due_waits_for_the_one_that_runs(pool: SmallPool) -> None:
    pool.write_file("a", DATA)
    pool.scrub.settings.set_schedule(parse_schedule("every 1 h"))
    pool.scrub.start(repair=False, target=parse_target("directory /a"))
    pool.scrub.pause()

    pool.clock.advance(5 * HOUR_S)
    pool.scrub.step()
    assert pool.scrub.progress().target == "directory /a"
    pool.scrub.resume()
    step_until(pool, lambda: pool.scrub.progress().runs_completed == 2)

    assert pool.scrub.progress().target == "all"


def test_a_schedule_repairs_only_if_it_says_so(pool: SmallPool) -> None:
    for text, repair in (("every 1 h", False), ("every 1 h with repair", True)):
        pool.scrub.settings.set_schedule(parse_schedule(text))
        pool.clock.advance(HOUR_S)
        step_until(pool, lambda: pool.scrub.progress().running)
        assert pool.scrub.progress().repair is repair
        pool.scrub.stop()
        pool.scrub.step()


def test_a_clock_that_is_set_back_delays_the_next_scrub_by_one_interval_at_most(
    pool: SmallPool,
) -> None:
    pool.write_file("a", DATA)
    pool.scrub.settings.set_schedule(parse_schedule("every 6 h"))
    pool.scrub_all()
    pool.clock._now_ns -= 400 * DAY_S * 10**9
    runs = pool.scrub.progress().runs_completed

    pool.scrub.step()
    assert not pool.scrub.progress().running
    pool.clock.advance(6 * HOUR_S - 1)
    pool.scrub.step()
    assert not pool.scrub.progress().running
    pool.clock.advance(2)

    step_until(pool, lambda: pool.scrub.progress().runs_completed == runs + 1)


def test_a_schedule_that_is_taken_back_starts_nothing(pool: SmallPool) -> None:
    pool.scrub.settings.set_schedule(parse_schedule("every 1 h"))
    pool.scrub.settings.set_schedule(parse_schedule("manual"))
    pool.clock.advance(100 * DAY_S)

    assert not pool.scrub.step()
    assert pool.scrub.progress().next_ns == 0
    assert not pool.scrub.progress().running


def test_a_state_of_another_version_begins_anew(pool: SmallPool) -> None:
    pool.write_file("a", DATA)
    pool.scrub.start(repair=False)
    path = pool.folder / "scrub.json"
    state = json.loads(path.read_text())
    assert state["running"]

    for change in ({"phase": "unknown"}, {"target": "nonsense"}, {"cursor": "x"}):
        path.write_text(json.dumps({**state, **change}))
        pool.start_maintenance()
        assert not pool.scrub.progress().running


def test_a_disk_that_left_meanwhile_ends_its_scrub(pool: SmallPool) -> None:
    pool.write_file("a", DATA)
    pool.scrub.start(repair=False, target=parse_target("disk d2"))
    step_until(pool, lambda: pool.scrub.progress().total_fragments == 1)
    path = pool.folder / "scrub.json"
    path.write_text(path.read_text().replace("disk d2", "disk d99"))

    restart(pool)
    step_until(pool, lambda: not pool.scrub.progress().running)

    assert pool.scrub.progress().intact == 0
    assert DiskId(2) in pool.disks.devices
