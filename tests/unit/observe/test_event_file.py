"""Events on file: bounded, and readable whatever a crash left."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.observe.event_file import EventFile
from engine.observe.events import Event, EventSeverity


def event(sequence: int, text: str = "a disk is gone", code: str = "DFS-1001") -> Event:
    return Event(
        sequence=sequence,
        time_ns=1_700_000_000_000_000_000 + sequence,
        severity=EventSeverity.WARNING,
        source="d1",
        text=text,
        code=code,
    )


@given(texts=st.lists(st.text(max_size=40), max_size=8))
def test_what_was_written_is_read_again(
    texts: list[str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("events") / "events.jsonl"
    events = [event(number, text) for number, text in enumerate(texts, 1)]

    EventFile(path).append(events)

    assert EventFile(path).load() == events


def test_half_a_line_of_a_crash_costs_that_line_only(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    EventFile(path).append([event(1), event(2)])
    path.write_bytes(path.read_bytes()[:-10])

    EventFile(path).append([event(3)])

    assert [one.sequence for one in EventFile(path).load()] == [1, 3]


def test_two_files_of_the_bound_are_kept_and_the_newest_lines_with_them(tmp_path: Path) -> None:
    file = EventFile(tmp_path / "events.jsonl", bytes_max=2000)

    for number in range(1, 200):
        file.append([event(number)])

    kept = [one.sequence for one in file.load()]
    assert sum(one.stat().st_size for one in tmp_path.iterdir()) <= 2 * 2200
    assert len(list(tmp_path.iterdir())) <= 2
    assert kept == list(range(kept[0], 200))
    assert len(kept) > 10


def test_a_file_that_is_no_log_gives_no_events(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_bytes(b'\x00\xff\n[]\n{"sequence": "x"}\nnull\n')

    assert EventFile(path).load() == []
    assert EventFile(tmp_path / "missing").load() == []
