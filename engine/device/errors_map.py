"""The one place where ``OSError`` becomes a ``DeviceError``."""

from __future__ import annotations

import errno
from typing import Final

from engine.errors import (
    DeviceDeniedError,
    DeviceError,
    DeviceFailedError,
    DeviceFullError,
    DeviceGoneError,
    NameAbsentError,
    NameTakenError,
)

LEAF_OF_ERRNO: Final[dict[int, type[DeviceError]]] = {
    errno.ENOENT: NameAbsentError,
    errno.ENOTDIR: NameAbsentError,
    errno.EISDIR: NameAbsentError,
    errno.ELOOP: NameAbsentError,
    errno.EEXIST: NameTakenError,
    errno.ENOSPC: DeviceFullError,
    errno.EDQUOT: DeviceFullError,
    errno.EROFS: DeviceDeniedError,
    errno.EACCES: DeviceDeniedError,
    errno.EPERM: DeviceDeniedError,
    errno.ENODEV: DeviceGoneError,
    errno.ENXIO: DeviceGoneError,
    errno.ENOTCONN: DeviceGoneError,
    errno.ESTALE: DeviceGoneError,
    errno.EBADF: DeviceGoneError,
    errno.ESHUTDOWN: DeviceGoneError,
}
"""Whatever is not listed, EIO first of all, is ``DeviceFailedError``."""


def device_error(error: OSError, subject: str) -> DeviceError:
    """Return what *error* means for a caller; *subject* says what was tried.

    >>> device_error(OSError(errno.ENOSPC, "no space"), "put a")
    DeviceFullError('put a: no space')
    """
    leaf = LEAF_OF_ERRNO.get(error.errno or 0, DeviceFailedError)
    return leaf(f"{subject}: {error.strerror or error}")
