"""Who may do what to a pool, and what is refused in one sentence."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from engine.status.views import ExitCode
from tests.e2e.harness import DYNAMICFS, LivePool, PoolPlan, command_environment


def _is_one_sentence(text: str) -> bool:
    """Whether *text* is one line from us, and no traceback."""
    return text.startswith("dynamicfs: ") and text.count("\n") == 1 and "bug" not in text


@pytest.mark.parametrize("spelling", ["as before", "with a dot", "through a link"])
def test_a_disk_is_not_added_twice(shared_pool: LivePool, tmp_path: Path, spelling: str) -> None:
    path = shared_pool.disks[0]
    (tmp_path / "link").symlink_to(path)
    spelled = {
        "as before": str(path),
        "with a dot": f"{path}/../{path.name}/.",
        "through a link": str(tmp_path / "link"),
    }[spelling]

    outcome = shared_pool.command("add-disk", str(shared_pool.pool_dir), spelled)

    assert outcome.code in (ExitCode.FAILED, ExitCode.USAGE)
    assert _is_one_sentence(outcome.said), outcome
    assert len(shared_pool.view().disks) == 6


def test_a_disk_of_another_pool_is_not_added(shared_pool: LivePool, tmp_path: Path) -> None:
    other = LivePool(tmp_path, PoolPlan())

    outcome = shared_pool.command("add-disk", str(shared_pool.pool_dir), str(other.disks[0]))

    assert outcome.code == ExitCode.FAILED
    assert _is_one_sentence(outcome.said), outcome
    assert "pool live" in outcome.said


def test_a_new_disk_is_added_while_the_pool_is_mounted(pool: LivePool, tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()

    pool.must("add-disk", str(pool.pool_dir), str(tmp_path / "new"), "--tier", "cold")

    assert [disk.path for disk in pool.view().disks][6:] == [str(tmp_path / "new")]
    pool.remount()
    assert len(pool.view().disks) == 7


def test_a_second_mount_of_the_pool_is_refused(shared_pool: LivePool, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()

    outcome = shared_pool.command(
        "mount", "--read-write", str(shared_pool.pool_dir), str(tmp_path / "elsewhere")
    )

    assert outcome.code == ExitCode.FAILED
    assert _is_one_sentence(outcome.said), outcome
    assert not (tmp_path / "elsewhere").is_mount()


def test_disks_in_use_are_not_imported_elsewhere(shared_pool: LivePool, tmp_path: Path) -> None:
    outcome = shared_pool.command(
        "import", *map(str, shared_pool.disks), "--into", str(tmp_path / "second"), "--yes"
    )

    assert outcome.code == ExitCode.FAILED
    assert _is_one_sentence(outcome.said.splitlines()[-1] + "\n"), outcome
    assert not (tmp_path / "second" / "pool.toml").exists()


def test_a_mount_is_read_only_unless_asked(tmp_path: Path) -> None:
    pool = LivePool(tmp_path)
    try:
        pool.mount_read_only()

        with pytest.raises(OSError, match="Read-only file system"):
            (pool.mountpoint / "file").write_bytes(b"content")

        assert os.listdir(pool.mountpoint) == []
    finally:
        pool.close()


def test_a_read_only_mount_shows_what_was_written(tmp_path: Path) -> None:
    pool = LivePool(tmp_path)
    try:
        (pool.mount() / "file").write_bytes(b"content")
        pool.unmount()

        pool.mount_read_only()

        assert (pool.mountpoint / "file").read_bytes() == b"content"
    finally:
        pool.close()


def test_a_mount_point_that_is_not_empty_is_refused(tmp_path: Path) -> None:
    pool = LivePool(tmp_path)
    (pool.mountpoint / "mine").write_bytes(b"keep")

    outcome = pool.command("mount", str(pool.pool_dir), str(pool.mountpoint))

    assert outcome.code == ExitCode.USAGE
    assert _is_one_sentence(outcome.said)
    assert "not empty" in outcome.said
    assert (pool.mountpoint / "mine").read_bytes() == b"keep"


def test_init_over_a_pool_is_refused_and_changes_nothing(tmp_path: Path) -> None:
    pool = LivePool(tmp_path)
    before = (pool.pool_dir / "pool.toml").read_bytes()
    (tmp_path / "fresh").mkdir()

    outcome = pool.command(
        "init", str(pool.pool_dir), "--redundancy", "copies:1", "--disk", str(tmp_path / "fresh")
    )

    assert outcome.code in (ExitCode.FAILED, ExitCode.USAGE)
    assert _is_one_sentence(outcome.said), outcome
    assert (pool.pool_dir / "pool.toml").read_bytes() == before
    assert os.listdir(tmp_path / "fresh") == []


def test_init_makes_a_pool_that_mounts(tmp_path: Path) -> None:
    disks = [tmp_path / f"d{number}" for number in range(3)]
    for disk in (*disks, tmp_path / "mount"):
        disk.mkdir()

    def run(*words: str) -> None:
        subprocess.run(
            [*DYNAMICFS, *words], env=command_environment(), check=True, capture_output=True
        )

    options = [word for disk in disks for word in ("--disk", f"{disk}:warm")]
    run("init", str(tmp_path / "pool"), "--redundancy", "rs:2+1", *options)
    run("mount", "--read-write", str(tmp_path / "pool"), str(tmp_path / "mount"))
    try:
        (tmp_path / "mount" / "file").write_bytes(b"content")
    finally:
        run("unmount", str(tmp_path / "mount"))

    run("mount", str(tmp_path / "pool"), str(tmp_path / "mount"))
    try:
        assert (tmp_path / "mount" / "file").read_bytes() == b"content"
    finally:
        run("unmount", str(tmp_path / "mount"))


def test_unmount_returns_when_the_server_has_ended(pool: LivePool) -> None:
    (pool.mountpoint / "file").write_bytes(b"content")

    pool.unmount()

    # The pool is free at once: nobody holds its lock any more.
    pool.mount()
    assert (pool.mountpoint / "file").read_bytes() == b"content"
