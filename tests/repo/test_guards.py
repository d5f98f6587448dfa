"""The guards in ``tests/conftest.py`` and ``pyproject.toml`` do go off."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import RUN_VARIABLE, dynamicfs_mounts, is_served_by_others
from tests.repo.sources import ROOT

SUITE = """
import logging, threading, pytest

def warn():
    logging.getLogger("engine.device").warning("disk %s is gone", 3)

def in_a_thread(work):
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()

def test_unannounced():
    warn()

def test_unannounced_in_a_thread():
    in_a_thread(warn)

def test_another_one_announced(expected_warnings):
    expected_warnings("disk . is late")
    warn()

def test_a_dying_thread():
    in_a_thread(lambda: 1 / 0)

def test_announced(expected_warnings):
    expected_warnings("disk . is late", "disk . is gone")
    warn()

def test_no_warning():
    logging.getLogger("engine").info("all is well")
    logging.getLogger("elsewhere").warning("not ours")

@pytest.mark.soak
def test_soak():
    pass
"""


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Run SUITE in a pytest of its own, with our conftest as a plugin; outcome by name."""
    file = tmp_path_factory.mktemp("inner") / "test_inner.py"
    file.write_text(SUITE)
    arguments = ["-rA", "-p", "tests.conftest", "-p", "no:cacheprovider", "--rootdir", str(ROOT)]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *arguments, "-c", str(ROOT / "pyproject.toml"), str(file)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    found = re.findall(r"^(PASSED|FAILED|ERROR) \S*::test_(\w+)", done.stdout, re.MULTILINE)
    # A guard that goes off after the test turns it from passed to error: the later line counts.
    return {name: outcome for outcome, name in sorted(found, key=lambda pair: pair[0] != "PASSED")}


@pytest.mark.parametrize(
    "name",
    ["unannounced", "unannounced_in_a_thread", "another_one_announced", "a_dying_thread"],
)
def test_a_test_that_hides_something_fails(outcomes: dict[str, str], name: str) -> None:
    assert outcomes[name] in ("FAILED", "ERROR")


@pytest.mark.parametrize("name", ["announced", "no_warning"])
def test_a_test_that_hides_nothing_passes(outcomes: dict[str, str], name: str) -> None:
    assert outcomes[name] == "PASSED"


def test_soak_tests_run_only_when_asked_for(outcomes: dict[str, str]) -> None:
    assert "soak" not in outcomes


def test_our_mounts_are_told_from_others_in_the_mount_table() -> None:
    table = (
        "22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n"
        "30 22 0:50 / /mnt/a rw,nosuid,nodev - fuse.dynamicfs dynamicfs:pool rw,user_id=0\n"
        "31 22 0:51 / /mnt/b rw shared:9 master:2 - fuse dynamicfs rw\n"
        "32 22 0:52 / /mnt/dynamicfs rw - fuse.sshfs host: rw\n"
        "33 22 0:53 / /mnt/c rw - tmpfs dynamicfs rw\n"
    )

    assert dynamicfs_mounts(table) == {"/mnt/a", "/mnt/b"}


SERVER = "import sys; print('there', flush=True); sys.stdin.read()"


@pytest.mark.parametrize("ours", [True, False])
@pytest.mark.parametrize("named", ["pool/mount", "pool"])
def test_a_mount_of_another_run_is_told_from_one_of_ours(
    tmp_path: Path, named: str, *, ours: bool
) -> None:
    place = str(tmp_path / "pool" / "mount")
    mark = {} if ours else {RUN_VARIABLE: "another"}
    server = subprocess.Popen(
        [sys.executable, "-c", SERVER, str(tmp_path / named)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, **mark},
    )
    try:
        assert server.stdout is not None
        server.stdout.readline()  # It has its command line only now.
        assert is_served_by_others(place) is not ours
    finally:
        server.communicate()
    assert not is_served_by_others(place)
