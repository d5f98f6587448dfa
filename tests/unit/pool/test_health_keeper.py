"""The health keeper over disks that fail: states come by themselves and are kept."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from engine.device.faulty import FailWith, Fault
from engine.errors import DeviceDeniedError, DeviceFailedError
from engine.extents.verdict import Verdict
from engine.format.label import decode_label, encode_label
from engine.ids import ROOT_INODE, DiskId, Epoch, ExtentId
from engine.metadata.members import count_fragments
from engine.model.disk import DiskState
from engine.observe.error_window import ErrorKind
from engine.vfs.interface import Caller, OpenMode
from tests.unit.pool.watched_engine import DWELL_S, QUIET_S, WatchedEngine

BROKEN = Fault(action=FailWith(error=DeviceFailedError("Input/output error")), method="get")
DEAD = Fault(action=FailWith(error=DeviceFailedError("Input/output error")))
READ_ONLY = Fault(action=FailWith(error=DeviceDeniedError("Read-only file system")), method="get")
DATA = bytes(range(256)) * 40_000


@pytest.fixture
def pool(tmp_path: Path) -> Iterator[WatchedEngine]:
    made = WatchedEngine(tmp_path)
    yield made
    for device in made.faulty.values():
        device.clear_faults()
    made.close()


def write(pool: WatchedEngine, name: bytes = b"f", data: bytes = DATA) -> None:
    """Make a file of full extents, on the disks."""
    fs = pool.filesystem
    attributes, opened = fs.create(ROOT_INODE, name, 0o644, OpenMode.WRITE, Caller(0, 0))
    fs.write(opened.handle, 0, data)
    fs.release(opened.handle)
    fs.sync_file(attributes.inode.inode_id)


def fragments_on(pool: WatchedEngine, number: int) -> int:
    store = pool.engine.base.store
    with store.lock:
        return count_fragments(store.connection, DiskId(number))


# By themselves


def test_a_disk_with_io_errors_gets_worse_by_itself_and_recovers_when_quiet(
    pool: WatchedEngine,
) -> None:
    pool.fail_calls(2, BROKEN, 5)
    pool.pass_time(2)
    assert pool.state(2) is DiskState.DEGRADED

    pool.fail_calls(2, BROKEN, 15)
    pool.pass_time(DWELL_S)
    assert pool.state(2) is DiskState.SUSPECT
    assert "d2 is suspect: I/O errors: 20 in 10 minutes" in pool.said()

    pool.pass_time(QUIET_S)  # It is tested here, and passes.
    pool.pass_time(2)
    assert pool.state(2) is DiskState.HEALTHY
    assert pool.said()[-1] == "d2 is healthy again: no errors for 15 minutes"


def test_nothing_happens_to_a_disk_with_few_errors(pool: WatchedEngine) -> None:
    pool.fail_calls(2, BROKEN, 4)
    pool.pass_time(DWELL_S)

    assert pool.state(2) is DiskState.HEALTHY
    assert not any("d2" in text for text in pool.said())


def test_a_disk_that_refuses_changes_is_suspect_and_others_carry_the_journals(
    pool: WatchedEngine,
) -> None:
    pool.fail_calls(1, READ_ONLY, 1)
    pool.pass_time(2)

    assert pool.state(1) is DiskState.SUSPECT
    assert pool.uuid(1) not in pool.engine.base.store.template.journal_set


def test_a_dead_disk_is_failed_after_three_tests_when_the_data_bears_it(
    pool: WatchedEngine,
) -> None:
    write(pool)
    pool.fail_calls(3, BROKEN, 20)
    pool.pass_time(2)
    assert pool.state(3) is DiskState.SUSPECT
    pool.faulty[3].add_fault(DEAD)

    for _ in range(3):
        assert pool.state(3) is DiskState.SUSPECT
        pool.pass_time(61)

    assert pool.state(3) is DiskState.FAILED
    pool.faulty[3].clear_faults()
    pool.pass_time(10 * QUIET_S)
    assert pool.state(3) is DiskState.FAILED, "only the operator takes a failed disk back"


def test_a_dead_disk_that_the_data_needs_stays_suspect_and_it_is_said_once(
    pool: WatchedEngine,
) -> None:
    pool.may_fail = 0
    pool.fail_calls(3, BROKEN, 20)
    pool.pass_time(2)
    pool.faulty[3].add_fault(DEAD)

    for _ in range(5):
        pool.pass_time(61)

    assert pool.state(3) is DiskState.SUSPECT
    said = [text for text in pool.said() if "would lose data" in text]
    assert len(said) == 1
    assert said[0].startswith("d3: it would be failed")


def test_disks_are_not_taken_from_writing_below_what_the_tolerance_needs(
    pool: WatchedEngine,
) -> None:
    for number in range(1, 7):
        pool.fail_calls(number, BROKEN, 5)
    pool.pass_time(2)

    states = [pool.state(number) for number in range(1, 7)]

    assert states.count(DiskState.HEALTHY) == 3, "2+2 is written to three disks at least"
    write(pool)


def test_new_data_passes_over_a_disk_that_became_degraded(pool: WatchedEngine) -> None:
    pool.fail_calls(2, BROKEN, 5)
    pool.pass_time(2)

    write(pool)

    assert fragments_on(pool, 2) == 0


def test_a_disk_that_hangs_is_suspect_at_once_and_failed_when_it_stays_so(
    pool: WatchedEngine,
) -> None:
    gate = threading.Event()
    pool.hang_call(2, gate)
    assert pool.state(2) is DiskState.SUSPECT, "placement must not wait for a keeper"

    pool.pass_time(2)
    assert pool.disk(2).committed is DiskState.SUSPECT
    pool.pass_time(500)
    assert pool.state(2) is DiskState.SUSPECT
    pool.pass_time(100)
    gate.set()

    assert pool.state(2) is DiskState.FAILED
    assert pool.said()[-1].startswith("d2 is failed: a call has been stuck for 60")


def test_a_disk_much_slower_than_its_siblings_is_degraded_until_it_keeps_up(
    pool: WatchedEngine,
) -> None:
    disks = pool.engine.base.disks
    for number in range(1, 7):
        for _ in range(64):
            disks.meter(DiskId(number)).note_call(2.0 if number == 4 else 0.2)
    pool.pass_time(2)
    assert [pool.state(number) for number in range(1, 7)].count(DiskState.HEALTHY) == 5
    assert pool.state(4) is DiskState.DEGRADED
    assert pool.disk(4).marks.cause == "slow: p99 2 s, its siblings 0.2 s"

    pool.pass_time(QUIET_S)

    assert pool.state(4) is DiskState.HEALTHY


def test_a_drive_that_predicts_its_failure_is_suspect(pool: WatchedEngine) -> None:
    answer = '{"smart_status": {"passed": false}, "temperature": {"current": 61}}'
    pool.smartctl.write_text(
        f"#!/bin/sh\ntest $4 = /dev/3 && echo '{answer}' || echo '{{}}'\n", "utf-8"
    )
    pool.smartctl.chmod(0o755)
    pool.pass_time(2)
    pool.smart.wait(20.0)

    pool.pass_time(2)

    assert pool.state(3) is DiskState.SUSPECT
    assert pool.disk(3).marks.cause == "SMART: the drive predicts its failure"
    assert [pool.state(number) for number in (1, 2, 4, 5, 6)] == [DiskState.HEALTHY] * 5


# The operator


def test_the_operators_state_is_not_lifted(pool: WatchedEngine) -> None:
    for state in (DiskState.DEGRADED, DiskState.SUSPECT, DiskState.DRAINING, DiskState.FAILED):
        pool.membership.set_state(pool.disk(4).record, state)
        for _ in range(3):
            pool.pass_time(QUIET_S)
        assert pool.state(4) is state


def test_a_disk_that_got_worse_comes_back_to_what_the_operator_wished(
    pool: WatchedEngine,
) -> None:
    pool.membership.set_state(pool.disk(4).record, DiskState.DEGRADED)
    pool.clock.advance(DWELL_S)
    pool.fail_calls(4, BROKEN, 20)
    pool.pass_time(2)
    assert pool.state(4) is DiskState.SUSPECT

    for _ in range(3):
        pool.pass_time(QUIET_S)

    assert pool.state(4) is DiskState.DEGRADED


def test_errors_of_before_do_not_count_against_a_disk_the_operator_took_back(
    pool: WatchedEngine,
) -> None:
    pool.fail_calls(4, BROKEN, 20)
    pool.pass_time(2)

    pool.membership.set_state(pool.disk(4).record, DiskState.HEALTHY)
    pool.pass_time(DWELL_S)

    assert pool.state(4) is DiskState.HEALTHY


# Return


def test_a_disk_that_returns_is_suspect_until_it_passed_its_test(pool: WatchedEngine) -> None:
    write(pool)
    pool.vanish(5)
    pool.return_disk(5)

    assert pool.state(5) is DiskState.SUSPECT
    assert "being tested" in pool.disk(5).reason
    assert pool.health.wake.is_set()
    pool.health.turn()

    assert pool.state(5) is DiskState.HEALTHY
    held = fragments_on(pool, 5)
    assert f"d5 passed its test: label, roots, {held} fragments" in pool.said()


def test_a_disk_whose_fragments_are_rotten_does_not_pass(pool: WatchedEngine) -> None:
    write(pool)
    pool.vanish(5)
    files = pool.devices[pool.uuid(5)]._durable
    for name, file in list(files.items()):
        if name.startswith("fragments/"):
            files[name] = replace(file, data=bytes(len(file.data)))
    pool.return_disk(5)

    pool.health.turn()

    assert pool.state(5) is DiskState.SUSPECT
    assert any("d5 did not pass its test" in text for text in pool.said())
    assert "fragments looked at are bad" in pool.health.problem(DiskId(5))


def test_one_fragment_that_cannot_be_read_is_damage_and_no_reason_to_distrust_the_disk(
    pool: WatchedEngine,
) -> None:
    write(pool, data=DATA * 4)
    pool.vanish(5)
    pool.return_disk(5)
    name = max(one for one in pool.devices[pool.uuid(5)]._files if one.startswith("fragments/"))
    pool.faulty[5].add_fault(replace(BROKEN, name_part=name))

    pool.health.turn()

    assert pool.state(5) is DiskState.HEALTHY
    assert any("passed its test" in text and "1 of them damaged" in text for text in pool.said())
    assert pool.engine.base.disks.meter(DiskId(5)).total(ErrorKind.CHECKSUM) == 1


def test_a_disk_that_was_opened_elsewhere_meanwhile_does_not_pass(pool: WatchedEngine) -> None:
    pool.vanish(5)
    device = pool.devices[pool.uuid(5)]
    device.come_back()
    device.lose_power()
    label = decode_label(device.get_label())
    device.set_label(encode_label(replace(label, epoch=Epoch(99))))
    pool.return_disk(5)

    pool.health.turn()

    assert pool.state(5) is DiskState.SUSPECT
    assert "opened elsewhere" in pool.health.problem(DiskId(5))


def test_a_disk_that_failed_its_test_passes_a_later_one(pool: WatchedEngine) -> None:
    pool.vanish(5)
    pool.return_disk(5)
    pool.faulty[5].add_fault(DEAD)
    pool.health.turn()
    assert pool.state(5) is DiskState.SUSPECT
    pool.faulty[5].clear_faults()

    for _ in range(3):
        pool.pass_time(QUIET_S)

    assert pool.state(5) is DiskState.HEALTHY
    assert pool.health.problem(DiskId(5)) == ""


# What is kept


def test_counters_and_states_are_there_after_a_restart(pool: WatchedEngine) -> None:
    pool.fail_calls(2, BROKEN, 20)
    pool.engine.base.disks.report_corruption(ExtentId(7), 0, DiskId(2), Verdict.CORRUPT)
    pool.pass_time(2)
    since_ns = pool.disk(2).marks.since_ns
    pool.health.close()

    pool.remount()

    meter = pool.engine.base.disks.meter(DiskId(2))
    assert [count for _, count in sorted(meter.kept()[0])] == [1, 20]
    assert meter.quiet_s() < 20
    assert pool.state(2) is DiskState.SUSPECT
    assert pool.disk(2).marks.since_ns == since_ns != 0
    assert pool.disk(2).marks.cause == "I/O errors: 20 in 10 minutes"


def test_a_state_that_came_by_itself_survives_the_loss_of_the_pool_directory(
    pool: WatchedEngine,
) -> None:
    pool.fail_calls(2, BROKEN, 20)
    pool.pass_time(2)

    pool.crash()

    assert pool.state(2) is DiskState.SUSPECT
    assert pool.disk(2).marks.wished is DiskState.HEALTHY
