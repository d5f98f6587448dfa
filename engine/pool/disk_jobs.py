"""What maintenance does with a disk, in a word, put into its view."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from engine.ids import DiskId
from engine.model.disk import DiskMarks, DiskState
from engine.status.views import DiskView


def with_job(view: DiskView, marks: DiskMarks, names: Mapping[DiskId, str]) -> DiskView:
    """Return *view* with the job under way on the disk and the disk that replaces it.

    *names* are those of all disks.
    """
    successor = names.get(marks.replaced_by, "") if marks.replaced_by is not None else ""
    return replace(view, job=_job(view, marks, successor), replaced_by=successor)


def _job(view: DiskView, marks: DiskMarks, successor: str) -> str:
    if view.state is DiskState.DRAINING:
        word = f"to {successor}" if successor else "drain"
    elif view.state is DiskState.FAILED and (view.fragment_count or successor):
        word = f"rebuild to {successor}" if successor else "rebuild"
    else:
        return ""
    return f"{word} {done_percent(marks.leaving_fragments, view.fragment_count)} %"


def done_percent(at_first: int, left: int) -> int:
    """Return how much of what a disk had has left it, in whole percent.

    >>> done_percent(200, 150), done_percent(0, 0), done_percent(10, 12), done_percent(300, 1)
    (25, 100, 0, 99)
    """
    if not left:
        return 100
    return max(0, min(99, 100 * (at_first - left) // max(1, at_first)))
