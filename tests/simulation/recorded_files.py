"""The few ordinary file calls that the engine makes in its pool directory.

``pool.toml``, databases that are put into place or set aside, and scrub's
bookmark are written with Python's own calls. Of those the steps that order
things are recorded here (fsync, rename, unlink); what was written into a file
is noted before the first of them that follows, as one write.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Final

from tests.simulation.active import ledger_of, ledgers

_StrPath = str | os.PathLike[str]

_fsync: Final = os.fsync
_rename: Final = os.rename
_replace: Final = os.replace
_unlink: Final = os.unlink


def _recorded_fsync(descriptor: int) -> None:
    for ledger in ledgers():
        with ledger.lock:
            ledger.notice_plain_files()
            node = ledger.known(descriptor)
            if node is not None and ledger.is_in_pool(node):
                ledger.flush(node)
                return
    _fsync(descriptor)


def _moving(move: Callable[..., None]) -> Callable[..., None]:
    """Return *move*, a kind of rename, under record."""

    def recorded(
        source: _StrPath,
        target: _StrPath,
        *,
        src_dir_fd: int | None = None,
        dst_dir_fd: int | None = None,
    ) -> None:
        ledger = None if src_dir_fd is not None else ledger_of(os.path.abspath(source))
        if ledger is None or os.path.dirname(os.path.abspath(source)) != str(ledger.pool):
            move(source, target, src_dir_fd=src_dir_fd, dst_dir_fd=dst_dir_fd)
            return
        with ledger.lock:
            ledger.notice_plain_files()
            move(source, target)
            name, new_name = os.path.basename(source), os.path.basename(target)
            if ledger.has(ledger.pool_node, name):
                ledger.renamed(ledger.pool_node, name, ledger.pool_node, new_name)

    return recorded


def _recorded_unlink(path: _StrPath, *, dir_fd: int | None = None) -> None:
    ledger = None if dir_fd is not None else ledger_of(os.path.abspath(path))
    if ledger is None:
        _unlink(path, dir_fd=dir_fd)
        return
    with ledger.lock:
        ledger.notice_plain_files()
        _unlink(path)
        ledger.notice_plain_files()


def record_files() -> None:
    """Put the recorded calls where Python's programs find them."""
    calls = vars(os)
    calls["fsync"] = _recorded_fsync
    calls["rename"] = _moving(_rename)
    calls["replace"] = _moving(_replace)
    calls["unlink"] = _recorded_unlink


def stop_recording_files() -> None:
    """Put Python's own calls back."""
    vars(os).update(fsync=_fsync, rename=_rename, replace=_replace, unlink=_unlink)
