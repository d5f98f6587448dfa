"""How fast fragments are moved, as far as anybody knows."""

from __future__ import annotations

from engine.pool.pool import Pool


def seconds_for(pool: Pool, size_bytes: int) -> float | None:
    """Return how long *size_bytes* of fragments take; None while no rate is known.

    The present rate of reconcile, else that of its last round; never more than
    the operator's limit.
    """
    if not size_bytes:
        return 0.0
    progress = pool.maintenance.reconcile.progress()
    rate = progress.rate_bytes_s if progress.active else 0.0
    rate = rate or progress.average_bytes_s
    if progress.limit_bytes_s:
        rate = min(rate, progress.limit_bytes_s)
    return size_bytes / rate if rate > 0 else None
