"""How many more losses data survives now."""

from __future__ import annotations

from enum import StrEnum

from engine.model.redundancy import Redundancy, needed_count

LOST = -1
"""The exposure of an extent that cannot be read any more."""


class ExposureBucket(StrEnum):
    """The steps of the exposure bar, worst first."""

    LOST = "lost"
    ZERO = "zero"
    ONE = "one"
    MORE = "more"


def exposure_of(redundancy: Redundancy, intact_count: int) -> int:
    """Return how many more losses the extent survives; -1 when it is lost.

    >>> from engine.model.redundancy import ErasureCoding, Replication
    >>> exposure_of(ErasureCoding(4, 2), 6), exposure_of(ErasureCoding(4, 2), 3)
    (2, -1)
    >>> exposure_of(Replication(3), 1)
    0
    """
    return max(LOST, intact_count - needed_count(redundancy))


def bucket_of(exposure: int) -> ExposureBucket:
    """Return the step of the exposure bar.

    >>> [str(bucket_of(exposure)) for exposure in (-1, 0, 1, 2, 9)]
    ['lost', 'zero', 'one', 'more', 'more']
    """
    if exposure < 0:
        return ExposureBucket.LOST
    return (ExposureBucket.ZERO, ExposureBucket.ONE, ExposureBucket.MORE)[min(exposure, 2)]


def journal_exposure(*, tolerance: int, missing: int) -> int:
    """Return how many more journal disks may go before a root may be lost.

    A root is acknowledged by tolerance + 1 members of the journal set, so one
    of them is left after any *tolerance* losses. *missing* members do not
    answer or lag behind.

    >>> journal_exposure(tolerance=2, missing=0), journal_exposure(tolerance=2, missing=3)
    (2, -1)
    """
    return max(LOST, tolerance - missing)


def may_fail(least_exposure: int | None, journal: int) -> int:
    """Return how many more disks may fail, any of them, without any loss.

    *least_exposure* is that of the most exposed extent that is not lost, None
    in a pool without extents; *journal* is ``journal_exposure``.

    >>> may_fail(2, 1), may_fail(None, 4), may_fail(0, 3)
    (1, 4, 0)
    """
    return max(0, journal if least_exposure is None else min(least_exposure, journal))
