"""The metadata database refuses, fails or fills up at every one of its calls."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext, suppress
from functools import partial
from typing import Final

import pytest

from engine.errors import EngineError
from tests.errors.runs import check_reopened, sweep
from tests.errors.scenarios import JOURNALS, REMOVALS, WRITES, Scenario
from tests.errors.trouble import Kind, Lasting, Trouble, TroublePlan
from tests.errors.troubled_database import DATABASE, troubled_database
from tests.errors.troubled_pool import Life, Template, attempt, imported, recover, troubled_template

STRIDES: Final = {Kind.EIO: 71, Kind.ENOSPC: 61}
"""How far apart the calls are that go wrong; the soak takes every one."""


@pytest.fixture(scope="module")
def setting() -> Iterator[tuple[Template, TroublePlan]]:
    with (
        pytest.MonkeyPatch.context() as patch,
        troubled_template(patch) as (template, plan),
        troubled_database(patch, plan),
    ):
        yield template, plan


def _run(scenario: Scenario, template: Template, plan: TroublePlan, trouble: Trouble) -> list[str]:
    """Take the steps with a database in trouble, which may stop the engine (C8).

    Then, what was called safe is read on, is on the disks, and is there again
    after a reopen; or, where the engine went on, all that was accepted.
    """
    template.fresh()
    life = Life(template, template.files)
    is_stopped = False
    try:
        plan.arm(trouble)
        attempt(life, *scenario.steps)
        met = list(plan.met)
        plan.calm()
        is_stopped = bool(life.pool.engine.base.store.stopped)
        wrong = [name for name, data in life.safe.items() if life.read(name) != data]
        assert not wrong, f"{wrong} were called safe and read as other bytes"
        found = imported(template)
        lost = [name for name, data in life.safe.items() if found.get(name) != data]
        assert not lost, f"{lost} of what was safe is not on the disks"
        if is_stopped:
            with pytest.raises(EngineError):
                life.write(b"later", b"refused")
            wanted = dict(life.safe)
        else:
            recover(life)
            assert life.differing() == []
            wanted = dict(life.accepted)
    finally:
        plan.calm()
        with suppress(EngineError) if is_stopped else nullcontext():
            life.pool.close()
    check_reopened(template, wanted)
    return met


@pytest.mark.parametrize("lasting", list(Lasting), ids=str)
@pytest.mark.parametrize("kind", list(STRIDES), ids=str)
@pytest.mark.parametrize("scenario", [WRITES, REMOVALS, JOURNALS], ids=str)
def test_a_database_that_fails_costs_nothing_that_was_called_safe(
    setting: tuple[Template, TroublePlan], scenario: Scenario, kind: Kind, lasting: Lasting
) -> None:
    run = partial(_run, scenario)

    met = sweep(run, *setting, kind=kind, lasting=lasting, disk=DATABASE, stride=STRIDES[kind])

    assert met, "no call of the database went wrong"


@pytest.mark.soak
@pytest.mark.parametrize("lasting", list(Lasting), ids=str)
@pytest.mark.parametrize("kind", list(STRIDES), ids=str)
@pytest.mark.parametrize("scenario", [WRITES, REMOVALS, JOURNALS], ids=str)
def test_each_single_call_of_the_database_can_fail(
    setting: tuple[Template, TroublePlan], scenario: Scenario, kind: Kind, lasting: Lasting
) -> None:
    run = partial(_run, scenario)

    assert sweep(run, *setting, kind=kind, lasting=lasting, disk=DATABASE, stride=1)
