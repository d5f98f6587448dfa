"""What the documents say is what the program does, and nothing goes unsaid."""

from __future__ import annotations

import ast
import doctest
import importlib
import re

import pytest

from dynamicfs_tui.cli.completion import summarize
from dynamicfs_tui.cli.main import build_parser
from dynamicfs_tui.metrics_document import metrics_document
from engine.status.explain import codes_document
from tests.repo.sources import PACKAGES, ROOT, python_files

VERBS = summarize(build_parser())
README = ROOT / "README.md"


@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: verb.name)
def test_every_verb_is_in_the_readme(verb: object) -> None:
    name = getattr(verb, "name", "")

    # As a whole word: `scrub` is not found in `scrubbing`.
    assert re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", README.read_text(encoding="utf-8"))


def test_every_verb_has_help_and_so_has_each_argument() -> None:
    assert [verb.name for verb in VERBS if not verb.summary] == []


def test_every_verb_that_the_design_names_exists() -> None:
    designed = {
        "init", "add-disk", "list-disks", "list-extents", "show-redundancy", "mount", "unmount",
        "sync", "status", "scrub", "probe-disks", "set-disk-health", "fail-disk", "rebuild",
        "metrics", "check", "import", "console", "demo", "health", "events", "audit", "explain",
    }  # fmt: skip

    assert designed <= {verb.name for verb in VERBS}


def test_every_bound_has_a_reason_of_its_own_or_that_of_its_group() -> None:
    """A group is a run of constants without a blank line; its docstring may follow any of them."""
    path = ROOT / "engine" / "limits.py"
    lines = path.read_text(encoding="utf-8").splitlines()
    body = ast.parse("\n".join(lines)).body
    explained: set[str] = set()
    group: list[str] = []
    bounds: list[str] = []
    last_line = 0
    for node in body:
        if group and "" in (line.strip() for line in lines[last_line : node.lineno - 1]):
            group = []
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            group.append(node.target.id)
            bounds.append(node.target.id)
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            explained.update(group)
        last_line = node.end_lineno or node.lineno

    assert len(bounds) > 30
    assert [name for name in bounds if name not in explained] == []


def test_the_document_of_the_codes_says_what_explain_says() -> None:
    """Made anew by ``python -c 'from engine.status.explain import *; print(codes_document(),
    end="")'``."""
    document = ROOT / "engine" / "status" / "CODES.md"

    assert document.read_text(encoding="utf-8") == codes_document()


def test_the_document_of_the_metrics_says_what_is_exported() -> None:
    document = ROOT / "dynamicfs_tui" / "METRICS.md"

    assert document.read_text(encoding="utf-8") == metrics_document()


@pytest.mark.parametrize("document", ["engine/status/CODES.md", "dynamicfs_tui/METRICS.md"])
def test_the_readme_leads_to_the_documents(document: str) -> None:
    assert document in README.read_text(encoding="utf-8")


@pytest.mark.parametrize("promise", [f"P{number}" for number in range(1, 9)])
def test_every_promise_is_cited_in_the_code_that_keeps_it(promise: str) -> None:
    cited = [
        path
        for path in python_files()
        if path.is_relative_to(ROOT / "engine")
        and re.search(rf"\b{promise}\b", path.read_text(encoding="utf-8"))
    ]

    assert cited


def _modules() -> list[str]:
    names = []
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            if path.stem != "__main__" and ">>>" in path.read_text(encoding="utf-8"):
                parts = path.relative_to(ROOT).with_suffix("").parts
                names.append(".".join(parts[:-1] if parts[-1] == "__init__" else parts))
    return names


@pytest.mark.parametrize("name", _modules())
def test_every_example_in_a_docstring_is_true(name: str) -> None:
    outcome = doctest.testmod(importlib.import_module(name), report=False)

    assert outcome.attempted > 0
    assert outcome.failed == 0
