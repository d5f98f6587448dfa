"""Tables: which columns fit, how rows are sorted and filtered."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dynamicfs_tui.console.table import (
    Column,
    Order,
    choose_columns,
    column_at,
    in_order,
    other_columns,
    table_head,
    table_row,
)
from dynamicfs_tui.console.table_filter import apply_filter
from dynamicfs_tui.console.text import line, plain, width_of

Person = tuple[str, int]

NAME: Column[Person] = Column(title="NAME", width=6, priority=0, cell=lambda p, _w: line(p[0]))
AGE: Column[Person] = Column(
    title="AGE",
    width=4,
    priority=1,
    right=True,
    cell=lambda p, _w: line(f"{p[1]}y"),
    value=lambda p: p[1],
)
NOTE: Column[Person] = Column(
    title="NOTE", width=5, priority=2, grows=True, cell=lambda _p, _w: line("-")
)
COLUMNS = (NAME, AGE, NOTE)
PEOPLE: list[Person] = [("ann", 100), ("bob", 9), ("cid", 25), ("dan", 9)]


def names(people: list[Person]) -> list[str]:
    return [name for name, _age in people]


def test_the_least_important_column_leaves_first_and_the_growing_one_takes_the_rest() -> None:
    assert [(c.title, w) for c, w in choose_columns(COLUMNS, 30)] == [
        ("NAME", 6),
        ("AGE", 4),
        ("NOTE", 18),
    ]
    assert [c.title for c, _w in choose_columns(COLUMNS, 16)] == ["NAME", "AGE"]
    assert [c.title for c, _w in choose_columns(COLUMNS, 3)] == ["NAME"]


def test_columns_without_room_are_shown_beside_the_first_ones_when_asked_for() -> None:
    assert [c.title for c in other_columns(COLUMNS, 16)] == ["NAME", "NOTE"]
    assert other_columns(COLUMNS, 30) == []


@given(width=st.integers(min_value=6, max_value=200))
def test_head_and_rows_are_as_wide_as_their_columns(width: int) -> None:
    chosen = choose_columns(COLUMNS, width)
    wanted = sum(cells + 1 for _column, cells in chosen) - 1

    assert width_of(table_head(chosen)) == wanted <= max(width, NAME.width)
    assert width_of(table_row(chosen, PEOPLE[0], "~")) == wanted


def test_numbers_are_sorted_as_numbers_and_equal_ones_stay_as_they_came() -> None:
    assert names(in_order(PEOPLE, COLUMNS, Order(title="AGE"))) == ["bob", "dan", "cid", "ann"]
    down = in_order(PEOPLE, COLUMNS, Order(title="AGE", descending=True))
    assert names(down) == ["ann", "cid", "bob", "dan"]


def test_an_order_by_a_column_that_is_gone_changes_nothing() -> None:
    assert in_order(PEOPLE, COLUMNS, Order(title="GONE")) == PEOPLE


def test_the_sort_key_walks_through_all_columns_and_ends_without_order() -> None:
    titles = [column.title for column in COLUMNS]
    seen, order = [], Order()
    for _press in range(7):
        order = order.after_key(titles)
        seen.append(f"{order.title}{'v' if order.descending else ''}")

    assert seen == ["NAME", "NAMEv", "AGE", "AGEv", "NOTE", "NOTEv", ""]


def test_the_sorted_title_carries_its_direction() -> None:
    chosen = choose_columns(COLUMNS, 30)

    assert "NAME^" in plain(table_head(chosen, order=Order(title="NAME")))
    assert "AGEv" in plain(table_head(chosen, order=Order(title="AGE", descending=True)))


def test_a_cell_of_the_head_belongs_to_the_column_above_it() -> None:
    chosen = choose_columns(COLUMNS, 30)

    found = [column_at(chosen, cell) for cell in (0, 6, 7, 11, 12, 29, 40)]

    assert found == [NAME, NAME, AGE, AGE, NOTE, NOTE, None]


def test_a_number_that_grew_stands_out_with_a_sign() -> None:
    row = table_row(
        choose_columns(COLUMNS, 30), ("ann", 7), "~", grown=frozenset({"AGE"}), sign="+"
    )

    assert plain(row).split() == ["ann", "+7y", "-"]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", ["ann", "bob", "cid", "dan"]),
        ("an", ["ann", "dan"]),
        ("AN", ["ann", "dan"]),
        ("!an", ["bob", "cid"]),
        ("!", ["ann", "bob", "cid", "dan"]),
        ("age>9", ["ann", "cid"]),
        ("age<10", ["bob", "dan"]),
        ("!age<10", ["ann", "cid"]),
        ("name:b", ["bob"]),
        ("na:d", ["cid", "dan"]),
        ("an age>9", ["ann"]),
        ("~^[ab]", ["ann", "bob"]),
        ("~(", ["ann", "bob", "cid", "dan"]),
        ("name>3", []),
        ("age>x", []),
        ("nothing", []),
        ("foo:bar", []),
    ],
)
def test_a_filter_keeps_the_rows_for_which_every_term_holds(text: str, found: list[str]) -> None:
    assert names(apply_filter(PEOPLE, COLUMNS, text)) == found


@given(text=st.text(max_size=40))
def test_no_filter_text_is_an_error_and_none_invents_rows(text: str) -> None:
    assert set(apply_filter(PEOPLE, COLUMNS, text)) <= set(PEOPLE)
