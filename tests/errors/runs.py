"""One run of a scenario with one thing going wrong, and all that must hold after it."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final, TypeAlias

import pytest

from engine.errors import EngineError
from engine.pool.importing import import_disks
from tests.errors.scenarios import SCENARIOS, Scenario
from tests.errors.trouble import Kind, Lasting, Trouble, TroublePlan
from tests.errors.troubled_pool import (
    LARGE,
    SMALL,
    Life,
    Template,
    attempt,
    imported,
    pattern,
    recover,
    wait_patiently,
)

Run: TypeAlias = Callable[[Template, TroublePlan, Trouble], Sequence[str]]
"""Does something under a trouble, judges it, and returns the calls that went wrong."""


def sweep(
    run: Run,
    template: Template,
    plan: TroublePlan,
    *,
    kind: Kind,
    lasting: Lasting,
    disk: str,
    stride: int,
) -> int:
    """Run with the 1st call going wrong, then the one *stride* later, until none does.

    Returns how many runs met trouble. An AssertionError names the call.
    """
    nth = 1
    while True:
        trouble = Trouble(kind=kind, nth=nth, lasting=lasting, disk=disk)
        try:
            met = run(template, plan, trouble)
        except (AssertionError, EngineError) as error:
            raise AssertionError(f"{trouble}, met by {plan.met[:5]}: {error}") from error
        if not met:
            return nth // stride
        nth += stride


def run_scenario(
    scenario: Scenario, template: Template, plan: TroublePlan, trouble: Trouble
) -> list[str]:
    """Take the steps of *scenario* under *trouble*; return the calls that went wrong.

    What one disk does wrong, no program may hear of (P4). Whatever was refused:
    all that was called safe is on the disks, everything accepted reads as it
    was written, now and after the pool was opened again, and writing goes on.
    """
    template.fresh()
    scenario.prepare(template)
    life = Life(template, template.files)
    try:
        plan.arm(trouble)
        attempt(life, *scenario.steps)
        met = list(plan.met)
        plan.calm()
        if trouble.disk:
            assert not life.refused, f"{life.refused}; {life.events()}"
        if trouble.nth % 4 == 1:
            found = imported(template)
            lost = [name for name, data in life.safe.items() if found.get(name) != data]
            assert not lost, f"{lost} of what was safe is not on the disks"
        recover(life)
        assert life.differing() == []
        life.write(b"afterwards", b"still writable")
        accepted = life.accepted
    finally:
        plan.calm()
        life.pool.close()
    again = Life(template, accepted)
    try:
        assert again.differing() == []
        assert again.contradictions() == []
    finally:
        again.pool.close()
    return met


def run_opening(template: Template, plan: TroublePlan, trouble: Trouble) -> list[str]:
    """Open the pool under *trouble*, and again without; return the calls that went wrong.

    One disk that troubles keeps no pool closed (P4); more may, with an error.
    """
    template.fresh()
    plan.arm(trouble)
    try:
        life = Life(template, template.files)
    except EngineError:
        assert not trouble.disk, "one disk kept the pool closed"
        met = list(plan.met)
    else:
        try:
            met = list(plan.met)
            plan.calm()
            recover(life)
            assert life.differing() == []
            life.write(b"afterwards", b"still writable")
        finally:
            plan.calm()
            life.pool.close()
    finally:
        plan.calm()
    check_reopened(template, template.files)
    return met


def run_closing(template: Template, plan: TroublePlan, trouble: Trouble) -> list[str]:
    """Close a pool with unsynced data under *trouble*; return the calls that went wrong.

    With one disk in trouble all that was accepted is safe; with more, close may
    say that it is not, and what was safe before still is.
    """
    template.fresh()
    life = Life(template, template.files)
    life.write(b"safe", pattern(30, SMALL))
    life.write_unsynced(b"large", pattern(31, LARGE))
    life.write_unsynced(b"old0", pattern(32, SMALL))
    plan.arm(trouble)
    try:
        life.pool.close()
    except EngineError:
        assert not trouble.disk, "one disk kept accepted data from being safe"
        wanted = life.safe
    else:
        wanted = life.accepted
    finally:
        met = list(plan.met)
        plan.calm()
    check_reopened(template, wanted)
    return met


def run_import(template: Template, plan: TroublePlan, trouble: Trouble) -> list[str]:
    """Import the disks under *trouble*, and repeat it; return the calls that went wrong."""
    template.fresh()
    shutil.rmtree(template.place / "pool")
    plan.arm(trouble)
    try:
        import_disks(template.disks, template.place / "pool")
    except EngineError:
        assert not trouble.disk, "one disk kept the pool from being imported"
        plan.calm()
        import_disks(template.disks, template.place / "pool")
    finally:
        met = list(plan.met)
        plan.calm()
    check_reopened(template, template.files)
    return met


def check_reopened(template: Template, wanted: dict[bytes, bytes]) -> None:
    """Open the pool without any trouble: it holds *wanted*, and contradicts itself nowhere."""
    with pytest.MonkeyPatch.context() as patient:
        wait_patiently(patient)
        again = Life(template, wanted)
        try:
            wrong = [name for name in wanted if again.read(name) != wanted[name]]
            assert not wrong, f"{wrong} do not read as they were called safe"
            assert again.contradictions() == []
            again.write(b"at last", b"writable")
        finally:
            again.pool.close()


RUNS: Final[dict[str, Run]] = {
    **{scenario.name: partial(run_scenario, scenario) for scenario in SCENARIOS},
    "open": run_opening,
    "close": run_closing,
    "import": run_import,
}
"""All the engine does, by name."""
