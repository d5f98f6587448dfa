"""Profiles, order, and two things no test may leave behind: warnings and mounts."""

from __future__ import annotations

import logging
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, settings

_CALM = (HealthCheck.too_slow, HealthCheck.data_too_large)
settings.register_profile("dev", max_examples=40, deadline=None, suppress_health_check=_CALM)
settings.register_profile(
    "ci",
    max_examples=40,
    stateful_step_count=40,
    deadline=None,
    derandomize=True,
    database=None,
    print_blob=True,
    suppress_health_check=_CALM,
)
settings.register_profile(
    "soak", max_examples=3000, stateful_step_count=100, deadline=None, suppress_health_check=_CALM
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "dev"))

FOLDERS = (
    *("repo", "unit", "format", "contracts", "model", "rot", "errors", "histories"),
    *("fuse", "console", "posix", "crash", "e2e"),
)
"""Cheap and low folders run first, so that the first failure names the cause.

Several workers take the dear ones first, so that none is left alone with one at the end.
"""

MOUNTINFO = Path("/proc/self/mountinfo")
RUN_VARIABLE = "DYNAMICFS_TEST_RUN"
# Whatever a test starts inherits it, and so do the workers of a run.
OUR_MARK = f"{RUN_VARIABLE}={os.environ.setdefault(RUN_VARIABLE, uuid4().hex)}".encode()
"""What tells the processes of this run from those of others on the machine."""

OUR_LOGGERS = ("engine", "fusebridge", "dynamicfs_tui")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Order the folders; inside one the order of the files stays."""
    root = Path(__file__).parent

    def rank(item: pytest.Item) -> int:
        folder = item.path.relative_to(root).parts[0] if item.path.is_relative_to(root) else ""
        return FOLDERS.index(folder) if folder in FOLDERS else len(FOLDERS)

    items.sort(key=rank, reverse="PYTEST_XDIST_WORKER" in os.environ)


class ExpectedWarnings:
    """What a test announces it will make our code warn of.

    Call it with regular expressions; a warning that one of them finds is fine.
    """

    def __init__(self) -> None:
        self._patterns: list[re.Pattern[str]] = []

    def __call__(self, *patterns: str) -> None:
        self._patterns.extend(re.compile(pattern) for pattern in patterns)

    def covers(self, text: str) -> bool:
        """Tell whether *text* was announced."""
        return any(pattern.search(text) for pattern in self._patterns)


class _WarningCollector(logging.Handler):
    """Keeps the records of one test, whichever thread logs them."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)


@pytest.fixture
def expected_warnings() -> ExpectedWarnings:
    """Announce warnings: ``expected_warnings("disk .* is gone")``."""
    return ExpectedWarnings()


@pytest.fixture(autouse=True)
def _no_unannounced_warnings(expected_warnings: ExpectedWarnings) -> Iterator[None]:
    """Fail a test in which our code logs a warning that nobody announced."""
    collector = _WarningCollector()
    for name in OUR_LOGGERS:
        logging.getLogger(name).addHandler(collector)
    try:
        yield
    finally:
        for name in OUR_LOGGERS:
            logging.getLogger(name).removeHandler(collector)
    surprising = [
        f"{record.name}: {record.getMessage()}"
        for record in collector.records
        if not expected_warnings.covers(record.getMessage())
    ]
    assert not surprising, "unannounced warnings:\n" + "\n".join(surprising)


def dynamicfs_mounts(table: str) -> set[str]:
    """Return the mount points of our kind in *table*, the text of mountinfo.

    A line of it is: ids, device, root, mount point, options, tags, ``-``,
    type, source, super options (proc(5)).
    """
    found: set[str] = set()
    for line in table.splitlines():
        place, _, kind = line.partition(" - ")
        if kind.startswith("fuse") and "dynamicfs" in " ".join(kind.split()[:2]):
            found.add(place.split()[4])
    return found


def _belongs_to_another_run(mountpoint: str, basetemp: Path) -> bool:
    """Tell whether somebody else made it: it lies in another run's directory, or is served there.

    What nobody serves any more is ours, wherever it is: better one too many.
    """
    match = re.match(r".*/pytest-of-[^/]+/pytest-\d+(?=/|$)", mountpoint)
    if match is not None:
        return not basetemp.is_relative_to(match.group())
    return is_served_by_others(mountpoint)


def is_served_by_others(mountpoint: str) -> bool:
    """Tell whether a process that this run did not start serves *mountpoint*.

    That, or the folder it is in, is on the command line of whoever serves it.
    """
    places = {os.fsencode(place) for place in (mountpoint, os.path.dirname(mountpoint))}
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes().split(b"\0")
            if places.isdisjoint(words):
                continue
            if OUR_MARK not in (process / "environ").read_bytes().split(b"\0"):
                return True
        except (FileNotFoundError, ProcessLookupError):
            continue  # It ended meanwhile.
        except PermissionError:
            return True  # Another user's.
    return False


def _left_mounted(before: set[str], basetemp: Path) -> list[str]:
    """Return what was mounted since *before*, and not by a concurrent pytest."""
    now = dynamicfs_mounts(MOUNTINFO.read_text())
    return [one for one in sorted(now - before) if not _belongs_to_another_run(one, basetemp)]


@pytest.fixture(scope="session", autouse=True)
def _no_mount_is_left(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Fail the run when it leaves a file system mounted.

    One of several workers looks in its own directory; at the end of all of
    them ``pytest_sessionfinish`` looks everywhere.
    """
    before = dynamicfs_mounts(MOUNTINFO.read_text())
    yield
    basetemp = tmp_path_factory.getbasetemp()
    left = _left_mounted(before, basetemp)
    if "PYTEST_XDIST_WORKER" in os.environ:
        left = [one for one in left if Path(one).is_relative_to(basetemp)]
    assert not left, f"still mounted after the tests: {', '.join(left)}"


MOUNTS_BEFORE = pytest.StashKey[set[str]]()


def pytest_sessionstart(session: pytest.Session) -> None:
    """Note what is mounted before any worker begins."""
    session.config.stash[MOUNTS_BEFORE] = dynamicfs_mounts(MOUNTINFO.read_text())


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail a run of several workers when they leave a file system mounted."""
    config = session.config
    if "PYTEST_XDIST_WORKER" in os.environ or not config.getoption("numprocesses", None):
        return
    # What lies in a directory of pytest's was judged by the worker it belongs to.
    left = _left_mounted(config.stash[MOUNTS_BEFORE], Path("/"))
    if left:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
        print(f"still mounted after the tests: {', '.join(left)}", file=sys.stderr)
