"""What keeps the tree readable: short files, short functions, honest names."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.repo.sources import ROOT, python_files, shown, text_files

FILE_LINES_MAX = 400
FUNCTION_LINES_MAX = 60

EMPTY_NAMES = re.compile(
    r"(^|_)(utils?|helpers?|managers?)(_|$)|(Manager|Helper|Utils?)$|^(common|misc)$"
)
# In two parts, so that this file does not find itself.
MACHINE_PATHS = re.compile(r"(?<![\w.~}])/(?:ro" r"ot|wo" r"rk|ho" r"me|Us" r"ers)/\w")
UNFINISHED = re.compile(r"\b(?:TO" r"DO|FIX" r"ME|XX" r"X)\b")

Function = ast.FunctionDef | ast.AsyncFunctionDef


def _parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def _functions(path: Path) -> Iterator[Function]:
    for node in ast.walk(_parsed(path)):
        if isinstance(node, Function):
            yield node


def _lines_matching(path: Path, pattern: re.Pattern[str]) -> list[str]:
    text = path.read_text(encoding="utf-8", errors="replace")
    return [
        f"{shown(path)}:{number}: {line.strip()}"
        for number, line in enumerate(text.splitlines(), 1)
        if pattern.search(line)
    ]


def test_there_are_files_to_look_at() -> None:
    assert len(python_files()) > 50
    assert ROOT / "pyproject.toml" in text_files()


def test_no_file_is_longer_than_people_read() -> None:
    lengths = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in python_files()}

    assert [f"{shown(p)}: {n}" for p, n in lengths.items() if n > FILE_LINES_MAX] == []


def test_no_function_is_longer_than_a_screen() -> None:
    too_long = [
        f"{shown(path)}:{node.lineno} {node.name}: {length}"
        for path in python_files()
        for node in _functions(path)
        if (length := (node.end_lineno or node.lineno) - node.lineno + 1) > FUNCTION_LINES_MAX
    ]

    assert too_long == []


def test_no_exception_is_caught_without_its_class() -> None:
    bare = [
        f"{shown(path)}:{node.lineno}"
        for path in python_files()
        for node in ast.walk(_parsed(path))
        if isinstance(node, ast.ExceptHandler) and node.type is None
    ]

    assert bare == []


def test_nothing_is_left_unfinished() -> None:
    assert [line for path in text_files() for line in _lines_matching(path, UNFINISHED)] == []


def test_no_path_of_one_machine_is_written_down() -> None:
    assert [line for path in text_files() for line in _lines_matching(path, MACHINE_PATHS)] == []


def test_no_file_class_or_function_has_a_name_that_says_nothing() -> None:
    found = [shown(path) for path in python_files() if EMPTY_NAMES.search(path.stem)]
    found += [
        f"{shown(path)}:{node.lineno} {node.name}"
        for path in python_files()
        for node in ast.walk(_parsed(path))
        if isinstance(node, Function | ast.ClassDef) and EMPTY_NAMES.search(node.name)
    ]

    assert found == []


def test_every_module_says_what_it_is_for() -> None:
    silent = [shown(path) for path in python_files() if not ast.get_docstring(_parsed(path))]

    # In tests a package is a folder; the module that matters says it.
    assert [name for name in silent if not re.fullmatch(r"tests/.*__init__\.py", name)] == []


@pytest.mark.parametrize("script", ["run", ".ci/run"])
def test_a_script_can_be_run_and_is_for_every_posix_shell(script: str) -> None:
    path = ROOT / script

    assert path.stat().st_mode & 0o111 == 0o111
    assert path.read_text(encoding="utf-8").startswith("#!/bin/sh\n")
