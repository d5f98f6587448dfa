"""Every request handler is wrapped, and the wrapping tells the right errno."""

from __future__ import annotations

import asyncio
import errno
import inspect
import os

import pyfuse3
import pytest

from engine.errors import DamagedPageError, NotFoundError
from engine.vfs.interface import OpenMode
from fusebridge.handlers import quick, waiting
from fusebridge.operations import HANDLER_NAMES, Operations, open_mode_of
from tests.conftest import ExpectedWarnings

NOT_SERVED = {"access", "poll"}
"""The kernel checks access itself (default_permissions); nothing here can be polled."""


def test_every_request_pyfuse3_knows_has_a_wrapped_handler() -> None:
    known = {
        name
        for name, function in vars(pyfuse3.Operations).items()
        if inspect.iscoroutinefunction(function)
    }

    assert set(HANDLER_NAMES) == known - NOT_SERVED
    assert all(vars(getattr(Operations, name)).get("is_wrapped") for name in HANDLER_NAMES)


class Failing:
    """Two handlers that raise what they are told to."""

    def __init__(self, error: Exception) -> None:
        self.counts = {"at_once": 0, "later": 0}
        self._error = error

    @quick
    def at_once(self) -> None:
        raise self._error

    @waiting
    async def later(self) -> None:
        raise self._error


@pytest.mark.parametrize(
    ("error", "number"),
    [
        (NotFoundError(), errno.ENOENT),
        (DamagedPageError("page 3"), errno.EIO),
        (ValueError("a bug"), errno.EIO),
        (OSError(errno.EAGAIN, "receive_buf"), errno.EIO),
        (pyfuse3.FUSEError(errno.EXDEV), errno.EXDEV),
    ],
)
@pytest.mark.parametrize("name", ["at_once", "later"])
def test_whatever_a_handler_raises_becomes_an_errno(
    name: str, error: Exception, number: int, expected_warnings: ExpectedWarnings
) -> None:
    expected_warnings(f"{name} failed")
    failing = Failing(error)

    with pytest.raises(pyfuse3.FUSEError) as caught:
        asyncio.run(getattr(failing, name)())

    assert caught.value.errno == number
    assert failing.counts[name] == 1


@pytest.mark.parametrize(
    ("flags", "mode"),
    [
        (os.O_RDONLY, OpenMode.READ),
        (os.O_WRONLY | os.O_APPEND, OpenMode.WRITE),
        (os.O_RDWR | os.O_TRUNC, OpenMode.READ | OpenMode.WRITE),
        (os.O_RDONLY | os.O_DIRECT, OpenMode.READ | OpenMode.DIRECT),
        (os.O_RDONLY | os.O_NOATIME, OpenMode.READ | OpenMode.UNNOTICED),
    ],
)
def test_open_flags_become_modes(flags: int, mode: OpenMode) -> None:
    assert open_mode_of(flags) == mode
