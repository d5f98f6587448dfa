"""Numbers and names as the console writes them."""

from __future__ import annotations

import doctest
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from dynamicfs_tui.console import actions, glyphs, header_lines, text
from dynamicfs_tui.console.text import Piece, Tone

NOW_NS = 1_700_000_000_000_000_000  # 22:13:20 UTC


@pytest.mark.parametrize("module", [text, glyphs, actions, header_lines])
def test_the_examples_in_docstrings_hold(module: object) -> None:
    assert doctest.testmod(module).failed == 0  # type: ignore[arg-type]


@given(st.integers(0, 2**60))
def test_a_short_size_takes_at_most_five_cells_and_is_close(count: int) -> None:
    written = text.short_bytes(count)

    assert len(written) <= 5
    number = float(written.rstrip("KMGTP")) * 1024 ** ("KMGTP".find(written[-1]) + 1)
    assert math.isclose(number, count, rel_tol=0.06, abs_tol=0.5)


@given(st.integers(0, 10**12))
def test_a_short_count_takes_at_most_five_cells(count: int) -> None:
    assert len(text.short_count(count)) <= 5


@given(st.text(max_size=40), st.integers(0, 30))
def test_a_line_is_fitted_to_exactly_its_width(name: str, width: int) -> None:
    fitted = text.fit((Piece("ab"), Piece(text.safe(name), Tone.BAD)), width, "…")

    assert text.width_of(fitted) == width


@given(st.text(min_size=1, max_size=60), st.integers(1, 30))
def test_a_cut_name_is_never_wider_than_asked(name: str, width: int) -> None:
    shown = text.safe(name)

    assert cell_len(text.cut(shown, width, "…")) <= width
    assert cell_len(text.cut_middle(shown, width, "…")) <= width


@given(st.text(max_size=40))
def test_nothing_unprintable_is_left_in_a_shown_name(name: str) -> None:
    shown = text.safe(name)

    assert all(char.isprintable() for char in shown)
    shown.encode("utf-8")


def test_wide_characters_are_counted_as_two_cells() -> None:
    assert text.cut("日本語のファイル", 7, "…") == "日本語…"


@given(st.integers(0, 1000), st.integers(1, 1000), st.integers(1, 60))
def test_a_bar_is_full_only_when_all_is_done(part: int, whole: int, width: int) -> None:
    drawn = text.bar(part, whole, width, full="#", empty="-")

    assert len(drawn) == width
    assert (drawn == "#" * width) == (part >= whole)


def test_a_spark_starts_at_zero_and_shows_gaps() -> None:
    drawn = text.spark([None, 0.0, 50.0, 100.0], 4, 100.0, scale="_123", gap=" ")

    assert drawn == " _23"


def test_a_spark_of_more_samples_than_cells_shows_the_largest_of_each_cell() -> None:
    assert text.spark([0, 9, 0, 0, 3, 0], 3, 9, scale="_123", gap=" ") == "3_1"


def test_short_data_is_not_stretched_to_the_left() -> None:
    assert text.spark([4.0], 5, 4.0, scale="_1", gap=".") == "....1"


def test_an_eta_has_its_time_of_day() -> None:
    assert text.eta_text(4320, NOW_NS) == "ETA 1h12m (23:25)"


def test_an_eta_days_away_says_how_many() -> None:
    assert text.eta_text(2 * 86_400 + 3600, NOW_NS) == "ETA 2d01h (23:13 +2d)"


def test_an_unknown_eta_is_not_a_number() -> None:
    assert text.eta_text(None, NOW_NS) == "ETA --"


@pytest.mark.parametrize("seconds", [0.0, -5.0, 0.4])
def test_an_eta_is_never_zero_or_negative(seconds: float) -> None:
    assert text.eta_text(seconds, NOW_NS).startswith("ETA 1s")


def test_facts_are_never_broken_between_lines() -> None:
    facts = [text.line("alpha"), text.line("beta gamma"), text.line("delta")]

    assert [text.plain(row) for row in text.flow(facts, 12)] == ["alpha", "beta gamma", "delta"]


def test_ascii_is_chosen_when_the_locale_is_not_utf8() -> None:
    assert glyphs.choose_glyphs({}, encoding="ANSI_X3.4-1968") is glyphs.ASCII


@pytest.mark.parametrize("each", [glyphs.UNICODE, glyphs.ASCII])
def test_states_differ_by_symbol_alone(each: glyphs.Glyphs) -> None:
    for marks in (each.disks, each.pool, each.work, each.severity):
        symbols = [mark.symbol for mark in marks.values()]
        assert len(set(symbols)) == len(symbols)
        assert all(cell_len(symbol) == 1 for symbol in symbols)


def test_the_ascii_symbols_are_ascii() -> None:
    each = glyphs.ASCII
    marks = [*each.disks.values(), *each.pool.values(), *each.work.values()]
    marks += [*each.severity.values(), each.missing]

    "".join(mark.symbol for mark in marks).encode("ascii")
    (each.spark + each.gap + each.bar_full + each.bar_empty + each.rule).encode("ascii")


def test_both_sets_have_a_symbol_for_the_same_states() -> None:
    for name in ("disks", "pool", "work", "severity"):
        assert getattr(glyphs.ASCII, name).keys() == getattr(glyphs.UNICODE, name).keys()
