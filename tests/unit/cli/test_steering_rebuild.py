"""``rebuild`` with wishes: each is passed on, and what cannot be meant is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dynamicfs_tui.cli.sizes import parse_size
from engine.status.views import ExitCode, WorkItemView, WorkState
from tests.unit.cli.canned_engine import CannedEngine, run_command

ITEM = WorkItemView(
    extent_id=7,
    kind="policy",
    state=WorkState.QUEUED,
    exposure=-1,
    done_bytes=0,
    total_bytes=2048,
    path="/vm/db.img",
)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--pause"], "done: pause"),
        (["--resume"], "done: resume"),
        (["--cancel"], "done: cancel"),
        (["--limit", "50M"], "done: limit"),
        (["--priority", "high"], "done: set_priority"),
        (["--full-speed", "3600"], "done: full_speed"),
        (["--first", "/vm"], "done: prefer"),
        (["--rebalance"], "done: rebalance"),
        (["--limit", "0", "--resume"], "done: limit\ndone: resume"),
    ],
)
def test_each_wish_is_passed_on_and_nothing_else_is_started(
    engine: CannedEngine, pool: Path, options: list[str], said: str
) -> None:
    engine.owned = True

    outcome = run_command(engine, "rebuild", pool, *options)

    assert outcome.code == ExitCode.FINE
    assert outcome.stdout == said + "\n"


@pytest.mark.parametrize(
    "options",
    [
        ["--pause", "--resume"],
        ["--limit", "fast"],
        ["--limit", "-5"],
        ["--priority", "warp"],
        ["--full-speed", "soon"],
    ],
)
def test_what_cannot_be_meant_is_refused(
    engine: CannedEngine, pool: Path, options: list[str]
) -> None:
    assert run_command(engine, "rebuild", pool, *options).code == ExitCode.USAGE


def test_the_work_is_listed_with_its_files(engine: CannedEngine, pool: Path) -> None:
    engine.control.work.items = (ITEM,)

    outcome = run_command(engine, "rebuild", pool, "--list")
    parsed = json.loads(run_command(engine, "rebuild", pool, "--list", "--json").stdout)

    assert "policy" in outcome.stdout
    assert "lost" in outcome.stdout
    assert "/vm/db.img" in outcome.stdout
    assert [one["extent_id"] for one in parsed["items"]] == [7]


@pytest.mark.parametrize(
    ("text", "size"),
    [("4096", 4096), ("50M", 52428800), ("50 MiB", 52428800), ("0", 0), ("1.5k", 1536)],
)
def test_sizes_are_read_as_people_write_them(text: str, size: int) -> None:
    assert parse_size(text) == size
