"""Rates and times left, from views that are seconds apart."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dynamicfs_tui.console.rates import ETA_MIN_S, HISTORY_S, EtaEstimator, RateBook
from engine.units import MIB
from tests.console.canned_views import after, healthy, rebuilding


def test_one_view_gives_no_rate() -> None:
    rates = RateBook().observe(healthy())

    assert rates.read_bytes_s is None
    assert rates.ops_s is None


def test_a_rate_is_the_difference_of_two_views_over_their_time() -> None:
    book = RateBook()
    first = healthy()
    book.observe(first)

    rates = book.observe(after(first, 2.0, read_mib_s=100, write_mib_s=40))

    assert rates.read_bytes_s == pytest.approx(100 * MIB)
    assert rates.write_bytes_s == pytest.approx(40 * MIB)
    assert rates.ops_s == pytest.approx(2000)
    assert rates.of(first.disks[0].uuid).write_bytes_s == pytest.approx(10 * MIB)


def test_views_closer_than_a_second_do_not_change_the_rates() -> None:
    book = RateBook()
    first = healthy()
    before = book.observe(first)

    assert book.observe(after(first, 0.25, read_mib_s=100, write_mib_s=0)) is before


def test_seconds_without_a_view_are_gaps_not_zeros() -> None:
    book = RateBook()
    first = healthy()
    book.observe(first)

    rates = book.observe(after(first, 5.0, read_mib_s=60, write_mib_s=0))

    history = rates.of(first.disks[0].uuid).read_history
    assert history[:4] == (None,) * 4
    assert history[4] is not None


def test_a_counter_that_went_back_is_a_gap_not_a_negative_rate() -> None:
    book = RateBook()
    first = healthy()
    book.observe(first)
    restarted = replace(
        first, monotonic_s=first.monotonic_s + 1, activity=replace(first.activity, read_bytes=0)
    )

    assert book.observe(restarted).read_bytes_s is None


def test_the_history_is_bounded() -> None:
    book = RateBook()
    view = healthy()
    for _second in range(HISTORY_S + 20):
        view = after(view, 1.0, read_mib_s=1, write_mib_s=1)
        rates = book.observe(view)

    assert len(rates.of(view.disks[0].uuid).read_history) == HISTORY_S


def test_a_disk_that_left_is_forgotten_and_a_new_one_starts_without_a_rate() -> None:
    book = RateBook()
    first = healthy()
    book.observe(replace(first, disks=first.disks[:5]))

    rates = book.observe(
        replace(after(first, 1.0, read_mib_s=6, write_mib_s=6), disks=first.disks[1:])
    )

    assert rates.of(first.disks[0].uuid).read_bytes_s is None
    assert rates.of(first.disks[5].uuid).read_bytes_s is None


def test_the_engines_own_eta_is_used_when_it_has_one() -> None:
    rates = RateBook().observe(rebuilding())

    assert rates.rebuild_eta_s == 4320.0
    assert rates.rebuild_bytes_s == 212 * MIB


def test_there_is_no_eta_before_ten_seconds_were_seen() -> None:
    eta = EtaEstimator()
    eta.observe(0.0, 0)
    eta.observe(ETA_MIN_S - 1, 900)

    assert eta.eta_s(10_000) is None


def test_a_steady_rate_gives_the_exact_time_left() -> None:
    eta = EtaEstimator()
    for second in range(0, 31, 3):
        eta.observe(float(second), second * 100)

    assert eta.rate_bytes_s == pytest.approx(100)
    assert eta.eta_s(10_000) == pytest.approx(70)


def test_an_eta_follows_a_rate_that_changes() -> None:
    eta = EtaEstimator()
    done = 0
    for second in range(400):
        done += 100 if second < 100 else 10
        eta.observe(float(second), done)

    assert eta.rate_bytes_s == pytest.approx(10, rel=0.2)


def test_an_eta_is_unknown_while_nothing_moves() -> None:
    eta = EtaEstimator()
    for second in range(30):
        eta.observe(float(second), 500)

    assert eta.eta_s(1000) is None


def test_progress_that_goes_back_is_another_job() -> None:
    eta = EtaEstimator()
    eta.observe(0.0, 0)
    eta.observe(20.0, 2000)
    eta.observe(21.0, 10)

    assert eta.eta_s(1000) is None
