"""Programs for minutes: a database server, large repositories, builds and checked load."""

from __future__ import annotations

import os
import pwd
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.e2e.harness import ROOT, LivePool, run_tool
from tests.posix.test_programs import make_program

pytestmark = [pytest.mark.fuse, pytest.mark.soak, pytest.mark.timeout(0)]

LONG_S = 1800.0
GIT = ("git", "-c", "user.name=Test", "-c", "user.email=test@example.org")


def _postgresql_programs() -> Path:
    """Return where the newest server's programs are; says what to install when there is none."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/pgbench"))
    assert found, "no PostgreSQL here; as root, type:  apt-get install -y postgresql"
    return found[-1].parent


@contextmanager
def _server(programs: Path, data: Path, sockets: Path, user: str) -> Iterator[None]:
    """Run a PostgreSQL server on a socket alone; end it, whatever happens."""
    control: list[str | Path] = [
        "runuser",
        "-u",
        user,
        "--",
        programs / "pg_ctl",
        "-D",
        data,
        "-w",
        "-t",
        "120",
    ]
    options = f"-c listen_addresses= -c unix_socket_directories={sockets} -c full_page_writes=on"
    run_tool([*control, "-l", data / "log", "-o", options, "start"], limit_s=LONG_S)
    try:
        yield
    finally:
        run_tool([*control, "-m", "fast", "stop"], limit_s=LONG_S)


def test_a_postgresql_server_makes_its_cluster_and_bears_its_own_benchmark(
    open_pool: LivePool, folder: Path
) -> None:
    programs = _postgresql_programs()
    user = pwd.getpwnam("postgres")
    data = folder / "data"
    data.mkdir()
    os.chown(data, user.pw_uid, user.pw_gid)
    sockets = Path(f"/tmp/dynamicfs-pg-{os.getpid()}")
    sockets.mkdir()
    os.chown(sockets, user.pw_uid, user.pw_gid)
    as_server = ["runuser", "-u", user.pw_name, "--"]

    def bench(*words: str) -> str:
        return run_tool(
            [*as_server, programs / "pgbench", "-h", sockets, *words, "postgres"], limit_s=LONG_S
        )

    def ask(query: str) -> str:
        words: list[str | Path] = ["psql", "-h", sockets, "-At", "-c", query, "postgres"]
        return run_tool([*as_server, *words]).strip()

    try:
        run_tool(
            [*as_server, programs / "initdb", "-D", data, "--data-checksums", "-A", "trust"],
            limit_s=LONG_S,
        )
        with _server(programs, data, sockets, user.pw_name):
            bench("-i", "-s", "4", "-q")
            said = bench("-c", "4", "-j", "2", "-T", "60")
            balances = ask("SELECT sum(abalance) FROM pgbench_accounts")
            tellers = ask("SELECT sum(tbalance) FROM pgbench_tellers")
        open_pool.unmount()
        open_pool.mount_for_everybody()
        with _server(programs, data, sockets, user.pw_name):
            assert ask("SELECT sum(abalance) FROM pgbench_accounts") == balances == tellers
            ask("CREATE EXTENSION amcheck")
            run_tool(
                [*as_server, programs / "pg_amcheck", "-h", sockets, "postgres"], limit_s=LONG_S
            )
        checked = run_tool(
            [*as_server, programs / "pg_checksums", "-c", "-D", data], limit_s=LONG_S
        )
    finally:
        shutil.rmtree(sockets)
    print(re.findall(r"tps = .*|latency average.*", said))
    assert "Bad checksums:  0" in checked


def test_git_clones_repacks_and_checks_this_repository(folder: Path) -> None:
    origin = folder / "origin"
    shutil.copytree(ROOT / "engine", origin / "engine")
    shutil.copytree(ROOT / "tests", origin / "tests")
    run_tool([*GIT, "init", "-q", origin])
    for number in range(30):
        (origin / "engine" / "limits.py").write_text(f"number = {number}\n")
        run_tool([*GIT, "-C", origin, "add", "-A"], limit_s=LONG_S)
        run_tool([*GIT, "-C", origin, "commit", "-q", "-m", f"change {number}"], limit_s=LONG_S)

    run_tool([*GIT, "clone", "-q", "--no-local", origin, folder / "clone"], limit_s=LONG_S)
    run_tool([*GIT, "-C", folder / "clone", "gc", "-q", "--aggressive"], limit_s=LONG_S)

    run_tool([*GIT, "-C", folder / "clone", "fsck", "--full", "--strict"], limit_s=LONG_S)
    assert run_tool([*GIT, "-C", folder / "clone", "status", "--porcelain"], limit_s=LONG_S) == ""


def test_a_large_program_is_built_in_parallel(folder: Path) -> None:
    make_program(folder, 400)

    run_tool(["make", "-C", folder, "-j", "8", "--no-print-directory"], limit_s=LONG_S)

    assert run_tool([folder / "program"]) == f"{sum(range(400))}\n"


def test_a_virtual_environment_with_pip_is_made_and_compiled(folder: Path) -> None:
    run_tool([sys.executable, "-m", "venv", folder / "venv"], limit_s=LONG_S)
    python = folder / "venv" / "bin" / "python"

    run_tool([python, "-m", "pip", "--version"], limit_s=LONG_S)
    run_tool([python, "-m", "compileall", "-q", folder / "venv" / "lib"], limit_s=LONG_S)

    packages = next((folder / "venv" / "lib").glob("python*/site-packages"))
    assert len(list(packages.rglob("*.pyc"))) > 200


@pytest.mark.parametrize("engine", ["psync", "mmap", "libaio"])
def test_fio_verifies_two_jobs_that_write_at_random(folder: Path, engine: str) -> None:
    direct = "1" if engine == "libaio" else "0"
    run_tool(
        ["fio", "--name=verify", f"--directory={folder}", "--rw=randwrite", "--size=192m"]
        + ["--numjobs=2", "--bsrange=4k-128k", "--verify=crc32c"]
        + ["--verify_fatal=1", "--do_verify=1", f"--ioengine={engine}", f"--direct={direct}"]
        + ["--iodepth=8", "--randseed=7", "--fallocate=none", "--verify_state_save=0"]
        + ["--fsync=64", "--group_reporting"],
        limit_s=LONG_S,
    )


def test_rsync_and_tar_of_a_system_tree_come_back_the_same(folder: Path) -> None:
    source = Path("/usr/share/zoneinfo")
    source = source if source.is_dir() else Path("/usr/lib/python3")
    command = ["rsync", "-aHX", "--itemize-changes", f"{source}/", f"{folder}/copy/"]
    run_tool(command, limit_s=LONG_S)

    assert run_tool(command, limit_s=LONG_S) == ""
    run_tool(["tar", "-C", folder / "copy", "-cf", folder / "all.tar", "."], limit_s=LONG_S)
    (folder / "out").mkdir()
    run_tool(["tar", "-C", folder / "out", "-xpf", folder / "all.tar"], limit_s=LONG_S)
    run_tool(["diff", "-r", "--no-dereference", source, folder / "out"], limit_s=LONG_S)


def test_two_long_writers_and_a_reader_agree(folder: Path) -> None:
    writer = (
        "import os, sys\n"
        "fd = os.open(sys.argv[1], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)\n"
        "for number in range(60000):\n"
        "    os.write(fd, b'%s %07d\\n' % (sys.argv[2].encode(), number))\n"
        "    if number % 5000 == 0: os.fsync(fd)\n"
    )
    log = folder / "log"

    running = [
        subprocess.Popen([sys.executable, "-I", "-S", "-c", writer, str(log), mark])
        for mark in ("a", "b")
    ]
    try:
        assert [one.wait(LONG_S) for one in running] == [0, 0]
    finally:
        for one in running:
            one.kill()
            one.wait()

    lines = log.read_text().splitlines()
    for mark in ("a", "b"):
        mine = [line for line in lines if line.startswith(mark)]
        assert mine == [f"{mark} {number:07d}" for number in range(60000)]
