"""The ``run`` script, beside stand-ins for Python, apt-get and the rest of a machine."""

from __future__ import annotations

import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.repo.sources import ROOT

PLAIN_TOOLS = (
    "sh",
    "readlink",
    "dirname",
    "cksum",
    "cat",
    "env",
    "flock",
    "mv",
    "rm",
    "mkdir",
    "cp",
)

PYTHON = """#!/bin/sh
case "$1 $2" in
    "-c "*version_info\\[:2\\]*) echo 3.12 ;;
    "-m venv") mkdir -p "$3/bin"; cp "$0" "$3/bin/python"; echo venv >>"$LOG" ;;
    "-m pip")
        echo pip >>"$LOG"
        [ ! -e "$BROKEN_PIP" ] || exit 1
        printf '#!/bin/sh\\necho "dynamicfs $* in $PWD"\\n' >"${0%/*}/dynamicfs"
        chmod 755 "${0%/*}/dynamicfs" ;;
    "-m pytest" | "-m tests.bench") echo "python $* in $PWD" ;;
esac
"""
OLD_PYTHON = "#!/bin/sh\nexit 1\n"
NOTE_AND_FAIL = '#!/bin/sh\necho "${0##*/} $*" >>"$LOG"\nexit 1\n'


@dataclass(frozen=True)
class Machine:
    """A directory of programs that is the whole PATH, and a checkout."""

    programs: Path
    checkout: Path
    log: Path

    def install(self, name: str, text: str) -> None:
        path = self.programs / name
        path.unlink(missing_ok=True)
        path.write_text(text)
        path.chmod(0o755)

    def run(
        self, *words: str, through: Path | None = None, cwd: Path | None = None
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [through or self.checkout / "run", *words],
            cwd=cwd or self.checkout,
            env={
                "PATH": str(self.programs),
                "LOG": str(self.log),
                "BROKEN_PIP": str(self.programs.parent / "broken-pip"),
            },
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def done(self) -> list[str]:
        """Return what was started since the last call."""
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        self.log.unlink(missing_ok=True)
        return lines


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    programs, checkout = tmp_path / "bin", tmp_path / "check out"
    programs.mkdir()
    checkout.mkdir()
    for tool in PLAIN_TOOLS:
        (programs / tool).symlink_to(shutil.which(tool) or "missing")
    (programs / "chmod").symlink_to(shutil.which("chmod") or "missing")
    made = Machine(programs=programs, checkout=checkout, log=tmp_path / "log")
    made.install("python3", PYTHON)
    made.install("id", "#!/bin/sh\necho 0\n")
    for tool in ("gcc", "pkg-config", "fusermount3"):
        made.install(tool, "#!/bin/sh\nexit 0\n")
    for tool in ("apt-get", "dpkg", "dpkg-query"):
        made.install(tool, NOTE_AND_FAIL)
    shutil.copy(ROOT / "run", checkout / "run")
    (checkout / "pyproject.toml").write_text("[project]\n")
    return made


def test_the_first_start_makes_everything_and_the_second_nothing(machine: Machine) -> None:
    first = machine.run("status", "pool")
    made = machine.done()
    begun_s = time.monotonic()
    second = machine.run("status", "pool")
    took_s = time.monotonic() - begun_s

    assert made == ["venv", "pip"]
    assert machine.done() == []
    assert first.stdout == second.stdout == f"dynamicfs status pool in {machine.checkout}\n"
    assert took_s < 1


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ((), "dynamicfs demo"),
        (("list-disks", "a b"), "dynamicfs list-disks a b"),
        (("bench", "--quick"), "python -m tests.bench --quick"),
    ],
)
def test_each_form_starts_what_it_says(machine: Machine, words: tuple[str, ...], told: str) -> None:
    assert machine.run(*words).stdout == f"{told} in {machine.checkout}\n"


def test_it_works_through_a_link_and_leaves_the_directory_alone(
    machine: Machine, tmp_path: Path
) -> None:
    link = tmp_path / "links" / "dfs"
    link.parent.mkdir()
    link.symlink_to(machine.checkout / "run")

    outcome = machine.run("status", through=link, cwd=link.parent)

    assert outcome.stdout == f"dynamicfs status in {link.parent}\n"


def test_an_interrupted_installation_is_made_anew(machine: Machine) -> None:
    (machine.programs.parent / "broken-pip").touch()
    interrupted = machine.run("status")
    half_made = machine.checkout / ".venv" / "half-made"
    half_made.touch()
    (machine.programs.parent / "broken-pip").unlink()
    machine.done()

    outcome = machine.run("status")

    assert interrupted.returncode == 1
    assert "installing failed" in interrupted.stderr
    assert outcome.returncode == 0
    assert machine.done() == ["venv", "pip"]
    assert not half_made.exists()


def test_other_requirements_are_installed_into_what_is_there(machine: Machine) -> None:
    machine.run("status")
    machine.done()
    (machine.checkout / "pyproject.toml").write_text("[project]\nname = 'other'\n")

    machine.run("status")

    assert machine.done() == ["pip"]


def test_an_environment_that_was_moved_is_made_anew(machine: Machine, tmp_path: Path) -> None:
    machine.run("status")
    machine.done()
    moved = machine.checkout.rename(tmp_path / "moved")

    outcome = machine.run("status", through=moved / "run", cwd=moved)

    assert outcome.returncode == 0
    assert machine.done() == ["venv", "pip"]


def test_an_old_python_is_one_clear_sentence(machine: Machine) -> None:
    machine.install("python3", OLD_PYTHON)

    outcome = machine.run("status")

    assert outcome.returncode == 2
    assert outcome.stderr == "run: Python 3.11 or newer is needed, and this machine has none\n"
    assert machine.done() == []


def test_a_newer_python_beside_an_old_one_is_found(machine: Machine) -> None:
    machine.install("python3", OLD_PYTHON)
    machine.install("python3.12", PYTHON)

    assert machine.run("status").returncode == 0


def test_without_the_right_to_install_the_command_to_type_is_shown(machine: Machine) -> None:
    machine.install("id", "#!/bin/sh\necho 1000\n")
    (machine.programs / "gcc").unlink()
    (machine.programs / "fusermount3").unlink()

    outcome = machine.run("status")

    assert outcome.returncode == 2
    assert outcome.stderr.endswith("as root, type:  apt-get install -y gcc libc6-dev fuse3\n")
    assert machine.done() == []


def test_missing_packages_are_installed_after_the_list_was_renewed(machine: Machine) -> None:
    (machine.programs / "gcc").unlink()
    machine.install(
        "apt-get",
        '#!/bin/sh\necho "apt-get $*" >>"$LOG"\n'
        f'[ -e "{machine.programs}/renewed" ] && exit 0\n'
        f'[ "$1" = update ] && : >"{machine.programs}/renewed"\n',
    )

    outcome = machine.run("status")

    install = "apt-get install -q -y --no-install-recommends gcc libc6-dev"
    assert outcome.returncode == 0, outcome.stderr
    assert machine.done() == [install, "apt-get update -q", install, "venv", "pip"]


def test_what_only_tests_need_is_asked_for_by_tests_only(machine: Machine) -> None:
    machine.install("id", "#!/bin/sh\necho 1000\n")

    assert machine.run("status").returncode == 0
    outcome = machine.run("test", "-k", "one")

    assert outcome.returncode == 2
    assert "fio rsync git tmux sqlite3 make" in outcome.stderr
