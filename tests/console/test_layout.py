"""The rows of a terminal are shared out without a rest."""

from __future__ import annotations

import itertools

import pytest

from dynamicfs_tui.console.header_lines import VERDICT_ROWS
from dynamicfs_tui.console.layout import TALL, is_too_small, share_rows

AROUND = 3
"""Status line, tabs and footer."""


@pytest.mark.parametrize("height", [16, 20, 24, TALL - 1, TALL, 40, 60, 80])
def test_the_bands_fill_the_terminal_and_none_is_empty(height: int) -> None:
    frame = 2 if height >= TALL else 1

    for disks, busy in itertools.product((0, 1, 6, 24, 64), (False, True)):
        rows = share_rows(height - AROUND, height, disk_count=disks, busy=busy)
        assert rows.disks + rows.jobs + rows.pool == height - AROUND - VERDICT_ROWS
        assert min(rows.disks, rows.jobs, rows.pool) > frame


def test_six_disks_are_all_seen_in_24_rows() -> None:
    rows = share_rows(24 - AROUND, 24, disk_count=6, busy=True)

    assert rows.disks == 1 + 1 + 6 + 1


def test_a_running_job_gets_more_rows_than_an_idle_one() -> None:
    idle = share_rows(40 - AROUND, 40, disk_count=6, busy=False)
    busy = share_rows(40 - AROUND, 40, disk_count=6, busy=True)

    assert busy.jobs > idle.jobs


def test_the_smallest_terminal_is_60x16() -> None:
    assert not is_too_small(60, 16)
    assert is_too_small(59, 16)
    assert is_too_small(60, 15)
