"""What is said of a verb on a disk before it is done, fact by fact."""

from __future__ import annotations

from dataclasses import replace

import pytest

from engine.model.disk import DiskState
from engine.policy.plan import DiskVerb, Judged, PlanFacts, judge
from engine.policy.what_if import Assessment, Share

SOME = Share(extents=3, length_bytes=24 << 20)


def facts(verb: DiskVerb) -> PlanFacts:
    """A whole pool of seven disks for six fragments an extent, and one disk of it."""
    return PlanFacts(
        verb=verb,
        name="d1",
        state=DiskState.HEALTHY,
        present=True,
        detached=False,
        fragments=100,
        assessment=Assessment(degraded=SOME, least_left=1),
        may_fail=2,
        carriers_left=6,
        carriers_needed=3,
        healthy_left=6,
        width=6,
    )


EMPTY = Assessment()
LOST = Assessment(lost=SOME)
EXPOSED = Assessment(exposed=SOME, least_left=0)


@pytest.mark.parametrize(
    ("verb", "changes", "judged", "why"),
    [
        (DiskVerb.DRAIN, {}, Judged.SAFE, "before its copy elsewhere is safe"),
        (DiskVerb.DRAIN, {"fragments": 0}, Judged.SAFE, "before its copy"),
        (DiskVerb.DRAIN, {"state": DiskState.SUSPECT}, Judged.SAFE, "before its copy"),
        (DiskVerb.DRAIN, {"state": DiskState.DRAINING}, Judged.BLOCKED, "draining already"),
        (DiskVerb.DRAIN, {"state": DiskState.FAILED}, Judged.BLOCKED, "marked failed"),
        (DiskVerb.DRAIN, {"present": False}, Judged.BLOCKED, "not there: replace it"),
        (DiskVerb.DRAIN, {"detached": True}, Judged.BLOCKED, "not there"),
        (DiskVerb.DRAIN, {"homeless_fragments": 7}, Judged.BLOCKED, "7 fragments have no disk"),
        (DiskVerb.DRAIN, {"homeless_bytes": 1 << 20}, Judged.BLOCKED, "1.0 MiB have no room"),
        (DiskVerb.DRAIN, {"may_fail": 0}, Judged.RISKY, "next disk to fail"),
        (DiskVerb.DRAIN, {"healthy_left": 5}, Judged.RISKY, "written narrower"),
        (DiskVerb.DRAIN, {"fullest": "d2", "fullest_ratio": 0.95}, Judged.RISKY, "d2 gets 95%"),
        (DiskVerb.REPLACE, {}, Judged.SAFE, "before its copy on the new one"),
        (DiskVerb.REPLACE, {"obstacle": "no directory"}, Judged.BLOCKED, "no directory"),
        (DiskVerb.REPLACE, {"homeless_bytes": 1}, Judged.BLOCKED, "no room"),
        (DiskVerb.REPLACE, {"present": False}, Judged.SAFE, "rebuilt from the others"),
        (DiskVerb.REPLACE, {"present": False, "assessment": LOST}, Judged.RISKY, "cannot be"),
        (DiskVerb.REPLACE, {"detached": True, "present": False}, Judged.BLOCKED, "is detached"),
        (DiskVerb.REMOVE, {"fragments": 0, "assessment": EMPTY}, Judged.SAFE, "no data is on d1"),
        (DiskVerb.REMOVE, {"fragments": 1}, Judged.BLOCKED, "1 fragments are on d1"),
        (DiskVerb.REMOVE, {"fragments": 0, "carriers_left": 2}, Judged.BLOCKED, "the journals"),
        (DiskVerb.REMOVE, {"fragments": 0, "healthy_left": 5}, Judged.RISKY, "narrower"),
        (DiskVerb.FAIL, {}, Judged.SAFE, "rebuilt on the others at once"),
        (DiskVerb.FAIL, {"assessment": EXPOSED}, Judged.RISKY, "no further loss"),
        (DiskVerb.FAIL, {"assessment": LOST}, Judged.BLOCKED, "could not be read without d1"),
        (DiskVerb.FAIL, {"assessment": LOST, "present": False}, Judged.SAFE, "rebuilt"),
        (DiskVerb.FAIL, {"carriers_left": 2}, Judged.BLOCKED, "the journals"),
        (DiskVerb.FAIL, {"homeless_fragments": 1}, Judged.RISKY, "no other disk"),
        (DiskVerb.FAIL, {"homeless_bytes": 1}, Judged.RISKY, "no room"),
        (DiskVerb.FAIL, {"state": DiskState.FAILED}, Judged.BLOCKED, "failed already"),
        (DiskVerb.DETACH, {}, Judged.SAFE, "survive one loss less"),
        (DiskVerb.DETACH, {"assessment": EXPOSED}, Judged.RISKY, "no further loss"),
        (DiskVerb.DETACH, {"assessment": LOST}, Judged.BLOCKED, "while d1 is away"),
        (DiskVerb.DETACH, {"carriers_left": 2}, Judged.BLOCKED, "the journals"),
        (DiskVerb.DETACH, {"present": False}, Judged.BLOCKED, "is not there"),
        (DiskVerb.DETACH, {"detached": True, "present": False}, Judged.BLOCKED, "already"),
        (DiskVerb.ATTACH, {"detached": True, "present": False}, Judged.SAFE, "checked, as ever"),
        (DiskVerb.ATTACH, {}, Judged.BLOCKED, "is there already"),
        (DiskVerb.HEAL, {"state": DiskState.FAILED}, Judged.SAFE, "checked, as ever"),
        (DiskVerb.HEAL, {"state": DiskState.SUSPECT, "suspicious": 4}, Judged.RISKY, "4 errors"),
        (DiskVerb.HEAL, {}, Judged.BLOCKED, "healthy already"),
        (DiskVerb.HEAL, {"state": DiskState.FAILED, "present": False}, Judged.BLOCKED, "not there"),
    ],
)  # fmt: skip
def test_a_verb_is_judged_by_the_fact_that_weighs_most(
    verb: DiskVerb, changes: dict[str, object], judged: Judged, why: str
) -> None:
    ruling = judge(replace(facts(verb), **changes))  # type: ignore[arg-type]

    assert (ruling.judged, why in ruling.reasons[0]) == (judged, True), ruling


