"""The two descriptors the serving thread looks at: the kernel's and its own bell.

``peek`` asks without giving up the interpreter lock, ``sleep`` waits and gives
it up. The bell is an eventfd that other threads ring.
"""

from __future__ import annotations

import ctypes
import os
import select
import threading
from typing import Final


class _PollEntry(ctypes.Structure):
    """C's ``struct pollfd``."""

    _fields_ = (("fd", ctypes.c_int), ("events", ctypes.c_short), ("revents", ctypes.c_short))


# PyDLL keeps the interpreter lock during the call; select.poll(0) gives it up
# and, beside a busy Python thread, gets it back a whole switch interval later
# (trap 8). Only ever called with timeout zero: a blocking call this way would
# stop the process.
_poll_keeping_lock = ctypes.PyDLL(None).poll
_poll_keeping_lock.argtypes = (ctypes.c_void_p, ctypes.c_ulong, ctypes.c_int)
_poll_keeping_lock.restype = ctypes.c_int

_WATCHED: Final = select.POLLIN | select.POLLPRI


class Descriptors:
    """The kernel's descriptor and the bell.

    ``ring`` may be called from any thread at any time; everything else
    belongs to the serving thread.
    """

    def __init__(self) -> None:
        self._bell = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._bell_open = True
        self._bell_lock = threading.Lock()
        self._bell_poll = select.poll()
        self._bell_poll.register(self._bell, select.POLLIN)
        self._both_poll = select.poll()
        self._both_poll.register(self._bell, select.POLLIN)
        self._kernel = -1
        self._entry = _PollEntry(-1, _WATCHED, 0)
        self._entry_address = ctypes.addressof(self._entry)

    @property
    def kernel(self) -> int:
        """The kernel's descriptor; -1 until adopted."""
        return self._kernel

    def adopt(self, kernel: int) -> None:
        """Take the kernel's descriptor over and make it non-blocking (trap 1)."""
        os.set_blocking(kernel, False)
        self._kernel = kernel
        self._entry.fd = kernel
        self._both_poll.register(kernel, _WATCHED)

    def peek(self) -> bool:
        """Return whether the kernel has a request (or an end) for us, at once.

        An error condition counts: the receive then reports the end (trap 13).
        """
        ready: int = _poll_keeping_lock(self._entry_address, 1, 0)
        return ready > 0

    def sleep(self, *, watch_kernel: bool, timeout_s: float | None) -> bool:
        """Wait for the bell, or for the kernel too; return whether the kernel is ready.

        Without a parked reader the kernel's descriptor must not be watched: an
        error condition cannot be masked, only left out (trap 13).
        """
        poll = self._both_poll if watch_kernel else self._bell_poll
        timeout_ms = None if timeout_s is None else max(0, int(timeout_s * 1000) + 1)
        ready = False
        for descriptor, _ in poll.poll(timeout_ms):
            if descriptor == self._bell:
                os.eventfd_read(self._bell)
            else:
                ready = True
        return ready

    def ring(self) -> None:
        """End the sleep under way, or the next one.

        The lock keeps a late thread from writing to whatever got the closed
        bell's number (trap 11).
        """
        with self._bell_lock:
            if self._bell_open:
                os.eventfd_write(self._bell, 1)

    def close(self) -> None:
        """Close the bell; the kernel's descriptor belongs to libfuse."""
        with self._bell_lock:
            self._bell_open = False
            os.close(self._bell)
