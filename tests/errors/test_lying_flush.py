"""Disks that say a flush is done and do nothing: what they lose is found, named and rebuilt."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from engine.device.directory import DirectoryDevice
from engine.device.directory_setup import LabelCheck
from engine.device.forgetful import ForgetfulCalls, ForgetfulDirectoryDevice
from engine.device.protocol import JournalEntry
from engine.extents.verdict import Verdict
from engine.ids import DiskId, Generation
from engine.pool import devices
from tests.errors.troubled_pool import (
    LARGE,
    SMALL,
    Life,
    Template,
    pattern,
    troubled_template,
)

LIARS: Final = ("disk1", "disk2")
"""As many as may be lost: m is 2."""


class _DeafCalls(ForgetfulCalls):
    """Answers every flush at once, and does none."""

    def fdatasync(self, descriptor: int) -> None:
        """Pretend."""

    def fsync_folder(self, folder: int) -> None:
        """Pretend."""


class LyingDevice(ForgetfulDirectoryDevice):
    """Loses with the power whatever was written since it was opened."""

    @staticmethod
    def _make_calls() -> ForgetfulCalls:
        return _DeafCalls()


class LyingDisks:
    """Has some disks of the next open lie, and cuts their power."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._patch = monkeypatch
        self._liars: list[LyingDevice] = []

    def begin(self) -> None:
        liars = self._liars

        class EitherDevice:
            """What ``open_disk`` calls."""

            @staticmethod
            def open(path: str, is_meant: LabelCheck) -> DirectoryDevice:
                if os.path.basename(path) not in LIARS:
                    return DirectoryDevice.open(path, is_meant)
                liar = LyingDevice.open(path, is_meant)
                liars.append(liar)
                return liar

        self._patch.setattr(devices, "DirectoryDevice", EitherDevice)

    def lose_power(self) -> int:
        """Cut the liars off; return how many changes they had said to be safe."""
        self._patch.setattr(devices, "DirectoryDevice", DirectoryDevice)
        lost = sum(one.volatile_count for one in self._liars)
        for one in self._liars:
            one.lose_power()
        return lost


@pytest.fixture
def template() -> Iterator[Template]:
    with pytest.MonkeyPatch.context() as patch, troubled_template(patch) as (made, _plan):
        made.fresh()
        yield made


@pytest.fixture
def after_the_cut(template: Template, monkeypatch: pytest.MonkeyPatch) -> Iterator[Life]:
    """A pool opened again after its liars lost what they had called safe."""
    lying = LyingDisks(monkeypatch)
    lying.begin()
    life = Life(template, template.files)
    try:
        for number in range(6):
            life.write(b"small%d" % number, pattern(number, SMALL))
            life.write(b"large%d" % number, pattern(100 + number, LARGE))
        life.write(b"old0", pattern(7, SMALL))
        life.pool.filesystem.sync_all()
        assert lying.lose_power() > 20, "the disks had nothing to forget"
    finally:
        life.pool.close()
    again = Life(template, life.safe)
    try:
        yield again
    finally:
        again.pool.close()


def _fragments_of(template: Template, names: tuple[str, ...]) -> int:
    return sum(len(list((template.place / name).glob("fragments/*/*"))) for name in names)


def test_nothing_that_was_called_safe_is_lost_when_m_disks_lied(after_the_cut: Life) -> None:
    assert after_the_cut.differing() == []
    assert after_the_cut.contradictions() == []


def test_the_journals_of_the_liars_are_caught_up(after_the_cut: Life, template: Template) -> None:
    after_the_cut.write(b"afterwards", b"acknowledged by all")
    after_the_cut.pool.close()

    honest = _newest_root(template.place / "disk3")
    assert [_newest_root(template.place / name) for name in LIARS] == [honest, honest]


def _newest_root(disk: Path) -> Generation:
    """Return the newest generation that an unconcerned reader finds in a journal."""
    device = DirectoryDevice.open(str(disk))
    try:
        found = list(device.journal_list(Generation(1)))
    finally:
        device.close()
    assert isinstance(found[-1], JournalEntry)
    return found[-1].generation


def test_a_scrub_names_the_disks_and_rebuilds_what_they_lost(
    after_the_cut: Life, template: Template
) -> None:
    before = _fragments_of(template, LIARS)

    after_the_cut.pool.maintenance.scrub.start(repair=True)
    after_the_cut.turn(200)

    findings = after_the_cut.pool.maintenance.scrub.progress().findings
    assert {(one.disk_id, one.verdict) for one in findings} == {
        (DiskId(1), Verdict.MISSING),
        (DiskId(2), Verdict.MISSING),
    }
    assert _fragments_of(template, LIARS) > before
    wanted = dict(after_the_cut.accepted)
    after_the_cut.pool.close()
    for name in ("disk3", "disk4"):
        shutil.rmtree(template.place / name)
    bare = Life(template, wanted)
    try:
        assert bare.differing() == []
    finally:
        bare.pool.close()
