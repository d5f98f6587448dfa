"""One disk is a real file system without room, among others that have some."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import pytest

from engine.units import KIB
from tests.errors.runs import check_reopened
from tests.errors.small_file_system import small_file_system
from tests.errors.troubled_pool import LARGE, Life, Template, pattern, troubled_template

SPARE_BYTES: Final = 700 * KIB
"""Room for three fragments of a large file, while many more are to come."""

FILE_COUNT: Final = 12


@contextmanager
def _template_with_a_small_disk(file_count: int) -> Iterator[Template]:
    with pytest.MonkeyPatch.context() as patch, troubled_template(patch) as (made, _plan):
        made.fresh()
        life = Life(made, made.files)
        for number in range(file_count):
            life.write(b"earlier%d" % number, pattern(number, LARGE))
        life.pool.close()
        made.files = life.accepted
        with small_file_system(made.disks[0], spare_bytes=SPARE_BYTES):
            yield made


def _free_bytes(template: Template) -> int:
    return shutil.disk_usage(template.disks[0]).free


def test_programs_write_on_past_a_disk_that_is_full() -> None:
    with _template_with_a_small_disk(0) as template:
        life = Life(template, template.files)
        try:
            for number in range(FILE_COUNT):
                life.write(b"file%d" % number, pattern(number, LARGE))
            assert life.differing() == []
        finally:
            life.pool.close()

        assert _free_bytes(template) < SPARE_BYTES // 2, "the disk never became full"
        check_reopened(template, life.accepted)


def test_a_rebuild_goes_on_past_a_disk_that_becomes_full() -> None:
    with _template_with_a_small_disk(FILE_COUNT) as template:
        shutil.rmtree(template.disks[-1])
        life = Life(template, template.files)
        try:
            life.turn(200)
            # The put that failed has a probe measure the disk; then others are chosen.
            life.look_at_disks()
            life.pool.maintenance.reconcile.start_now()
            life.turn(200)
            assert life.differing() == []
        finally:
            life.pool.close()

        shutil.rmtree(template.disks[-2])
        shutil.rmtree(template.disks[-3])
        bare = Life(template, life.accepted)
        try:
            assert bare.differing() == []
        finally:
            bare.pool.close()
