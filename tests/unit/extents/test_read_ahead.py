"""The sequence detector: what it fetches ahead, and what ends a sequence."""

from __future__ import annotations

import random

from engine.extents.read_ahead import SequenceDetector
from engine.limits import READ_AHEAD_BYTES_MAX
from engine.units import KIB, MIB


def _established() -> tuple[SequenceDetector, int]:
    """A detector behind some reads of 1 MiB in a row, and how far it fetched."""
    detector = SequenceDetector()
    ahead = 0
    for number in range(8):
        start, length = detector.advise(number * MIB, MIB)
        ahead = max(ahead, start + length)
    return detector, ahead


def test_one_read_behind_another_is_no_sequence_yet() -> None:
    detector = SequenceDetector()

    assert detector.advise(0, 4 * KIB) == (0, 0)
    assert detector.advise(4 * KIB, 4 * KIB) == (0, 0)


def test_a_stream_is_fetched_ahead_once_and_within_the_bound() -> None:
    detector = SequenceDetector()
    fetched = 0
    for number in range(200):
        start, length = detector.advise(number * MIB, MIB)
        if length:
            assert start >= fetched
            fetched = start + length
        assert fetched <= (number + 1) * MIB + READ_AHEAD_BYTES_MAX

    assert fetched >= 200 * MIB


def test_requests_a_little_out_of_order_do_not_end_a_stream() -> None:
    order = list(range(8, 128))
    source = random.Random(5)
    for position in range(0, len(order) - 1, 2):
        if source.random() < 0.5:
            order[position], order[position + 1] = order[position + 1], order[position]
    detector, fetched = _established()

    total = fetched
    for number in order:
        start, length = detector.advise(number * MIB, MIB)
        if length:
            assert start >= fetched, "bytes were fetched twice"
            fetched = start + length
            total += length

    assert total <= 128 * MIB + READ_AHEAD_BYTES_MAX


def test_a_jump_ends_the_sequence() -> None:
    detector, _ = _established()

    assert detector.advise(900 * MIB, MIB) == (0, 0)
    assert detector.advise(901 * MIB, MIB) == (0, 0)


def test_random_reads_fetch_nothing_ahead() -> None:
    source = random.Random(3)
    detector = SequenceDetector()

    advised = [detector.advise(source.randrange(1000) * 64 * MIB, 4 * KIB) for _ in range(200)]

    assert {length for _, length in advised} == {0}
