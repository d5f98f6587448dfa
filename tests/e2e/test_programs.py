"""Programs that are known to be particular about file systems do their work here."""

from __future__ import annotations

import random
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from engine.units import KIB
from tests.e2e.harness import LivePool, run_tool

GIT = ("git", "-c", "user.name=Test", "-c", "user.email=test@example.org", "-c", "gc.auto=0")


def _make_tree(root: Path, *, files: int = 120, seed: int = 4) -> Path:
    """Write a tree of files of many sizes with links, times and modes; return *root*."""
    source = random.Random(seed)
    for number in range(files):
        folder = root / f"part{number % 7}" / f"deep{number % 3}"
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"file-{number}.bin"
        path.write_bytes(source.randbytes(source.choice([0, 10, 3 * KIB, 40 * KIB, 300 * KIB])))
        path.chmod(source.choice([0o600, 0o644, 0o755]))
    (root / "hard").hardlink_to(root / "part0" / "deep0" / "file-0.bin")
    (root / "soft").symlink_to("part1")
    return root


def _compare(one: Path, other: Path) -> None:
    """Demand equal trees; ``diff`` is the judge."""
    run_tool(["diff", "--recursive", "--no-dereference", one, other])


def test_git_clones_commits_and_finds_its_repository_sound(
    shared_pool: LivePool, folder: Path, tmp_path: Path
) -> None:
    origin = _make_tree(tmp_path / "origin")
    run_tool([*GIT, "init", "-q", "-b", "main", origin])
    run_tool([*GIT, "-C", origin, "add", "-A"])
    run_tool([*GIT, "-C", origin, "commit", "-q", "-m", "first"])

    run_tool([*GIT, "clone", "-q", "--no-local", origin, folder / "clone"])
    (folder / "clone" / "added").write_bytes(b"more")
    run_tool([*GIT, "-C", folder / "clone", "add", "added"])
    run_tool([*GIT, "-C", folder / "clone", "commit", "-q", "-m", "second"])
    run_tool([*GIT, "-C", folder / "clone", "repack", "-q", "-a", "-d"])
    shared_pool.remount()

    run_tool([*GIT, "-C", folder / "clone", "fsck", "--full", "--strict"])
    assert run_tool([*GIT, "-C", folder / "clone", "status", "--porcelain"]) == ""
    _compare(origin / "part3", folder / "clone" / "part3")


@pytest.mark.parametrize("mode", ["wal", "delete"])
def test_sqlite_keeps_its_database_sound(shared_pool: LivePool, folder: Path, mode: str) -> None:
    path = folder / "data.db"
    with closing(sqlite3.connect(path)) as database:
        assert database.execute(f"PRAGMA journal_mode={mode}").fetchone() == (mode,)
        database.execute("CREATE TABLE entry (number INTEGER PRIMARY KEY, value BLOB)")
    for batch in range(20):
        with closing(sqlite3.connect(path)) as database, database:
            rows = ((batch * 50 + number, bytes([number]) * 500) for number in range(50))
            database.executemany("INSERT INTO entry VALUES (?, ?)", rows)
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("DELETE FROM entry WHERE number % 3 = 0")

    shared_pool.remount()

    with closing(sqlite3.connect(path)) as database:
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert database.execute("SELECT count(*) FROM entry").fetchone() == (666,)


@pytest.mark.parametrize("pattern", ["write", "randwrite"])
def test_fio_verifies_what_it_wrote(folder: Path, pattern: str) -> None:
    run_tool(
        ["fio", "--name=verify", f"--directory={folder}", f"--rw={pattern}", "--size=24m"]
        + ["--bs=4k-256k", "--verify=crc32c", "--verify_fatal=1", "--do_verify=1"]
        + ["--ioengine=psync", "--randseed=7", "--end_fsync=1", "--fallocate=none"]
        + ["--verify_state_save=0"],
        limit_s=100.0,
    )


def test_a_second_rsync_transfers_nothing(
    shared_pool: LivePool, folder: Path, tmp_path: Path
) -> None:
    source = _make_tree(tmp_path / "source")
    command = ["rsync", "-aHX", "--numeric-ids", "--itemize-changes"]
    run_tool([*command, f"{source}/", f"{folder}/copy/"])
    shared_pool.remount()

    assert run_tool([*command, f"{source}/", f"{folder}/copy/"]) == ""
    assert run_tool([*command, "--checksum", f"{source}/", f"{folder}/copy/"]) == ""
    assert (folder / "copy" / "hard").stat().st_nlink == 2


def test_a_tree_comes_through_tar_as_it_was(folder: Path, tmp_path: Path) -> None:
    source = _make_tree(tmp_path / "source")
    run_tool(["tar", "-C", source, "-cf", folder / "tree.tar", "."])

    (folder / "out").mkdir()
    run_tool(["tar", "-C", folder / "out", "-xpf", folder / "tree.tar"])

    _compare(source, folder / "out")
    assert run_tool(["tar", "-C", folder / "out", "--compare", "-f", folder / "tree.tar"]) == ""


def test_cp_archives_a_tree_as_it_was(shared_pool: LivePool, folder: Path, tmp_path: Path) -> None:
    source = _make_tree(tmp_path / "source")

    run_tool(["cp", "-a", source, folder / "copy"])
    shared_pool.remount()

    _compare(source, folder / "copy")
    assert (folder / "copy").stat().st_mtime_ns == source.stat().st_mtime_ns
