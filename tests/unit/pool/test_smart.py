"""SMART: what answers mean, whom to ask, and that nobody waits for an answer."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.clock import ManualClock
from engine.policy.health import SmartVerdict
from engine.pool.smart import SMART_EVERY_S, SmartReport, SmartWatch, drive_of, parse_smart

# Cut down from what smartctl 7.3 prints for a SATA disk and an NVMe drive.
ATA = {
    "json_format_version": [1, 0],
    "smartctl": {"version": [7, 3], "exit_status": 0},
    "device": {"name": "/dev/sda", "type": "sat", "protocol": "ATA"},
    "smart_status": {"passed": True},
    "ata_smart_attributes": {
        "revision": 16,
        "table": [
            {"id": 5, "name": "Reallocated_Sector_Ct", "value": 100, "when_failed": ""},
            {"id": 194, "name": "Temperature_Celsius", "value": 31, "when_failed": "past"},
        ],
    },
    "temperature": {"current": 31},
}
NVME = {
    "device": {"name": "/dev/nvme0", "type": "nvme", "protocol": "NVMe"},
    "smart_status": {"passed": True, "nvme": {"value": 0}},
    "nvme_smart_health_information_log": {"critical_warning": 0, "temperature": 44},
    "temperature": {"current": 44},
}
PRINTER = """#!/bin/sh
echo "$@" >> {folder}/asked
cat {folder}/answer
exit 64
"""


def failing_now() -> dict[str, object]:
    table = [{"id": 5, "name": "Reallocated_Sector_Ct", "value": 1, "when_failed": "now"}]
    return {**ATA, "ata_smart_attributes": {"table": table}}


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (ATA, SmartReport(SmartVerdict.PASSED, "passed", 31)),
        (NVME, SmartReport(SmartVerdict.PASSED, "passed", 44)),
        (
            failing_now(),
            SmartReport(SmartVerdict.WARNING, "passed, failing: Reallocated_Sector_Ct", 31),
        ),
        (
            {**failing_now(), "smart_status": {"passed": False}},
            SmartReport(SmartVerdict.FAILED, "failed: Reallocated_Sector_Ct", 31),
        ),
        (
            {"smart_status": {"passed": False}},
            SmartReport(SmartVerdict.FAILED, "failed: the drive predicts its failure", None),
        ),
        (
            {**NVME, "nvme_smart_health_information_log": {"critical_warning": 4}},
            SmartReport(SmartVerdict.WARNING, "passed, failing: critical warning 0x04", 44),
        ),
        ({"smartctl": {"messages": [{"string": "Unable to detect device"}]}}, SmartReport()),
        ({"temperature": {"current": 20}}, SmartReport(temperature_c=20)),
    ],
)
def test_an_answer_is_read_as_the_drive_means_it(
    answer: dict[str, object], expected: SmartReport
) -> None:
    assert parse_smart(json.dumps(answer)) == expected


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["smart_status", "passed", "temperature", "current", "table",
                 "ata_smart_attributes", "nvme_smart_health_information_log", "when_failed"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)  # fmt: skip


@given(JSON.map(json.dumps) | st.text())
def test_no_answer_whatever_is_more_than_unknown_or_understood(answer: str) -> None:
    report = parse_smart(answer)

    assert (report.text == "") == (report.verdict is SmartVerdict.UNKNOWN)


def test_the_drive_of_a_partition_is_asked(tmp_path: Path) -> None:
    number = tmp_path.stat().st_dev
    devices = tmp_path / "devices" / "sda" / "sda1"
    devices.mkdir(parents=True)
    (devices / "partition").write_text("1\n")
    blocks = tmp_path / "block"
    blocks.mkdir()
    (blocks / f"{number >> 8 & 0xFFF}:{number & 0xFF}").symlink_to(devices)

    assert drive_of(str(tmp_path), blocks) == "/dev/sda"
    (devices / "partition").unlink()
    assert drive_of(str(tmp_path), blocks) == "/dev/sda1"
    assert drive_of("/proc", blocks) == ""


@pytest.fixture
def smartctl(tmp_path: Path) -> Path:
    """A program that prints what it is told to, notes how it was called, and complains."""
    command = tmp_path / "smartctl"
    command.write_text(PRINTER.format(folder=tmp_path))
    command.chmod(command.stat().st_mode | stat.S_IXUSR)
    (tmp_path / "answer").write_text(json.dumps(ATA))
    (tmp_path / "asked").touch()
    return command


def test_each_drive_is_asked_once_in_ten_minutes(tmp_path: Path, smartctl: Path) -> None:
    clock = ManualClock()
    drives = {"/d/1": "/dev/sda", "/d/2": "/dev/sda", "/d/3": "/dev/sdb", "/d/4": ""}
    watch = SmartWatch(clock, command=str(smartctl), drive_of=drives.__getitem__)
    present = dict.fromkeys(drives, True) | {"/d/gone": False}

    for _ in range(3):
        watch.look(present)
        watch.wait(20.0)
        clock.advance(SMART_EVERY_S / 3 + 1)

    asked = (tmp_path / "asked").read_text().splitlines()
    assert asked == ["--json=c -H -A /dev/sda", "--json=c -H -A /dev/sdb"]
    assert watch.report("/d/2") == SmartReport(SmartVerdict.PASSED, "passed", 31)
    assert watch.report("/d/4") == watch.report("/d/gone") == SmartReport()
    (tmp_path / "answer").write_text(json.dumps({"smart_status": {"passed": False}}))
    watch.look(present)
    watch.wait(20.0)
    assert watch.report("/d/1").verdict is SmartVerdict.FAILED


def test_a_program_that_cannot_be_run_says_nothing(tmp_path: Path) -> None:
    watch = SmartWatch(
        ManualClock(), command=str(tmp_path / "none"), drive_of=lambda _path: "/dev/sda"
    )

    watch.look({"/d/1": True})
    watch.wait(20.0)

    assert watch.report("/d/1") == SmartReport()
