"""``python -m dynamicfs_tui.cli``: how a mount re-executes itself in the background."""

from __future__ import annotations

import sys

from dynamicfs_tui.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
