"""Errors of a disk by kind and time."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from engine.observe.error_window import BUCKET_NS, WINDOW_NS, ErrorKind, ErrorWindow

NOW_NS = 10**18
ERRORS = st.lists(
    st.tuples(st.sampled_from(ErrorKind), st.integers(0, 2 * WINDOW_NS), st.integers(1, 5)),
    max_size=30,
)


def noted(errors: list[tuple[ErrorKind, int, int]]) -> ErrorWindow:
    """Return a window in which every error was noted, so long ago, as told."""
    window = ErrorWindow()
    for kind, ago_ns, count in errors:
        window.note(kind, now_ns=NOW_NS - ago_ns, count=count)
    return window


@given(ERRORS)
def test_recent_errors_are_those_of_the_last_ten_minutes(
    errors: list[tuple[ErrorKind, int, int]],
) -> None:
    window = noted(sorted(errors, key=lambda one: -one[1]))

    for kind in ErrorKind:
        ages = [(ago, count) for one, ago, count in errors if one is kind]
        least = sum(count for ago, count in ages if ago <= WINDOW_NS)
        most = sum(count for ago, count in ages if ago <= WINDOW_NS + BUCKET_NS)
        assert least <= window.recent(kind, now_ns=NOW_NS) <= most


@given(ERRORS)
def test_totals_are_all_errors_ever(errors: list[tuple[ErrorKind, int, int]]) -> None:
    window, expected = noted(errors), Counter[ErrorKind]()
    for kind, _, count in errors:
        expected[kind] += count

    assert {kind: window.total(kind) for kind in ErrorKind} == {
        kind: expected[kind] for kind in ErrorKind
    }


@given(ERRORS.flatmap(lambda errors: st.tuples(st.just(errors), st.permutations(errors))))
def test_the_order_of_errors_within_a_window_does_not_matter(
    orders: tuple[list[tuple[ErrorKind, int, int]], list[tuple[ErrorKind, int, int]]],
) -> None:
    near = [[(kind, ago % BUCKET_NS, n) for kind, ago, n in order] for order in orders]
    one, other = (noted(errors) for errors in near)

    for kind in ErrorKind:
        assert one.recent(kind, now_ns=NOW_NS) == other.recent(kind, now_ns=NOW_NS)
        assert one.total(kind) == other.total(kind)
    assert one.quiet_s(now_ns=NOW_NS) == other.quiet_s(now_ns=NOW_NS)


@given(ERRORS)
def test_what_is_kept_makes_the_same_window_again(
    errors: list[tuple[ErrorKind, int, int]],
) -> None:
    window = noted(errors)
    again = ErrorWindow(window.totals(), window.counts(now_ns=NOW_NS))

    for kind in ErrorKind:
        assert again.total(kind) == window.total(kind)
        assert again.recent(kind, now_ns=NOW_NS) == window.recent(kind, now_ns=NOW_NS)


def test_a_repair_is_no_error_and_does_not_end_the_quiet() -> None:
    window = noted([(ErrorKind.IO, 60 * 10**9, 1), (ErrorKind.REPAIRED, 0, 7)])

    assert window.quiet_s(now_ns=NOW_NS) == 60


def test_a_busy_year_takes_no_more_room_than_ten_minutes() -> None:
    window = ErrorWindow()
    for second in range(0, 40_000, 5):
        window.note(ErrorKind.IO, now_ns=NOW_NS + second * 10**9)

    kept = window.counts(now_ns=NOW_NS + 40_000 * 10**9)

    assert len(kept) <= WINDOW_NS // BUCKET_NS + 1
    assert window.total(ErrorKind.IO) == 8000
