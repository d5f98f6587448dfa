"""Every error of the engine has the errno a program expects."""

from __future__ import annotations

import errno
from collections.abc import Iterator

import pytest

from engine import errors
from fusebridge.errno_map import ERRNO_BY_CLASS, errno_of


def every_error(base: type[errors.EngineError]) -> Iterator[type[errors.EngineError]]:
    yield base
    for child in base.__subclasses__():
        yield from every_error(child)


def make(kind: type[errors.EngineError]) -> errors.EngineError:
    """Make one without its constructor: leaves take arguments of their own."""
    return kind.__new__(kind)


def test_every_refusal_of_posix_has_the_errno_its_docstring_names() -> None:
    leaves = set(every_error(errors.VfsError)) - {errors.VfsError}

    named = {leaf: (leaf.__doc__ or "").partition(":")[0] for leaf in leaves}

    assert len(leaves) >= 18
    assert {leaf: errno_of(make(leaf)) for leaf in leaves} == {
        leaf: getattr(errno, name) for leaf, name in named.items()
    }


def test_every_other_error_is_one_of_the_few_a_program_can_act_on() -> None:
    expected = {errno.EIO, errno.ENOSPC, errno.EINVAL, errno.EBUSY, errno.EPERM}

    others = set(every_error(errors.EngineError)) - set(every_error(errors.VfsError))

    assert {errno_of(make(kind)) for kind in others} <= expected


@pytest.mark.parametrize("kind", sorted(every_error(errors.CorruptionError), key=repr))
def test_damage_is_an_input_output_error(kind: type[errors.EngineError]) -> None:
    assert errno_of(make(kind)) == errno.EIO


@pytest.mark.parametrize(
    ("kind", "number"),
    [
        (errors.NoSpaceError, errno.ENOSPC),
        (errors.DeviceFullError, errno.ENOSPC),
        (errors.DeviceGoneError, errno.EIO),
        (errors.EngineStoppedError, errno.EIO),
        (errors.QuorumError, errno.EIO),
        (errors.ReadOnlyError, errno.EROFS),
    ],
)
def test_what_fsync_may_report_is_told_apart(kind: type[errors.EngineError], number: int) -> None:
    assert errno_of(make(kind)) == number


def test_a_new_leaf_has_the_errno_of_its_nearest_base() -> None:
    class NewLeafError(errors.NoSpaceError):
        pass

    assert errno_of(NewLeafError()) == errno.ENOSPC


def test_the_table_has_the_base_so_that_nothing_is_without_errno() -> None:
    assert ERRNO_BY_CLASS[errors.EngineError] == errno.EIO
