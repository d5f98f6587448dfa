"""A console of a canned pool, for a real terminal: ``python -m tests.console.canned_console``."""

from __future__ import annotations

import os
from pathlib import Path

from dynamicfs_tui.console.app import ConsoleApp
from dynamicfs_tui.console.terminal import protect_terminal
from engine.clock import ManualClock
from tests.console.canned import CannedControl
from tests.console.canned_views import NOW_NS, rebuilding

if __name__ == "__main__":
    # Time stands still, so that any two pictures of one size are the same.
    with protect_terminal(Path(os.devnull)):
        ConsoleApp(CannedControl(rebuilding()), clock=ManualClock(NOW_NS)).run()
