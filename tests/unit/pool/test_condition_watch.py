"""What the event log tells of conditions: once when they come, once when they are over."""

from __future__ import annotations

from dataclasses import replace

from engine.clock import ManualClock
from engine.observe.events import Event, EventLog, EventSeverity
from engine.pool.clock_watch import JUMP_S_MIN, REMEMBERED_S, ClockWatch
from engine.pool.condition_watch import CALM_LOOKS, ConditionWatch
from engine.status.codes import Code
from engine.status.verdict import told
from engine.status.views import PoolView, VerdictView
from tests.control_stand_in import healthy_view

GONE = told(Code.DISK_MISSING, "Disk d1 is missing. The rebuild starts in 9:11.", subject="d1")
LATER = replace(GONE, sentence="Disk d1 is missing. The rebuild starts in 9:10.")


class Scene:
    """A watch on views that the test sets."""

    def __init__(self) -> None:
        self.conditions: tuple[VerdictView, ...] = ()
        self.log = EventLog(ManualClock())
        self.watch = ConditionWatch(self.view, self.log)

    def view(self) -> PoolView:
        return replace(healthy_view(), conditions=self.conditions)

    def look(self, *conditions: VerdictView, times: int = 1) -> tuple[Event, ...]:
        """Return the events that these looks led to."""
        self.conditions = conditions
        before = self.log.last_sequence
        for _ in range(times):
            self.watch.turn()
        return self.log.since(before)


def test_a_condition_is_told_once_with_code_sentence_and_action() -> None:
    scene = Scene()

    first = scene.look(GONE)
    later = scene.look(LATER, times=5)

    assert [(one.code, one.source, one.severity) for one in first] == [
        (Code.DISK_MISSING, "d1", EventSeverity.ERROR)
    ]
    assert first[0].text == f"{GONE.sentence} {GONE.action}"
    assert later == ()


def test_its_end_is_told_when_it_has_been_away_for_some_looks() -> None:
    scene = Scene()
    scene.look(GONE)

    assert scene.look(times=CALM_LOOKS - 1) == ()
    ended = scene.look()

    assert [(one.code, one.severity) for one in ended] == [(Code.DISK_MISSING, EventSeverity.INFO)]
    assert ended[0].text == "No longer: a disk is missing (d1)."


def test_what_comes_and_goes_with_every_look_is_told_once() -> None:
    scene = Scene()

    told_events = [one for _ in range(20) for one in (*scene.look(GONE), *scene.look())]

    assert len(told_events) == 1


def test_two_disks_with_the_same_trouble_are_told_apart() -> None:
    scene = Scene()

    events = scene.look(GONE, replace(GONE, subject="d2"))

    assert [one.source for one in events] == ["d1", "d2"]


class SteppedClock(ManualClock):
    """A manual clock whose wall clock can be set."""

    def set_by(self, seconds: float) -> None:
        self._now_ns += round(seconds * 1e9)


def test_a_clock_that_is_set_is_noticed_and_told_for_an_hour() -> None:
    clock = SteppedClock()
    watch = ClockWatch(clock)
    clock.advance(5.0)
    assert watch.jump_s() == 0.0

    clock.set_by(-90.0)
    assert watch.jump_s() == -90.0
    clock.advance(REMEMBERED_S)
    assert watch.jump_s() == -90.0
    clock.advance(1.0)
    assert watch.jump_s() == 0.0


def test_slow_corrections_of_the_clock_are_no_jump() -> None:
    clock = SteppedClock()
    watch = ClockWatch(clock)

    for _ in range(100):
        clock.advance(1.0)
        clock.set_by(JUMP_S_MIN / 2)
        assert watch.jump_s() == 0.0
