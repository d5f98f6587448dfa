"""One time zone, so that clock times can be compared."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Run the test in UTC, in colour and with the symbols it chooses."""
    monkeypatch.setenv("TZ", "UTC")
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.delenv("DYNAMICFS_ASCII", raising=False)
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()
