"""Disks that are emptied, removed and replaced while the pool is open."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from engine.device.names import LABEL_NAME
from engine.errors import DeviceGoneError, UsageError
from engine.format.label import decode_label
from engine.ids import ExtentId
from engine.model.disk import DiskState, Tier
from engine.model.redundancy import ErasureCoding
from engine.pool.config import load_config
from engine.pool.importing import survey_disks
from engine.pool.pool import Pool
from engine.pool.removal import Removal
from engine.pool.verbs import PoolVerbs
from tests.unit.pool.directory_pool import Place, put
from tests.unit.pool.living_pool import LivingPool

# Draining


def test_a_drained_disk_can_be_deleted_and_nothing_is_lost(living: LivingPool) -> None:
    living.drain("d2")
    shutil.rmtree(living.place.disks[1])
    living.place.move_away(3)
    living.place.move_away(5)
    living.verbs.probe_disks()

    assert living.differing() == []


def test_the_journals_leave_a_draining_disk_at_once(living: LivingPool) -> None:
    name, uuid = next(
        (one.name, one.uuid) for one in living.verbs.view().disks if one.in_journal_set
    )

    living.disks.drain(name)

    assert uuid not in living.journal_set()
    assert len(living.journal_set()) == 5


def test_a_drain_goes_on_after_a_restart_and_says_how_far_it_is(living: LivingPool) -> None:
    living.verbs.work.pause()
    living.disks.drain("d2")
    before = living.disk("d2")
    assert before is not None
    assert (before.job, before.state) == ("drain 0 %", DiskState.DRAINING)

    living.reopen()
    living.verbs.work.resume()

    living.until("d2 is empty", lambda: living.fragments_on("d2") == 0)
    after = living.disk("d2")
    assert after is not None
    assert after.job == "drain 100 %"


def test_a_disk_set_healthy_again_keeps_what_it_has(living: LivingPool) -> None:
    living.verbs.work.pause()
    before = living.fragments_on("d2")
    living.disks.drain("d2")

    living.verbs.set_disk_health("d2", "healthy")

    disk = living.disk("d2")
    assert disk is not None
    assert (disk.job, disk.state) == ("", DiskState.HEALTHY)
    assert disk.fragment_count == before


# Removing


def test_a_disk_with_data_is_not_removed(living: LivingPool) -> None:
    before = load_config(living.place.pool_dir)

    with pytest.raises(UsageError, match="drain it, or mark it failed, first"):
        living.disks.remove("d2")

    assert load_config(living.place.pool_dir) == before
    assert living.disk("d2") is not None


def test_the_removal_itself_looks_for_data_before_it_changes_anything(living: LivingPool) -> None:
    removal = Removal(living.pool.engine, living.pool.membership)
    before = living.journal_set()

    with pytest.raises(UsageError, match="drain it first"):
        removal.remove(living.pool.membership.find("d2"))

    disk = living.disk("d2")
    assert disk is not None
    assert disk.state is DiskState.HEALTHY
    assert living.journal_set() == before


def test_a_removed_disk_is_nowhere_any_more_and_its_label_says_so(living: LivingPool) -> None:
    living.drain("d2")
    uuid = next(one.uuid for one in living.verbs.view().disks if one.name == "d2")

    living.disks.remove("d2")

    assert "d2" not in living.names()
    assert uuid not in (living.place.pool_dir / "pool.toml").read_text()
    assert uuid not in map(str, living.pool.engine.base.store.template.members)
    label = decode_label((living.place.disks[1] / LABEL_NAME).read_bytes())
    assert label.retired
    assert living.verbs.check() == []
    living.reopen()
    assert "d2" not in living.names()
    assert living.differing() == []
    assert living.verbs.check() == []


def test_a_copy_that_was_under_way_to_a_removed_disk_is_not_committed(living: LivingPool) -> None:
    living.drain("d2")
    removed = living.pool.membership.find("d2").disk_id
    living.disks.remove("d2")
    tables, store = living.pool.engine.base.tables, living.pool.engine.base.store

    extent_id = living.verbs.list_extents(1)[0]["extent"]
    assert isinstance(extent_id, int)
    with store.lock:
        record = tables.extents.get(ExtentId(extent_id))
        assert record is not None
        moved = replace(record.fragments[0], disk_id=removed, layout=store.new_layout_id())
        with pytest.raises(DeviceGoneError, match="no member"), store.operation():
            tables.extents.replace(replace(record, fragments=(moved, *record.fragments[1:])))

    assert living.verbs.check() == []


def test_neither_id_nor_name_of_a_removed_disk_is_given_out_again(living: LivingPool) -> None:
    removed = {one.name: one.disk_id for one in living.verbs.view().disks}["d7"]
    living.drain("d7")
    living.disks.remove("d7")
    living.reopen()

    living.verbs.add_disk(str(living.new_directory()), "hot")

    ids = {one.name: one.disk_id for one in living.verbs.view().disks}
    assert "d8" in ids
    assert "d7" not in ids
    assert removed not in ids.values()


def test_a_removed_disk_can_be_added_again_as_a_new_one(living: LivingPool) -> None:
    living.drain("d2")
    living.disks.remove("d2")

    living.verbs.add_disk(str(living.place.disks[1]), "hot")

    assert living.path("d8") == living.place.disks[1]
    label = decode_label((living.place.disks[1] / LABEL_NAME).read_bytes())
    assert not label.retired


def test_a_removed_disk_is_not_taken_for_a_member_by_an_import(living: LivingPool) -> None:
    living.drain("d2")
    living.disks.remove("d2")
    living.pool.close()

    survey = survey_disks(living.place.disks)

    assert survey.metadata is not None
    assert survey.metadata.missing == ()
    assert "removed" in next(one.problem for one in survey.disks if one.path.endswith("disk2"))
    assert survey_disks([living.place.disks[1]]).metadata is None


def test_a_disk_that_the_journals_need_is_not_removed(tmp_path: Path) -> None:
    place = Place(tmp_path, disk_count=3)
    place.create(redundancy=ErasureCoding(1, 2))
    with Pool(place.pool_dir) as pool:
        verbs = PoolVerbs(pool, mountpoint=lambda: "")

        with pytest.raises(UsageError, match="carry the journals"):
            verbs.disks.remove("d1")

        assert len(verbs.view().disks) == 3
        put(pool, b"f", b"still writable")


# Replacing


def test_a_replaced_disk_leaves_by_itself_and_the_new_one_has_what_it_had(
    living: LivingPool,
) -> None:
    had = living.fragments_on("d3")
    new = living.new_directory()

    living.disks.replace("d3", str(new), "")

    living.until("d3 left", lambda: "d3" not in living.names())
    assert living.fragments_on("d8") == had
    assert living.differing() == []
    assert living.verbs.check() == []


def test_a_disk_that_is_gone_is_replaced_from_the_others(living: LivingPool) -> None:
    had = living.fragments_on("d3")
    living.place.move_away(2)
    living.verbs.probe_disks()

    living.disks.replace("d3", str(living.new_directory()), "cold")

    living.until("d3 left", lambda: "d3" not in living.names())
    new = living.disk("d8")
    assert new is not None
    assert (new.fragment_count, new.tier) == (had, Tier.COLD)
    assert living.differing() == []


def test_a_replacement_goes_on_after_a_restart(living: LivingPool) -> None:
    living.verbs.work.pause()
    living.disks.replace("d3", str(living.new_directory()), "")
    living.reopen()
    during = living.disk("d3")
    assert during is not None
    assert during.replaced_by == "d8"

    living.verbs.work.resume()

    living.until("d3 left", lambda: "d3" not in living.names())
    assert living.differing() == []


def test_a_replacement_repeated_after_an_interruption_uses_the_disk_that_joined(
    living: LivingPool,
) -> None:
    new = living.new_directory()
    living.verbs.add_disk(str(new), "hot")

    living.disks.replace("d3", str(new), "")

    living.until("d3 left", lambda: "d3" not in living.names())
    assert living.names()[-1] == "d8"
