"""A dead mount that its own watchdog takes away while we look is no living one."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from fusebridge import stale
from fusebridge.mount_table import KIND, Detach, MountEntry
from fusebridge.stale import recover_stale


def _vanishing(monkeypatch: pytest.MonkeyPatch, mountpoint: Path) -> None:
    """Show a mount of ours at the first look, none later."""
    entry = MountEntry(
        mountpoint=str(mountpoint), kind=KIND, source="dynamicfs:pool", device="0:77"
    )
    looks = iter([entry])
    monkeypatch.setattr(stale, "find_mount", lambda _path: next(looks, None))


def test_a_mount_that_went_away_before_it_was_asked_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _vanishing(monkeypatch, tmp_path)

    assert recover_stale(str(tmp_path)) is False


def test_a_mount_that_went_away_before_it_was_detached_is_no_failure(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _vanishing(monkeypatch, tmp_path)
    monkeypatch.setattr(stale, "probe", lambda _path, _limit_s: OSError(errno.ENOTCONN, "dead"))
    asked: list[tuple[str, Detach]] = []

    def refuse(mountpoint: str, how: Detach) -> int:
        asked.append((mountpoint, how))
        return errno.EINVAL

    monkeypatch.setattr(stale, "detach", refuse)

    assert recover_stale(str(tmp_path)) is False
    assert asked == [(str(tmp_path), Detach.NOW)]
