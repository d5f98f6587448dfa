"""What is on a real terminal after its size has changed, however fast."""

from __future__ import annotations

import os
import random
import signal
import sys
from collections.abc import Iterator

import pytest

from tests.e2e.harness import wait_for
from tests.e2e.terminal import LARGE, SCREEN_S, SMALL, Size, Terminal, terminal

# Some shells export the size they had; the console must look at the terminal.
CONSOLE = (
    "env",
    "COLUMNS=80",
    "LINES=24",
    sys.executable,
    "-P",
    "-m",
    "tests.console.canned_console",
)
CHANGES = 200
BURST = 10
"""Changes that the terminal sees at once, as when a window's corner is dragged."""


@pytest.fixture(scope="module")
def screen() -> Iterator[Terminal]:
    """A console of a pool where nothing changes, not even the time."""
    with terminal() as opened:
        opened.start(CONSOLE, LARGE)
        # Something of every pane, header and footer: the picture is whole.
        opened.expect(r"(?s)tank .*d5 .*Rebuild .*intact 247k.*Enter det.*cold .*scrub: .*quit")
        yield opened


def test_a_storm_of_sizes_leaves_the_picture_as_it_was(screen: Terminal) -> None:
    before, chance = screen.screen(), random.Random(7)
    for _burst in range(CHANGES // BURST):
        screen.resize(
            *(
                Size(columns=chance.randrange(50, 150), rows=chance.randrange(12, 60))
                for _change in range(BURST)
            )
        )
    screen.resize(LARGE)

    wait_for("the picture is the same", lambda: screen.screen() == before, limit_s=SCREEN_S)


def test_a_size_that_was_another_for_a_moment_leaves_no_stale_rows(screen: Terminal) -> None:
    before = screen.screen()
    # While it stands it hears of the end only, which is a size that it knows.
    os.kill(screen.pid, signal.SIGSTOP)
    try:
        screen.resize(SMALL)
        wait_for("it would be told the small size", lambda: screen.told_size() == SMALL)
        screen.resize(LARGE)
        wait_for("it would be told the large size", lambda: screen.told_size() == LARGE)
        assert screen.screen() != before
    finally:
        os.kill(screen.pid, signal.SIGCONT)

    wait_for("what was cut off is painted again", lambda: screen.screen() == before)
