"""Hints of extents without segments: kept in order, bounded, and quick to take."""

from __future__ import annotations

import pytest

from engine.ids import ExtentId
from engine.metadata.garbage import Garbage


def ids(*numbers: int) -> list[ExtentId]:
    return [ExtentId(number) for number in numbers]


def test_hints_come_in_their_order_and_once() -> None:
    garbage = Garbage()
    garbage.suspect(ids(3, 1))
    garbage.suspect(ids(1, 2))

    assert garbage.count == 3
    assert garbage.take(2) == ids(3, 1)
    garbage.suspect(ids(3))
    assert garbage.take(9) == ids(2, 3)
    assert garbage.count == 0


def test_an_extent_that_is_landing_is_passed_and_comes_when_it_has_landed() -> None:
    garbage = Garbage()
    garbage.begin_landing(ExtentId(1))
    garbage.suspect(ids(1, 2))

    assert garbage.take(1) == ids(2)
    assert garbage.take(1) == []
    garbage.end_landing(ExtentId(1))
    assert garbage.take(1) == ids(1)


def test_hints_beyond_the_bound_are_dropped_and_that_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("engine.metadata.garbage.CANDIDATES_MAX", 2)
    garbage = Garbage()
    garbage.suspect(ids(1, 2))
    assert not garbage.forgot

    garbage.suspect(ids(2, 3))

    assert garbage.forgot
    assert garbage.take(9) == ids(1, 2)


def test_taking_a_few_looks_at_no_others_however_many_wait() -> None:
    looked_at: list[int] = []

    class Watched(int):
        def __hash__(self) -> int:
            looked_at.append(int(self))
            return int(self)

    garbage = Garbage()
    garbage.suspect(ExtentId(Watched(number)) for number in range(1000))
    looked_at.clear()

    garbage.take(8)

    assert set(looked_at) == set(range(8))
