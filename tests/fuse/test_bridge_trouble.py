"""What must not happen when handlers fail, clients die, or the server does."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest

from engine.errors import PoolError
from fusebridge.mount_table import abort_connection, find_mount
from fusebridge.stale import recover_stale
from tests.conftest import ExpectedWarnings
from tests.e2e.harness import wait_for
from tests.fuse.conftest import TREE, TROUBLED
from tests.fuse.mounting import Served, ServerError, serve, wait_until_gone

pytestmark = pytest.mark.fuse


def test_a_handler_that_fails_gives_eio_and_the_mount_lives_on(troubled: Served) -> None:
    with pytest.raises(OSError, match="Input/output") as caught:
        (troubled.path / "broken").stat()

    assert caught.value.errno == errno.EIO
    (troubled.path / "fine").write_bytes(b"alive")
    assert (troubled.path / "fine").read_bytes() == b"alive"
    assert "ValueError: a programming error" in troubled.log.read_text()


@pytest.mark.parametrize(
    ("name", "number"), [("unsafe", errno.EIO), ("full", errno.ENOSPC), ("fine", 0)]
)
def test_fsync_tells_the_caller_what_went_wrong(troubled: Served, name: str, number: int) -> None:
    file = os.open(troubled.path / name, os.O_CREAT | os.O_RDWR)
    os.write(file, b"data")

    assert errno_of_fsync(file) == number
    os.close(file)


def errno_of_fsync(file: int) -> int:
    try:
        os.fsync(file)
    except OSError as error:
        return error.errno or 0
    return 0


def test_damage_found_by_a_read_is_an_error_and_never_other_bytes(troubled: Served) -> None:
    (troubled.path / "rotten").write_bytes(b"right")

    with pytest.raises(OSError, match="Input/output"):
        (troubled.path / "rotten").read_bytes()


def test_a_name_whose_attributes_are_damaged_is_listed_beside_the_others(
    troubled: Served,
) -> None:
    (troubled.path / "fine").write_bytes(b"alive")

    for _ in range(2):
        assert sorted(os.listdir(troubled.path)) == ["fine", "strange"]
        with os.scandir(troubled.path) as entries:
            assert all(entry.inode() for entry in entries), "programs skip an entry without one"
        with pytest.raises(OSError, match="Input/output"):
            (troubled.path / "strange").lstat()
    assert (troubled.path / "fine").stat().st_size == 5


def test_a_read_that_waits_for_a_disk_does_not_delay_a_getattr(troubled: Served) -> None:
    (troubled.path / "slow").write_bytes(b"data")
    (troubled.path / "other").touch()
    readers = [threading.Thread(target=(troubled.path / "slow").read_bytes) for _ in range(4)]
    for reader in readers:
        reader.start()
    time.sleep(0.2)

    started_s = time.monotonic()
    for number in range(20):
        (troubled.path / f"absent-{number}").exists()
    took_s = time.monotonic() - started_s
    were_waiting = all(reader.is_alive() for reader in readers)

    for reader in readers:
        reader.join()
    assert were_waiting
    assert took_s < 0.5


def test_changes_that_wait_for_room_delay_no_getattr(troubled: Served) -> None:
    crowded = troubled.path / "crowded"
    changes: list[Callable[[], object]] = [
        (crowded / "new").mkdir,
        (crowded / "made").touch,
        partial((troubled.path / "file").chmod, 0o600),
    ]
    (troubled.path / "file").write_bytes(b"data")
    with ThreadPoolExecutor(len(changes)) as clients:
        crowded.mkdir()
        waiting = [clients.submit(change) for change in changes]
        time.sleep(0.2)

        # Beside the others: the kernel itself keeps a directory that is changed locked.
        started_s = time.monotonic()
        for number in range(20):
            (troubled.path / f"absent-{number}").exists()
        took_s = time.monotonic() - started_s
        were_waiting = not any(change.done() for change in waiting)

    assert were_waiting
    assert took_s < 0.5
    assert sorted(os.listdir(crowded)) == ["made", "new"]
    assert (troubled.path / "file").stat().st_mode & 0o777 == 0o600


def test_a_loop_that_is_stuck_is_late_and_one_that_waits_for_disks_is_not(
    troubled: Served,
) -> None:
    (troubled.path / "slow").write_bytes(b"data")
    with ThreadPoolExecutor(2) as clients:
        reading = clients.submit((troubled.path / "slow").read_bytes)
        late_beside_a_read = list(_lateness_until(troubled, reading))
        stuck = clients.submit((troubled.path / "stuck").exists)
        late_while_stuck = list(_lateness_until(troubled, stuck))

    assert max(late_beside_a_read) < 0.8
    assert max(late_while_stuck) > 0.5
    wait_for("the loop rests", lambda: troubled.ask("late")["late_s"] == 0.0)


def _lateness_until(served: Served, end: Future[bytes] | Future[bool]) -> Iterator[float]:
    """Yield how late the loop says it is, until *end* is done."""
    while not end.done():
        yield float(str(served.ask("late")["late_s"]))
        time.sleep(0.02)


def test_slow_reads_of_many_clients_run_side_by_side(troubled: Served) -> None:
    (troubled.path / "slow").write_bytes(b"data")
    results: list[bytes] = []
    readers = [
        threading.Thread(target=lambda: results.append((troubled.path / "slow").read_bytes()))
        for _ in range(8)
    ]

    started_s = time.monotonic()
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join()

    assert results == [b"data"] * 8
    # Each reads twice (data, then the end): 16 s one after the other.
    assert time.monotonic() - started_s < 6.0


def test_clients_that_are_killed_do_not_stall_the_others(tree: Served) -> None:
    # Lookups by path alone: their death withdraws a request (traps 1 and 2).
    storm = (
        "import os, sys\n"
        "for n in range(10**9):\n"
        "    try: os.stat(f'{sys.argv[1]}/absent-{os.getpid()}-{n}')\n"
        "    except FileNotFoundError: pass\n"
    )
    slowest_s = 0.0
    for _ in range(30):
        clients = [
            subprocess.Popen([sys.executable, "-S", "-c", storm, str(tree.path)]) for _ in range(2)
        ]
        end_s = time.monotonic() + 0.06
        while time.monotonic() < end_s:
            slowest_s = max(slowest_s, seconds_of_lookup(tree.path / "absent"))
        for client in clients:
            client.kill()
        slowest_s = max(slowest_s, seconds_of_lookup(tree.path / "after"))
        for client in clients:
            client.wait()

    assert slowest_s < 1.0
    assert tree.stop()["error"] == ""


def seconds_of_lookup(path: Path) -> float:
    started_s = time.monotonic()
    (path.parent / f"{path.name}-{started_s}").exists()
    return time.monotonic() - started_s


def test_a_killed_server_leaves_no_dead_mount(tree: Served) -> None:
    (tree.path / "file").write_bytes(b"data")

    tree.kill()

    assert wait_until_gone(tree.path, 5.0)
    assert list(tree.path.iterdir()) == []


def test_the_watchdog_leaves_what_was_mounted_since_alone(tree: Served, tmp_path: Path) -> None:
    # Something else is at the same path when the server dies.
    subprocess.run(["mount", "-t", "tmpfs", "over", str(tree.path)], check=True)
    try:
        tree.kill()
        assert not wait_until_gone(tree.path, 1.0)
        entry = find_mount(str(tree.path))
        assert entry is not None
        assert entry.kind == "tmpfs"
    finally:
        subprocess.run(["umount", str(tree.path)], check=True)


def test_stopping_unmounts_an_unused_mount_while_it_serves(tree: Served) -> None:
    (tree.path / "file").write_bytes(b"x" * 5_000_000)

    report = tree.stop()

    assert find_mount(str(tree.path)) is None
    assert report["error"] == ""
    assert "detaching" not in tree.log.read_text()


def test_stopping_detaches_a_mount_that_is_in_use(tmp_path: Path) -> None:
    with serve(TREE, folder=tmp_path, options=("--rw", "--stop-s", "0.5")) as mount:
        file = os.open(mount.path / "file", os.O_CREAT | os.O_RDWR)
        os.write(file, b"data")

        started_s = time.monotonic()
        report = mount.stop()

        assert time.monotonic() - started_s < 5.0
        assert find_mount(str(mount.path)) is None
        counters = report["counters"]
        assert isinstance(counters, dict)
        assert counters["write"] == 1
        with pytest.raises(OSError, match="."):
            os.fsync(file)
        with pytest.raises(OSError, match="."):
            os.close(file)


def test_requests_in_hand_are_answered_before_the_end(tmp_path: Path) -> None:
    with serve(TROUBLED, "1.5", folder=tmp_path, options=("--rw", "--stop-s", "0.2")) as mount:
        (mount.path / "slow").write_bytes(b"answer")
        file = os.open(mount.path / "slow", os.O_RDONLY)
        answers: list[bytes] = []
        reader = threading.Thread(target=lambda: answers.append(os.pread(file, 6, 0)))
        reader.start()
        time.sleep(0.3)

        mount.stop()

        reader.join()
        assert answers == [b"answer"]


def test_an_unmount_from_outside_ends_the_server_cleanly(tree: Served) -> None:
    subprocess.run(["umount", str(tree.path)], check=True)

    assert tree.stop()["error"] == ""


def test_an_aborted_connection_ends_the_server_and_the_mount(tree: Served) -> None:
    abort_connection(tree.device, str(tree.path))

    assert wait_until_gone(tree.path, 5.0)
    tree.stop()


def test_a_mount_is_read_only_unless_asked(tmp_path: Path) -> None:
    with (
        serve(TREE, folder=tmp_path, options=()) as mount,
        pytest.raises(OSError, match="Read-only") as caught,
    ):
        (mount.path / "file").touch()

    assert caught.value.errno == errno.EROFS


def test_a_mount_point_with_something_in_it_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mount").mkdir()
    (tmp_path / "mount" / "something").touch()

    with pytest.raises(ServerError, match="is not empty"), serve(TREE, folder=tmp_path):
        pass


def test_a_mount_point_that_is_a_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ServerError, match="is not a directory"):
        subprocess_refusal(tmp_path / "file", tmp_path)


def subprocess_refusal(path: Path, folder: Path) -> None:
    path.touch()
    answer = subprocess.run(
        [sys.executable, "-m", "tests.fuse.server", str(path), TREE],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    raise ServerError(answer.stdout)


def test_what_the_kernel_remembers_can_be_forgotten_while_dirty(tree: Served) -> None:
    # Invalidation waits for writes that the server must serve (traps 3 and 4).
    for number in range(8):
        (tree.path / f"file-{number}").write_bytes(b"x" * 3_000_000)
    for number in range(8):
        tree.ask(f"forget {(tree.path / f'file-{number}').stat().st_ino}")

    assert (tree.path / "file-7").read_bytes() == b"x" * 3_000_000


def test_a_dead_mount_is_recovered_and_a_live_one_is_left_alone(
    tree: Served, expected_warnings: ExpectedWarnings
) -> None:
    expected_warnings("took away a dead mount")
    with pytest.raises(PoolError, match="is mounted already"):
        recover_stale(str(tree.path))

    watchdog = int(str(tree.report["watchdog"]))
    os.kill(watchdog, signal.SIGKILL)
    tree.kill()
    assert find_mount(str(tree.path)) is not None
    assert recover_stale(str(tree.path))
    assert find_mount(str(tree.path)) is None
    assert not recover_stale(str(tree.path))


def test_a_wedged_server_is_aborted_when_the_deadline_passes(tree: Served) -> None:
    # A stopped process holds everything, as a deadlock with the lock held would.
    tree.ask("deadline 0.3")
    os.kill(tree.pid, signal.SIGSTOP)
    started_s = time.monotonic()
    try:
        with pytest.raises(OSError, match="."):
            (tree.path / "waits for the wedged server").stat()
        assert wait_until_gone(tree.path, 5.0)
    finally:
        os.kill(tree.pid, signal.SIGCONT)
        tree.kill()

    assert time.monotonic() - started_s < 5.0
