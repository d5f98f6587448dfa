"""The pool directory is a real file system without room: changes stop, nothing is lost (C8)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

import pytest

from engine.errors import EngineError, NoSpaceError
from engine.observe.events import Event, EventSeverity
from engine.pool import checkpoints
from engine.pool.condition_watch import CALM_LOOKS, ConditionWatch
from engine.pool.config import RESERVE_NAME
from engine.pool.verbs import PoolVerbs
from engine.status.catalog import MEANINGS
from engine.status.codes import Code
from engine.units import KIB, MIB
from tests.e2e.harness import run_tool
from tests.errors.runs import check_reopened
from tests.errors.small_file_system import small_file_system
from tests.errors.troubled_pool import Life, Template, pattern, troubled_template

SPARE_BYTES: Final = 600 * KIB
LEFT_BYTES: Final = 200 * KIB
"""Room for some groups, and for one copy of the database."""

FILES_MAX: Final = 2000


@pytest.fixture
def template() -> Iterator[Template]:
    with pytest.MonkeyPatch.context() as patch, troubled_template(patch) as (made, _plan):
        made.fresh()
        with small_file_system(made.place / "pool", spare_bytes=SPARE_BYTES):
            yield made


def _write_until_refused(life: Life) -> EngineError:
    for number in range(FILES_MAX):
        try:
            life.write(b"fill%d" % number, pattern(number, 9000))
        except EngineError as error:
            return error
    raise AssertionError("the pool directory never became full")


def test_a_full_pool_directory_refuses_what_is_new_and_deletes_go_on(template: Template) -> None:
    life = Life(template, template.files)
    try:
        refusal = _write_until_refused(life)
        filled = sorted(set(life.safe) - set(template.files))
        assert isinstance(refusal, NoSpaceError)
        assert filled

        for name in filled[::2]:
            life.unlink(name)
        life.pool.engine.syncer.sync_all()

        assert not life.pool.engine.refusal()
        assert [name for name, data in life.safe.items() if life.read(name) != data] == []
        assert "nothing new is taken until there is room" in life.events()
        run_tool(["mount", "-o", f"remount,size={64 * MIB}", template.place / "pool"])
        life.pool.engine.measure_space()
        life.write(b"again", pattern(1, 9000))
        assert (template.place / "pool" / RESERVE_NAME).exists()
    finally:
        life.pool.close()
    check_reopened(template, life.safe)


def test_a_checkpoint_without_room_is_told_once_and_repair_goes_on(
    template: Template, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoints, "due", lambda **_sizes: True)
    life = Life(template, template.files)
    watch = ConditionWatch(PoolVerbs(life.pool, mountpoint=str).view, life.pool.engine.base.events)
    try:
        _leave_room(template.place / "pool", LEFT_BYTES)
        next((template.place / "disk1").glob("fragments/*/*")).unlink()
        life.pool.maintenance.scrub.start(repair=True)

        for _ in range(100):
            life.pool.maintenance.checkpoints.turn()
            life.pool.maintenance.turn()
        for _ in range(CALM_LOOKS):
            watch.turn()

        told = _events_with(life, Code.CHECKPOINT_ROOM)
        assert [event.severity for event in told] == [EventSeverity.ERROR]
        assert MEANINGS[Code.CHECKPOINT_ROOM].action in told[0].text
        assert life.events().count("no room for a checkpoint") == 1
        assert life.pool.maintenance.scrub.progress().repaired == 1

        run_tool(["mount", "-o", f"remount,size={64 * MIB}", template.place / "pool"])
        life.pool.maintenance.checkpoints.turn()

        assert "proved over" in life.events()
        for _ in range(CALM_LOOKS):
            watch.turn()
        assert len(_events_with(life, Code.CHECKPOINT_ROOM)) == 2  # And that it is over.
    finally:
        life.pool.close()
    check_reopened(template, template.files)


def _events_with(life: Life, code: Code) -> list[Event]:
    return [event for event in life.pool.engine.base.events.since(0) if event.code == code]


def _leave_room(folder: Path, room_bytes: int) -> None:
    """Fill the file system of *folder* but for *room_bytes*."""
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as file, suppress(OSError):
        while file.write(bytes(4 * KIB)):
            pass
    os.truncate(filler, filler.stat().st_size - room_bytes)
