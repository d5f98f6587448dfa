"""Groups that a request does not name."""

from __future__ import annotations

import os

from fusebridge.groups import further_groups_of


def test_the_groups_of_a_process_are_those_it_has() -> None:
    assert set(further_groups_of(os.getpid())) == set(os.getgroups())


def test_a_process_that_cannot_be_seen_has_none() -> None:
    assert list(further_groups_of(0)) == []
