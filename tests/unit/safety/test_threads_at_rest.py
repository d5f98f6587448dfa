"""What keeps the pool going neither dies nor spins when a disk misbehaves (P7, P8)."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.errors import DamagedRecordError, DeviceFailedError
from engine.ids import ROOT_INODE, DiskId
from engine.metadata.shipping import MemberState
from engine.pool.keepers import probe_turn
from engine.pool.membership import Membership
from engine.vfs.interface import Caller, OpenMode
from tests.conftest import ExpectedWarnings
from tests.memory_engine import MemoryEngine

ME = Caller(0, 0)


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[MemoryEngine]:
    made = MemoryEngine(tmp_path)
    yield made
    made.close()


def test_a_disk_that_answers_with_errors_is_not_probed_without_a_rest(
    memory: MemoryEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    lanes = memory.engine.base.disks._disks[DiskId(1)].lanes
    assert lanes is not None

    def refuses() -> None:
        raise DeviceFailedError("Input/output error")

    monkeypatch.setattr(lanes.device, "check_presence", refuses)
    disks = memory.engine.base.disks

    assert probe_turn(memory.engine, Membership(memory.engine).probe) > 0
    assert not disks.probe_wanted.is_set(), "its keeper would begin again at once, for ever"


def test_journals_are_cared_for_after_an_error_nobody_foresaw(
    memory: MemoryEngine, monkeypatch: pytest.MonkeyPatch, expected_warnings: ExpectedWarnings
) -> None:
    expected_warnings("journal-shipper failed unexpectedly")
    shipper = memory.engine.base.shipper
    assert shipper is not None
    tender = shipper._tender
    retry = tender._retry
    calls: list[int] = []

    def breaks_once(member: object) -> None:
        calls.append(1)
        if len(calls) == 1:
            raise OSError(28, "No space left on device")
        retry(member)  # type: ignore[arg-type]

    monkeypatch.setattr(tender, "_retry", breaks_once)
    lost = memory.uuids[0]
    memory.lose_disks(lost)
    memory.filesystem.create(ROOT_INODE, b"a", 0o644, OpenMode.WRITE, ME)
    memory.engine.syncer.sync_all()
    waiting = threading.Event()
    for _ in range(500):
        if calls:
            break
        waiting.wait(0.01)
    memory.bring_disks_back()
    for _ in range(600):
        shipper.retry_now()
        if all(view.state is MemberState.CURRENT for view in shipper.members()):
            return
        waiting.wait(0.01)
    pytest.fail(str(shipper.members()))


def test_a_journal_that_cannot_be_copied_does_not_end_the_probe(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory = MemoryEngine(tmp_path, disk_count=6)
    engine = memory.engine
    shipper = engine.base.shipper
    assert shipper is not None

    def refuses(_disk: object) -> None:
        raise DamagedRecordError("disk d2 has no checkpoint to begin with")

    monkeypatch.setattr(shipper, "prepare_member", refuses)
    memory.lose_disks(engine.base.store.template.journal_set[0])

    sentences = Membership(engine).probe()

    assert len(sentences) == 6
    assert any("no checkpoint to begin with" in one.text for one in engine.base.events.since(0))
    assert not engine.refusal(), "four journals are left, three are needed"
    memory.close()
