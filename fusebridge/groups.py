"""The groups of a process that a request does not name."""

from __future__ import annotations

from collections.abc import Collection

import pyfuse3


def further_groups_of(process: int) -> Collection[int]:
    """Return the supplementary groups of a process or thread; none where it cannot be seen.

    Reads /proc, so it is for questions that come seldom. One of another
    process namespace is 0 to us, and has none.
    """
    try:
        return pyfuse3.get_sup_groups(process)
    except OSError:
        return ()
