"""A disk stops answering at any of its calls: everything goes on, in bounded time."""

from __future__ import annotations

import time
from collections.abc import Iterator
from functools import partial
from typing import Final

import pytest

from tests.errors.runs import RUNS, sweep
from tests.errors.trouble import Kind, Lasting, Trouble, TroublePlan
from tests.errors.troubled_pool import (
    CALL_S,
    Life,
    Template,
    shorten_device_limits,
    troubled_template,
)

STRIDES: Final = {"open": 1}
STRIDE: Final = 6
"""How far apart the calls are that hang; an open asks its disks in many ways."""

RUN_S_MAX: Final = 60 * CALL_S
"""What a run may take at most: calls cost their limit, but not one after another for good."""

DISK: Final = "disk2"


@pytest.fixture(scope="module")
def setting() -> Iterator[tuple[Template, TroublePlan]]:
    """A pool to copy, whose calls are given up early, and the plan its disks follow."""
    with pytest.MonkeyPatch.context() as patch, troubled_template(patch) as made:
        shorten_device_limits(patch)
        yield made


def _timed(name: str, template: Template, plan: TroublePlan, trouble: Trouble) -> list[str]:
    begun_s = time.monotonic()
    met = RUNS[name](template, plan, trouble)
    took_s = time.monotonic() - begun_s
    assert took_s < RUN_S_MAX, f"it took {took_s:.1f} s"
    return list(met)


@pytest.mark.parametrize("name", list(RUNS))
def test_a_disk_that_hangs_from_some_call_on_stops_nobody(
    setting: tuple[Template, TroublePlan], name: str
) -> None:
    run = partial(_timed, name)

    assert sweep(
        run,
        *setting,
        kind=Kind.HANG,
        lasting=Lasting.STAYS,
        disk=DISK,
        stride=STRIDES.get(name, STRIDE),
    ), "no call hung"


@pytest.mark.soak
@pytest.mark.parametrize("lasting", list(Lasting), ids=str)
@pytest.mark.parametrize("name", list(RUNS))
def test_each_single_call_can_hang(
    setting: tuple[Template, TroublePlan], name: str, lasting: Lasting
) -> None:
    run = partial(_timed, name)

    assert sweep(run, *setting, kind=Kind.HANG, lasting=lasting, disk=DISK, stride=1)


@pytest.mark.parametrize("nth", [3, 7, 11])
def test_a_disk_that_hangs_within_an_open_costs_it_one_wait_and_is_told(
    setting: tuple[Template, TroublePlan], nth: int
) -> None:
    """At its journal; then behind the scan: as it is to take the epoch, and half-way."""
    template, plan = setting
    template.fresh()
    plan.arm(Trouble(kind=Kind.HANG, nth=nth, lasting=Lasting.STAYS, disk=DISK))
    life = Life(template, template.files)
    try:
        waits = list(plan.met)
        (there,) = [
            one for one in life.pool.engine.base.disks.presences() if one.record.name == "d2"
        ]

        assert len(waits) == 1
        assert "d2 did not answer while the pool was opened" in life.events()
        assert "did not answer" in there.reason
    finally:
        plan.calm()
        life.pool.close()


def test_a_disk_that_hangs_is_named_and_comes_back_by_itself(
    setting: tuple[Template, TroublePlan],
) -> None:
    template, plan = setting
    template.fresh()
    life = Life(template, template.files)
    try:
        plan.arm(Trouble(kind=Kind.HANG, nth=1, lasting=Lasting.STAYS, disk=DISK))
        life.write(b"file", b"safe all the same")
        life.pool.membership.probe()
        shown = {one.record.name: one for one in life.pool.engine.base.disks.presences()}
        assert "did not answer" in shown["d2"].reason or "no answer" in shown["d2"].reason

        plan.calm()
        deadline_s = time.monotonic() + 100 * CALL_S
        while life.pool.engine.base.disks.presences()[1].reason:
            assert time.monotonic() < deadline_s, "the disk stays suspect for good"
            life.pool.membership.probe()
    finally:
        plan.calm()
        life.pool.close()
