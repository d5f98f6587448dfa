"""A view within a second, whatever holds the engine."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from engine.clock import ManualClock
from engine.errors import PoolBusyError, PoolError
from engine.pool.last_view import LastView, aged
from engine.status.codes import Code
from engine.status.views import HealthWord, PoolView
from tests.control_stand_in import degraded_view, healthy_view, lost_view

WAIT_S = 0.05


class Engine:
    """Answers at once, or not before it is let go."""

    def __init__(self) -> None:
        self.free = threading.Event()
        self.free.set()
        self.asked = 0
        self.error: Exception | None = None

    def view(self) -> PoolView:
        self.asked += 1
        self.free.wait(20.0)
        if self.error is not None:
            raise self.error
        return healthy_view()


@pytest.fixture
def engine() -> Iterator[Engine]:
    engine = Engine()
    yield engine
    engine.free.set()


def test_an_engine_that_answers_is_shown_as_it_is(engine: Engine) -> None:
    assert LastView(engine.view, ManualClock(), wait_s=5.0).view() == healthy_view()


def test_a_stuck_engine_is_shown_by_its_last_view_with_the_age(engine: Engine) -> None:
    clock = ManualClock()
    views = LastView(engine.view, clock, wait_s=WAIT_S)
    views.view()
    engine.free.clear()
    clock.advance(42.0)

    shown = views.view()

    assert shown.heartbeat_s == 42.0
    assert shown.verdict.code == Code.ENGINE_STUCK
    assert shown.verdict.word is HealthWord.AT_RISK
    assert "42 s old" in shown.verdict.sentence
    assert shown.disks == healthy_view().disks


def test_many_who_ask_a_stuck_engine_wait_for_one_thread(engine: Engine) -> None:
    views = LastView(engine.view, ManualClock(), wait_s=WAIT_S)
    views.view()
    engine.free.clear()
    for _ in range(5):
        views.view()

    assert engine.asked == 2


def test_an_engine_that_moves_again_is_shown_fresh(engine: Engine) -> None:
    views = LastView(engine.view, ManualClock(), wait_s=WAIT_S)
    views.view()
    engine.free.clear()
    views.view()
    engine.free.set()

    # The first answers may still be of before: the thread that was held comes back now.
    assert any(views.view() == healthy_view() for _ in range(200))


def test_without_a_last_view_a_stuck_engine_is_one_sentence(engine: Engine) -> None:
    engine.free.clear()

    with pytest.raises(PoolBusyError, match="did not answer"):
        LastView(engine.view, ManualClock(), wait_s=WAIT_S).view()


def test_an_error_of_the_view_reaches_who_asked(engine: Engine) -> None:
    engine.error = PoolError("closed")

    with pytest.raises(PoolError, match="closed"):
        LastView(engine.view, ManualClock(), wait_s=5.0).view()


def test_an_aged_view_keeps_what_was_wrong_behind_the_age() -> None:
    shown = aged(degraded_view(), 3.0)

    assert [one.code for one in shown.conditions][0] == Code.ENGINE_STUCK
    assert aged(lost_view(), 3.0).exposure.lost_extents == 2
