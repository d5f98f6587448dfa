"""What drives say of themselves, through ``smartctl`` where it is installed.

Asked rarely, in a thread of its own and with a limit: a drive that is busy
dying can take its time. Nothing waits for the answer.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from engine.clock import Clock
from engine.policy.health import SmartVerdict

SMART_EVERY_S: Final = 600.0
"""Between two questions to a drive."""

SMART_S_MAX: Final = 20.0
"""How long one answer may take."""

_SMARTCTL: Final = "smartctl"
_SYS_BLOCK: Final = Path("/sys/dev/block")


@dataclass(frozen=True, slots=True)
class SmartReport:
    """A drive's answer. ``text`` is empty when there was none."""

    verdict: SmartVerdict = SmartVerdict.UNKNOWN
    text: str = ""
    temperature_c: int | None = None


def parse_smart(answer: str) -> SmartReport:
    """Return what the output of ``smartctl --json=c -H -A`` says; unknown when it is none.

    >>> parse_smart('{"smart_status": {"passed": true}, "temperature": {"current": 31}}')
    SmartReport(verdict=<SmartVerdict.PASSED: 'passed'>, text='passed', temperature_c=31)
    """
    try:
        document = json.loads(answer)
    except ValueError:
        return SmartReport()
    passed = _at(document, "smart_status", "passed")
    celsius = _at(document, "temperature", "current")
    temperature_c = celsius if type(celsius) is int else None
    if type(passed) is not bool:
        return SmartReport(temperature_c=temperature_c)
    failing = _failing_attributes(document)
    if not passed:
        why = ", ".join(failing) or "the drive predicts its failure"
        return SmartReport(SmartVerdict.FAILED, f"failed: {why}", temperature_c)
    if failing:
        return SmartReport(
            SmartVerdict.WARNING, f"passed, failing: {', '.join(failing)}", temperature_c
        )
    return SmartReport(SmartVerdict.PASSED, "passed", temperature_c)


def _at(value: object, *names: str) -> object:
    """Return what is found along *names* in nested objects, None when it is not there."""
    for name in names:
        if not isinstance(value, dict):
            return None
        value = value.get(name)
    return value


def _failing_attributes(document: object) -> list[str]:
    """Return names of attributes below their threshold now: ATA's table, NVMe's warning."""
    table = _at(document, "ata_smart_attributes", "table")
    failing = [
        str(_at(row, "name"))
        for row in (table if isinstance(table, list) else [])
        if _at(row, "when_failed") == "now"
    ]
    warning = _at(document, "nvme_smart_health_information_log", "critical_warning")
    if type(warning) is int and warning:
        failing.append(f"critical warning {warning:#04x}")
    return failing


def drive_of(path: str, sys_block: Path = _SYS_BLOCK) -> str:
    """Return the drive (``/dev/sda``) that the directory *path* lies on; empty if none.

    A partition leads to its drive; what no block device holds (network, memory)
    has none. A directory that is gone raises OSError.
    """
    number = os.stat(path).st_dev
    node = sys_block / f"{os.major(number)}:{os.minor(number)}"
    if not node.exists():
        return ""
    real = node.resolve()
    drive = real.parent if (real / "partition").exists() else real
    return f"/dev/{drive.name}"


class SmartWatch:
    """Asks drives now and then. Thread-safe; ``report`` never waits."""

    def __init__(
        self,
        clock: Clock,
        *,
        command: str | None = None,
        drive_of: Callable[[str], str] = drive_of,
    ) -> None:
        """*command* is smartctl's path; None looks it up, and asks nothing without it."""
        self._clock: Final = clock
        self._command: Final = command or shutil.which(_SMARTCTL)
        self._drive_of: Final = drive_of
        self._lock: Final = threading.Lock()
        self._reports: dict[str, SmartReport] = {}
        self._asked_s: dict[str, float] = {}
        self._thread: threading.Thread | None = None

    def report(self, path: str) -> SmartReport:
        """Return the newest answer of the drive below *path*."""
        return self._reports.get(path, SmartReport())

    def look(self, paths: Mapping[str, bool]) -> None:
        """Ask the drives below the directories *paths* (path to whether it is there) when due.

        Returns at once. One round at a time: while one hangs, no other begins.
        """
        now_s = self._clock.monotonic_s()
        with self._lock:
            if self._command is None or (self._thread is not None and self._thread.is_alive()):
                return
            due = [
                path
                for path, present in paths.items()
                if present and now_s - self._asked_s.get(path, -SMART_EVERY_S) >= SMART_EVERY_S
            ]
            if not due:
                return
            self._asked_s.update(dict.fromkeys(due, now_s))
            self._reports = {path: one for path, one in self._reports.items() if path in paths}
            self._thread = threading.Thread(
                target=self._ask_all, args=(self._command, due), name="smart", daemon=True
            )
            self._thread.start()

    def wait(self, timeout_s: float) -> None:
        """Wait until the round under way has ended, at most *timeout_s*."""
        thread = self._thread
        if thread is not None:
            thread.join(timeout_s)

    def _ask_all(self, command: str, paths: list[str]) -> None:
        answers: dict[str, SmartReport] = {}
        for path in paths:
            try:
                drive = self._drive_of(path)
            except OSError:
                continue
            if drive and drive not in answers:
                answers[drive] = _ask(command, drive)
            if drive:
                self._reports = {**self._reports, path: answers[drive]}


def _ask(command: str, drive: str) -> SmartReport:
    """Run smartctl. Its exit code tells of the drive, not of the answer, so it is not looked at."""
    try:
        done = subprocess.run(
            [command, "--json=c", "-H", "-A", drive],
            capture_output=True,
            timeout=SMART_S_MAX,
            stdin=subprocess.DEVNULL,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return SmartReport()
    return parse_smart(done.stdout.decode("utf-8", "replace"))