@pytest.mark.parametrize("verb", [DiskVerb.DRAIN, DiskVerb.REPLACE])
def test_what_has_no_disk_to_go_to_is_no_obstacle_where_it_may_become_narrower(
    verb: DiskVerb,
) -> None:
    ruling = judge(replace(facts(verb), homeless_fragments=7, narrows=True))

    assert ruling.judged is not Judged.BLOCKED


@pytest.mark.parametrize(
    ("verb", "changes", "answer"),
    [
        (DiskVerb.FAIL, {}, "name"),
        (DiskVerb.FAIL, {"fragments": 0}, "yes"),
        (DiskVerb.FAIL, {"present": False}, "yes"),
        (DiskVerb.DETACH, {}, "yes"),
        (DiskVerb.DETACH, {"assessment": EXPOSED}, "name"),
        (DiskVerb.DRAIN, {}, "yes"),
        (DiskVerb.REPLACE, {}, "yes"),
        (DiskVerb.REMOVE, {"fragments": 0}, "yes"),
    ],
)
def test_the_name_is_typed_where_redundancy_is_lowered(
    verb: DiskVerb, changes: dict[str, object], answer: str
) -> None:
    ruling = judge(replace(facts(verb), **changes))  # type: ignore[arg-type]

    assert ruling.lowers_redundancy is (answer == "name")


def test_other_jobs_are_mentioned_behind_the_deciding_reason() -> None:
    ruling = judge(replace(facts(DiskVerb.DRAIN), jobs=("a scrub runs",)))

    assert ruling.judged is Judged.SAFE
    assert "a scrub runs" in ruling.reasons[-1]


def test_draining_is_suggested_where_failing_would_cost_redundancy() -> None:
    assert "drain d1" in judge(replace(facts(DiskVerb.FAIL), assessment=EXPOSED)).suggestion
    assert judge(facts(DiskVerb.DRAIN)).suggestion == ""


def test_every_verb_says_why_whatever_it_judges() -> None:
    for verb in DiskVerb:
        for state in DiskState:
            assert judge(replace(facts(verb), state=state)).reasons
