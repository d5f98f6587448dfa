"""Completion scripts: made from the parser, and accepted by the shell they are for."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from dynamicfs_tui.cli.completion import summarize
from dynamicfs_tui.cli.main import build_parser
from tests.unit.cli.canned_engine import CannedEngine, run_command

VERBS = summarize(build_parser())


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_every_verb_and_option_is_completed(engine: CannedEngine, shell: str) -> None:
    script = run_command(engine, "completion", shell).stdout

    for verb in VERBS:
        assert verb.name in script
        for option in (name for name in verb.options if name.startswith("--")):
            written = f"-l {option.removeprefix('--')}" if shell == "fish" else option
            assert written in script


def test_what_is_not_for_people_is_not_completed(engine: CannedEngine) -> None:
    assert "announce-to" not in run_command(engine, "completion", "bash").stdout


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("dynamicfs sta", {"status"}),
        ("dynamicfs add-disk pool disk --tier ", {"hot", "warm", "cold"}),
        ("dynamicfs mount --re", {"--read-write"}),
        ("dynamicfs set-disk-health pool disk dr", {"draining"}),
    ],
)
def test_bash_completes_from_the_script(
    engine: CannedEngine, typed: str, expected: set[str], tmp_path: object
) -> None:
    bash = shutil.which("bash")
    assert bash, "bash is part of every Debian"
    script = run_command(engine, "completion", "bash").stdout
    words = typed.split(" ")
    listed = " ".join(f"'{word}'" for word in words)
    program = (
        f"{script}\nCOMP_WORDS=({listed}); COMP_CWORD={len(words) - 1}\n"
        "_dynamicfs; printf '%s\\n' \"${COMPREPLY[@]}\""
    )

    done = subprocess.run(
        [bash, "-c", program],
        cwd=str(tmp_path),
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )

    assert set(done.stdout.split()) == expected
