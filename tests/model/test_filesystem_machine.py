"""The file system beside a tree in memory, with every trouble as an ordinary step.

Invariants: the same names, links, sizes, bytes, attributes and times (P1, P4).
After a crash that also takes the pool directory: names and attributes are those
of one moment since the last acknowledgement, what fsync acknowledged is there,
and every other file has a content it had at some moment, never other bytes (P2,
P3). With up to m disks lost, rotten or failed nothing of that changes.
"""

from __future__ import annotations

import os

import pytest
from hypothesis import seed, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.model.attribute_verbs import AttributeVerbs
from tests.model.data_verbs import DataVerbs
from tests.model.name_verbs import NameVerbs
from tests.model.policy_verbs import PolicyVerbs
from tests.model.troubles import Troubles


class FileSystemMachine(NameVerbs, DataVerbs, AttributeVerbs, PolicyVerbs, Troubles):
    """Every verb of the file system and every trouble, in any order."""


@pytest.mark.timeout(600)
def test_the_file_system_is_the_models_whatever_happens() -> None:
    # There are many rules, and an example costs little: more than a profile says.
    limits = settings(
        max_examples=settings().max_examples * 3 // 2,
        stateful_step_count=50,
        report_multiple_bugs=False,
    )

    run_state_machine_as_test(FileSystemMachine, settings=limits)


@pytest.mark.soak
@pytest.mark.timeout(0)
def test_the_file_system_is_the_models_whatever_happens_for_long() -> None:
    number = int(os.environ.get("DYNAMICFS_SEED", "1"))
    limits = settings(
        max_examples=3000, stateful_step_count=80, derandomize=False, report_multiple_bugs=False
    )

    run_state_machine_as_test(seed(number)(FileSystemMachine), settings=limits)
