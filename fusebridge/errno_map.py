"""The one place where an engine error becomes an errno.

A class without an entry has its base's, found along ``__mro__``, so every
error of the engine has one; a test goes through all of them.
"""

from __future__ import annotations

import errno
from typing import Final

from engine import errors

ERRNO_BY_CLASS: Final[dict[type[errors.EngineError], int]] = {
    # Whatever is not known better is a failed input or output.
    errors.EngineError: errno.EIO,
    errors.RetryableError: errno.EIO,
    errors.RejectedError: errno.EINVAL,
    errors.CorruptionError: errno.EIO,
    errors.DeviceError: errno.EIO,
    errors.DeviceFullError: errno.ENOSPC,
    # An fsync that waited for a lost group must hear that its data is not safe.
    errors.EngineStoppedError: errno.EIO,
    errors.QuorumError: errno.EIO,
    errors.PoolBusyError: errno.EBUSY,
    errors.PoolError: errno.EIO,
    errors.PolicyError: errno.EINVAL,
    errors.UsageError: errno.EINVAL,
    errors.VfsError: errno.EINVAL,
    errors.NotFoundError: errno.ENOENT,
    errors.ExistsError: errno.EEXIST,
    errors.NotDirectoryError: errno.ENOTDIR,
    errors.IsDirectoryError: errno.EISDIR,
    errors.NotEmptyError: errno.ENOTEMPTY,
    errors.NameTooLongError: errno.ENAMETOOLONG,
    errors.TooManyLinksError: errno.EMLINK,
    errors.InvalidArgumentError: errno.EINVAL,
    errors.NotPermittedError: errno.EPERM,
    errors.AccessDeniedError: errno.EACCES,
    errors.FileTooLargeError: errno.EFBIG,
    errors.NoAttributeError: errno.ENODATA,
    errors.AttributeTooLargeError: errno.E2BIG,
    errors.NotSupportedError: errno.EOPNOTSUPP,
    errors.StaleHandleError: errno.ESTALE,
    errors.ReadOnlyError: errno.EROFS,
    errors.BadHandleError: errno.EBADF,
    errors.NoSpaceError: errno.ENOSPC,
}


def errno_of(error: errors.EngineError) -> int:
    """Return the errno a program sees for *error*.

    >>> errno_of(errors.NoSpaceError()) == errno.ENOSPC
    True
    """
    for kind in type(error).__mro__:
        number = ERRNO_BY_CLASS.get(kind)
        if number is not None:
            return number
    return errno.EIO
