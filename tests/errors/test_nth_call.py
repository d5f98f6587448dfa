"""Every call of a disk goes wrong in every way: nothing is lost, nobody is lied to."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.errors.runs import RUNS, sweep
from tests.errors.trouble import Kind, Lasting, TroublePlan
from tests.errors.troubled_pool import Template, troubled_template

ONE_DISK_STRIDES = {Kind.EIO: 7, Kind.ENOSPC: 17, Kind.EROFS: 19, Kind.TORN: 9, Kind.SHORT: 7}
EVERY_DISK_STRIDES = {Kind.EIO: 53, Kind.ENOSPC: 67, Kind.EROFS: 97, Kind.TORN: 23, Kind.SHORT: 9}
"""How far apart the calls are that go wrong; the soak takes every one."""

DISK, ANY_DISK = "disk1", ""


@pytest.fixture(scope="module")
def setting() -> Iterator[tuple[Template, TroublePlan]]:
    """A pool to copy, and the plan that its disks follow."""
    with pytest.MonkeyPatch.context() as patch, troubled_template(patch) as made:
        yield made


@pytest.mark.parametrize("lasting", list(Lasting), ids=str)
@pytest.mark.parametrize("kind", list(ONE_DISK_STRIDES), ids=str)
@pytest.mark.parametrize("name", list(RUNS))
def test_what_one_disk_does_wrong_is_heard_by_no_program(
    setting: tuple[Template, TroublePlan], name: str, kind: Kind, lasting: Lasting
) -> None:
    stride = ONE_DISK_STRIDES[kind]

    met = sweep(RUNS[name], *setting, kind=kind, lasting=lasting, disk=DISK, stride=stride)

    assert met or kind is not Kind.EIO, "no call went wrong"


@pytest.mark.parametrize("lasting", list(Lasting), ids=str)
@pytest.mark.parametrize("kind", list(EVERY_DISK_STRIDES), ids=str)
@pytest.mark.parametrize("name", list(RUNS))
def test_when_every_disk_errs_what_was_called_safe_stays_and_the_rest_is_refused(
    setting: tuple[Template, TroublePlan], name: str, kind: Kind, lasting: Lasting
) -> None:
    stride = EVERY_DISK_STRIDES[kind]

    met = sweep(RUNS[name], *setting, kind=kind, lasting=lasting, disk=ANY_DISK, stride=stride)

    assert met or kind is not Kind.EIO, "no call went wrong"


@pytest.mark.soak
@pytest.mark.parametrize("disk", [DISK, ANY_DISK], ids=["one disk", "every disk"])
@pytest.mark.parametrize("lasting", list(Lasting), ids=str)
@pytest.mark.parametrize("kind", list(ONE_DISK_STRIDES), ids=str)
@pytest.mark.parametrize("name", list(RUNS))
def test_each_single_call_can_go_wrong(
    setting: tuple[Template, TroublePlan], name: str, kind: Kind, lasting: Lasting, disk: str
) -> None:
    met = sweep(RUNS[name], *setting, kind=kind, lasting=lasting, disk=disk, stride=1)

    assert met or kind is not Kind.EIO, "no call went wrong"
