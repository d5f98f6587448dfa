"""Programs that ask much of a file system, each in a few seconds; the long runs are beside it."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from tests.e2e.harness import run_tool

pytestmark = pytest.mark.fuse

SOURCES = 24


def make_program(root: Path, sources: int) -> None:
    """Write a C program of many sources, each with a header of its own, and its Makefile."""
    numbers = range(sources)
    for number in numbers:
        (root / f"part{number}.h").write_text(f"int part{number}(void);\n")
        text = f'#include "part{number}.h"\nint part{number}(void) {{ return {number}; }}\n'
        (root / f"part{number}.c").write_text(text)
    includes = "".join(f'#include "part{number}.h"\n' for number in numbers)
    total = " + ".join(f"part{number}()" for number in numbers)
    (root / "main.c").write_text(
        f'#include <stdio.h>\n{includes}int main(void) {{ printf("%d\\n", {total}); return 0; }}\n'
    )
    (root / "Makefile").write_text(
        "objects = $(patsubst %.c,%.o,$(wildcard *.c))\n"
        "program: $(objects)\n\t$(CC) -o $@ $^\n"
        "%.o: %.c\n\t$(CC) -MMD -c -o $@ $<\n"
        "-include *.d\n"
    )


def test_make_builds_in_parallel_and_then_only_what_changed(folder: Path) -> None:
    make_program(folder, SOURCES)

    run_tool(["make", "-C", folder, "-j", "4", "--no-print-directory"])

    assert run_tool([folder / "program"]) == f"{sum(range(SOURCES))}\n"
    assert "up to date" in run_tool(["make", "-C", folder, "-j", "4"])
    os.utime(folder / "part3.h")
    rebuilt = run_tool(["make", "-C", folder, "-j", "4", "--no-print-directory"])
    assert "part3.o" in rebuilt
    assert "-o part4.o" not in rebuilt


def test_a_virtual_environment_is_made_and_runs_what_is_in_it(folder: Path) -> None:
    run_tool([sys.executable, "-m", "venv", "--without-pip", folder / "venv"])
    (folder / "venv" / "module.py").write_text("VALUE = 42\n")

    python = folder / "venv" / "bin" / "python"
    run_tool([python, "-m", "compileall", "-q", folder / "venv" / "module.py"])

    program = "import sys; sys.path.insert(0, sys.prefix); import module; print(module.VALUE)"
    assert run_tool([python, "-c", program]) == "42\n"
    assert [one.suffix for one in (folder / "venv" / "__pycache__").iterdir()] == [".pyc"]


@pytest.mark.parametrize("mode", ["delete", "truncate", "persist", "memory", "wal", "off"])
def test_two_processes_use_one_database_in_every_journal_mode(folder: Path, mode: str) -> None:
    path = folder / "data.db"
    with closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE entry (number INTEGER)")
        assert database.execute(f"PRAGMA journal_mode={mode}").fetchone() == (mode,)
    program = (
        "import sqlite3, sys\n"
        "database = sqlite3.connect(sys.argv[1], timeout=30, isolation_level=None)\n"
        "database.execute('PRAGMA journal_mode=' + sys.argv[2])\n"
        "for number in range(20):\n"
        "    database.execute('INSERT INTO entry VALUES (?)', (number,))\n"
    )
    words = [sys.executable, "-I", "-S", "-c", program, str(path), mode]

    running = [subprocess.Popen(words) for _ in range(2)]
    try:
        assert [one.wait(60) for one in running] == [0, 0]
    finally:
        for one in running:
            one.kill()
            one.wait()

    with closing(sqlite3.connect(path)) as database:
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        counts = database.execute("SELECT count(*), sum(number) FROM entry").fetchone()
        assert counts == (40, 2 * sum(range(20)))


def test_rsync_takes_links_owners_times_and_attributes_along_and_finds_nothing_to_do(
    folder: Path, tmp_path: Path
) -> None:
    source = tmp_path / "source"
    (source / "below").mkdir(parents=True)
    for number in range(40):
        path = source / "below" / f"file{number}"
        path.write_bytes(bytes([number]) * number * 100)
        os.chown(path, 1001 + number % 2, 2000)
        path.chmod(0o600 + number % 8)
        os.utime(path, ns=(number, 1_500_000_000_123_456_789 + number))
        os.setxattr(path, "user.number", b"%d" % number)
    (source / "hard").hardlink_to(source / "below" / "file7")
    (source / "soft").symlink_to("below/file8")
    os.mkfifo(source / "fifo")
    command = ["rsync", "-aHX", "--numeric-ids", "--itemize-changes", f"{source}/", f"{folder}/"]

    run_tool(command)

    assert run_tool(command) == ""
    assert run_tool([*command, "--checksum"]) == ""
    assert os.path.samestat((folder / "hard").stat(), (folder / "below" / "file7").stat())
    assert os.getxattr(folder / "below" / "file9", "user.number") == b"9"
