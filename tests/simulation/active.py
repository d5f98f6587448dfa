"""The worlds under record in this process, found by path."""

from __future__ import annotations

from tests.simulation.ledger import Ledger

_ledgers: list[Ledger] = []


def begin(ledger: Ledger) -> int:
    """Route to *ledger* what happens below its roots; return how many there are now."""
    _ledgers.append(ledger)
    return len(_ledgers)


def end(ledger: Ledger) -> int:
    """Stop routing to *ledger*; return how many are left."""
    _ledgers.remove(ledger)
    return len(_ledgers)


def ledger_of(path: str) -> Ledger | None:
    """Return the ledger that records *path*."""
    return next((one for one in _ledgers if one.covers(path)), None)


def ledgers() -> tuple[Ledger, ...]:
    """Return all that record now."""
    return tuple(_ledgers)
