"""What becomes of what a scrub found, and what is said of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.extents.verdict import Verdict
from engine.ids import DiskId, ExtentId
from engine.limits import FINDINGS_MAX
from engine.maintenance.scrub_progress import Finding, MetadataFinding, Outcome
from engine.metadata.inspection import MetadataKind
from engine.model.disk import DiskState
from engine.model.extent import ExtentRecord
from engine.status.assemble import scrub_view
from engine.status.finding_texts import advice_for, metadata_advice, tried_of
from engine.status.views import FindingView
from tests.unit.maintenance.small_pool import SmallPool, pattern, small_pool

DATA = pattern(300_001)


@pytest.fixture
def pool(tmp_path: Path) -> Iterator[SmallPool]:
    with small_pool(tmp_path, 6) as small:
        yield small


def rot(pool: SmallPool, record: ExtentRecord, *indexes: int) -> None:
    for index in indexes:
        pool.extents.flip(record, index, -1)


def views(pool: SmallPool) -> tuple[FindingView, ...]:
    return scrub_view(pool.scrub.progress(), {DiskId(n): f"d{n}" for n in range(1, 7)}).findings


def outcomes(pool: SmallPool) -> list[str]:
    return [one.outcome for one in views(pool)]


def finish(pool: SmallPool) -> None:
    """Let the scrub that runs come to its end, reconcile working beside it."""
    for _ in range(2000):
        pool.reconcile.step()
        if not pool.scrub.step():
            pool.clock.advance(1.0)
        if not pool.scrub.progress().running:
            return
    raise AssertionError("the scrub does not end")


def test_without_repair_nothing_becomes_of_a_finding_and_repair_is_advised(
    pool: SmallPool,
) -> None:
    record = pool.write_file("a", DATA)
    rot(pool, record, 2)

    pool.scrub_all()

    (finding,) = views(pool)
    assert (finding.outcome, finding.kind, finding.path) == ("", "fragment", "/a")
    assert finding.tried == "5 of 6 fragments are intact, 4 are needed"
    assert finding.cause == "its bytes are not those that were written"
    assert finding.name == f"fragments/0/{record.extent_id}.{record.fragments[2].layout}.2"
    assert "--repair" in finding.advice
    assert finding.found_ns == pool.scrub.progress().started_ns

    pool.reconcile.look_anew()
    pool.reconcile_all()  # It holds the extent, too: for leave to mend it.
    pool.scrub_all()

    (finding,) = views(pool)
    assert (finding.outcome, "--repair" in finding.advice) == ("", True)


def test_with_repair_a_finding_is_queued_and_then_repaired(pool: SmallPool) -> None:
    record = pool.write_file("a", DATA)
    rot(pool, record, 2)
    pool.scrub.start(repair=True)

    while not pool.scrub.progress().findings:
        pool.scrub.step()
    assert outcomes(pool) == ["queued"]
    finish(pool)

    assert outcomes(pool) == ["repaired"]
    assert views(pool)[0].advice == ""
    assert pool.scrub.progress().repaired == 1


def test_what_cannot_be_repaired_now_is_pending_with_its_reason(pool: SmallPool) -> None:
    record = pool.write_file("a", DATA)
    rot(pool, record, 2)
    # Its own disk takes nothing, and all others have a fragment already.
    pool.disks.states[record.fragments[2].disk_id] = DiskState.DEGRADED

    pool.scrub_all(repair=True)

    (finding,) = views(pool)
    held = [item.reason for item in pool.reconcile.progress().items]
    assert finding.outcome == f"pending: {held[0]}"
    assert finding.advice


def test_a_finding_is_followed_after_the_end_of_its_scrub(pool: SmallPool) -> None:
    record = pool.write_file("a", DATA)
    rot(pool, record, 2)
    disk_id = record.fragments[2].disk_id
    pool.disks.states[disk_id] = DiskState.DEGRADED
    pool.scrub_all(repair=True)

    pool.commit()
    pool.disks.states[disk_id] = DiskState.HEALTHY
    for _ in range(20):
        pool.reconcile_all()
        pool.clock.advance(1)
        pool.scrub.step()

    assert outcomes(pool) == ["repaired"]


def test_more_losses_than_the_code_bears_are_irrecoverable(pool: SmallPool) -> None:
    record = pool.write_file("precious", DATA)
    rot(pool, record, 0, 2, 5)

    pool.scrub_all(repair=True)

    assert outcomes(pool) == ["irrecoverable"] * 3
    assert "restore /precious" in views(pool)[0].advice
    assert views(pool)[0].tried == "3 of 6 fragments are intact, 4 are needed"


def test_what_only_missing_disks_can_mend_waits_for_them(pool: SmallPool) -> None:
    record = pool.write_file("a", DATA)
    rot(pool, record, 0)
    pool.lose(*(ref.disk_id for ref in record.fragments[3:5]))

    pool.scrub_all()

    (finding,) = views(pool)
    assert finding.outcome == "pending: 2 of its fragments are on disks that do not answer"
    assert finding.advice == "bring back the disks that do not answer"


def test_a_file_that_is_deleted_takes_its_finding_with_it(pool: SmallPool) -> None:
    record = pool.write_file("a", DATA)
    rot(pool, record, 2)
    pool.scrub_all()

    pool.unlink(record.extent_id)
    pool.acknowledge()
    pool.collect_all()
    pool.clock.advance(6)
    pool.scrub.step()

    assert outcomes(pool) == ["gone"]


def test_a_repair_that_a_restart_interrupts_is_asked_for_again(pool: SmallPool) -> None:
    record = pool.write_file("a", DATA)
    rot(pool, record, 2)
    pool.scrub.start(repair=True)
    while not pool.scrub.progress().findings:
        pool.scrub.step()
    pool.clock.advance(6)
    pool.scrub.step()
    pool.commit()

    pool.scrub.records.close()
    pool.start_maintenance()
    finish(pool)

    assert outcomes(pool) == ["repaired"]
    assert pool.scrub.progress().repaired == 1
    assert pool.read(pool.record(record.extent_id)) == DATA


def test_files_are_searched_for_once_not_with_every_step(
    pool: SmallPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    orphaned = [pool.write_file(f"f{number}", DATA) for number in range(12)]
    for record in orphaned:
        rot(pool, record, 1)
        pool.store.connection.execute(
            "DELETE FROM dentry WHERE inode = (SELECT id FROM inode WHERE map = ?)",
            (pool.map_of(record.extent_id),),
        )
    pool.commit()
    asked: list[int] = []
    find = pool.scrub._findings._paths.find

    def count(extents: list[ExtentId]) -> dict[ExtentId, str]:
        asked.append(len(list(extents)))
        return find(extents)

    monkeypatch.setattr(pool.scrub._findings._paths, "find", count)
    pool.scrub_all()

    # No file has a name, so no search finds one: yet each extent is asked for once.
    assert sum(asked) == 12
    assert len(asked) <= 3


def test_each_finding_gets_its_file_however_many_there_are(
    pool: SmallPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.maintenance.scrub_findings.EXTENTS_MAX", 4)
    for number in range(10):
        rot(pool, pool.write_file(f"f{number}", DATA), 1)

    pool.scrub_all()

    assert sorted(one.path for one in views(pool)) == [f"/f{number}" for number in range(10)]


def test_findings_are_bounded(pool: SmallPool) -> None:
    record = pool.write_file("a", DATA)
    findings = pool.scrub._findings
    verdicts = dict.fromkeys(range(6), Verdict.CORRUPT)

    for _ in range(FINDINGS_MAX // 600 + 2):
        findings.add(record, verdicts, list(verdicts) * 100, repair=False)

    assert len(findings.fragments) == FINDINGS_MAX


@pytest.mark.parametrize("outcome", list(Outcome))
def test_every_outcome_has_advice_unless_nothing_is_left_to_do(outcome: Outcome) -> None:
    finding = Finding(
        extent_id=ExtentId(7), index=0, disk_id=DiskId(1), verdict=Verdict.CORRUPT, outcome=outcome
    )

    assert bool(advice_for(finding)) is not outcome.is_settled
    for kind in MetadataKind:
        of_metadata = MetadataFinding(disk="d1", kind=kind, name="x", cause="y", outcome=outcome)
        assert bool(metadata_advice(of_metadata)) is not outcome.is_settled


def test_disks_that_do_not_answer_are_told_apart_from_lost_copies() -> None:
    finding = Finding(
        extent_id=ExtentId(7), index=0, disk_id=DiskId(1), verdict=Verdict.MISSING,
        intact=3, unreachable=2, needed=4, width=6,
    )  # fmt: skip

    assert tried_of(finding) == (
        "3 of 6 fragments are intact, 2 on disks that do not answer, 4 are needed"
    )
