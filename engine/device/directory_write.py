"""Writing one file so that its name stands for all of its bytes (DESIGN 4)."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

from engine.device.abandonment import refuse_if_abandoned
from engine.device.calls import FileSystemCalls
from engine.device.direct_io import aligned_batches, forget_pages, is_as_written
from engine.device.protocol import Buffer
from engine.errors import DeviceFailedError
from engine.limits import BLOCK_BYTES
from engine.units import align_up

_PROBE_NAME = "direct-io-probe"


def takes_direct_io(tmp: int) -> bool:
    """Whether files in the folder *tmp* can be written around the page cache."""
    try:
        descriptor = os.open(
            _PROBE_NAME, os.O_RDWR | os.O_CREAT | os.O_DIRECT | os.O_CLOEXEC, 0o600, dir_fd=tmp
        )
    except OSError as error:
        if error.errno in (errno.EINVAL, errno.EOPNOTSUPP, errno.EROFS):
            return False
        raise
    try:
        for batch in aligned_batches([bytes(BLOCK_BYTES)]):
            os.pwritev(descriptor, batch, 0)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        return False
    finally:
        os.close(descriptor)
        os.unlink(_PROBE_NAME, dir_fd=tmp)
    return True


class FileWriter:
    """Writes whole files under temporary names and hands them over by rename."""

    def __init__(self, calls: FileSystemCalls, *, direct_io: bool) -> None:
        self._calls = calls
        self.direct_io = direct_io

    @contextmanager
    def written(self, tmp: int, temp_name: str, parts: Sequence[Buffer]) -> Iterator[None]:
        """Give *parts* as the durable, proved file *temp_name*, to be renamed.

        Unless the block renames it, the temporary name is removed again; a
        failed flush is not repeated, for the kernel forgets what it lost.
        """
        descriptor = self._calls.create(tmp, temp_name, os.O_DIRECT if self.direct_io else 0)
        try:
            try:
                self._fill(descriptor, parts)
            finally:
                os.close(descriptor)
            refuse_if_abandoned(temp_name)
            yield
        except BaseException:
            # The first error is what the caller must hear; a temporary name
            # that stays behind is removed at the next open.
            with suppress(OSError):
                self._calls.unlink(tmp, temp_name)
            raise

    def _fill(self, descriptor: int, parts: Sequence[Buffer]) -> None:
        length = sum(len(part) for part in parts)
        if length:
            self._calls.preallocate(descriptor, align_up(length, BLOCK_BYTES))
        if self.direct_io:
            offset = 0
            for batch in aligned_batches(parts):
                self._calls.write(descriptor, batch, offset)
                offset += sum(len(view) for view in batch)
        else:
            self._calls.write(descriptor, parts, 0)
        if length % BLOCK_BYTES:
            self._calls.truncate(descriptor, length)
        self._calls.fdatasync(descriptor)
        if not self.direct_io:
            # The page cache would only prove itself.
            forget_pages(descriptor)
        if not is_as_written(descriptor, parts, length):
            raise DeviceFailedError("what was read back is not what was written")
