"""How every request handler is wrapped: counted, and never raising but FUSEError.

Any other exception would end the mount with clients left waiting (trap 5), so
the wrapping is done where handlers are defined and cannot be forgotten: a test
goes through every handler of the class.
"""

from __future__ import annotations

import errno
import functools
import logging
from collections.abc import Callable, Coroutine
from typing import Concatenate, ParamSpec, Protocol, TypeVar

from pyfuse3 import FUSEError

from engine.errors import CorruptionError, EngineError, VfsError
from fusebridge.errno_map import errno_of

logger = logging.getLogger(__name__)

Parameters = ParamSpec("Parameters")
Reply = TypeVar("Reply")


class Counted(Protocol):
    """Who has handlers: counts requests by handler name."""

    counts: dict[str, int]


class Changed(Counted, Protocol):
    """Whose changes may have to wait for room."""

    def has_room(self) -> bool:
        """Whether a change need not wait."""

    async def wait_for_room(self) -> None:
        """Wait until it need not, while others are served."""


Owner = TypeVar("Owner", bound=Counted)
ChangedOwner = TypeVar("ChangedOwner", bound=Changed)


def quick(
    function: Callable[Concatenate[Owner, Parameters], Reply],
) -> Callable[Concatenate[Owner, Parameters], Coroutine[object, None, Reply]]:
    """Make a handler of a function that never waits; it runs where it is called."""
    name = function.__name__

    @functools.wraps(function)
    async def handler(self: Owner, /, *args: Parameters.args, **kwargs: Parameters.kwargs) -> Reply:
        self.counts[name] += 1
        try:
            return function(self, *args, **kwargs)
        except FUSEError:
            raise
        except Exception as error:  # the client must get an answer (trap 5)
            raise refusal(name, error) from error

    vars(handler)["is_wrapped"] = True
    return handler


def changing(
    function: Callable[Concatenate[ChangedOwner, Parameters], Reply],
) -> Callable[Concatenate[ChangedOwner, Parameters], Coroutine[object, None, Reply]]:
    """Make a handler of a function that waits for nothing but room, beforehand and elsewhere."""
    name = function.__name__

    @functools.wraps(function)
    async def handler(
        self: ChangedOwner, /, *args: Parameters.args, **kwargs: Parameters.kwargs
    ) -> Reply:
        self.counts[name] += 1
        try:
            if not self.has_room():
                await self.wait_for_room()
            return function(self, *args, **kwargs)
        except FUSEError:
            raise
        except Exception as error:  # the client must get an answer (trap 5)
            raise refusal(name, error) from error

    vars(handler)["is_wrapped"] = True
    return handler


def waiting(
    function: Callable[Concatenate[Owner, Parameters], Coroutine[object, None, Reply]],
) -> Callable[Concatenate[Owner, Parameters], Coroutine[object, None, Reply]]:
    """Make a handler of a coroutine function that may offload."""
    name = function.__name__

    @functools.wraps(function)
    async def handler(self: Owner, /, *args: Parameters.args, **kwargs: Parameters.kwargs) -> Reply:
        self.counts[name] += 1
        try:
            return await function(self, *args, **kwargs)
        except FUSEError:
            raise
        except Exception as error:  # the client must get an answer (trap 5)
            raise refusal(name, error) from error

    vars(handler)["is_wrapped"] = True
    return handler


def refusal(name: str, error: Exception) -> FUSEError:
    """Return what the kernel is told instead of *error*, and log what is no refusal."""
    if isinstance(error, VfsError):
        return FUSEError(errno_of(error))
    if isinstance(error, EngineError):
        level = logging.ERROR if isinstance(error, CorruptionError) else logging.WARNING
        logger.log(level, "%s failed: %s: %s", name, type(error).__name__, error)
        return FUSEError(errno_of(error))
    logger.error("%s failed unexpectedly", name, exc_info=error)
    return FUSEError(errno.EIO)
