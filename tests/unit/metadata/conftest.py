"""Situations that several tests of the metadata begin with."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.device.faulty import FaultyDevice
from engine.ids import Generation
from engine.metadata.journals import JournalShipper
from tests.unit.metadata.shadowed_store import ShadowedStore, shadowed_store
from tests.unit.metadata.shipping_pool import Shipping
from tests.unit.metadata.written_pool import (
    ABC,
    D,
    E,
    WrittenPool,
    lane_disks,
)


@pytest.fixture
def shipping(tmp_path: Path) -> Iterator[Shipping]:
    """Five disks, three of them J, m=1."""
    pool = WrittenPool(tmp_path / "pool", (*ABC, D, E), journal_set=ABC)
    faulty = {disk: FaultyDevice(device) for disk, device in pool.devices.items()}
    events: list[str] = []
    with lane_disks(faulty) as disks:
        shipper = JournalShipper(
            disks,
            tolerance=1,
            journal_set=ABC,
            acknowledged=Generation(0),
            on_event=lambda severity, text: events.append(text),
            scratch=tmp_path,
        )
        made = Shipping(pool, faulty, disks, shipper, events)
        yield made
        for gate in made.gates:
            gate.set()
        shipper.close(0.1)


@pytest.fixture
def short_ring(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the ring forget roots soon, so that laggards need another disk."""
    monkeypatch.setattr("engine.metadata.shipping.RING_ROOTS_MAX", 8)


@pytest.fixture
def shadowed(tmp_path: Path) -> Iterator[ShadowedStore]:
    """A store with a replay shadow."""
    with shadowed_store(tmp_path) as store:
        yield store
