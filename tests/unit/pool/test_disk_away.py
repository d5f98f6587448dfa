"""Disks that are detached and attached; plans; directories that only half became disks."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import pytest

from engine.device.names import LABEL_NAME
from engine.errors import PoolBusyError, PoolError, QuorumError, UsageError
from engine.format.label import decode_label, encode_label
from engine.ids import DiskUuid, Generation
from engine.model.disk import DiskState
from engine.model.redundancy import ErasureCoding
from engine.pool.control_socket import ControlServer
from engine.pool.importing import survey_disks
from engine.pool.pool import Pool
from engine.pool.remote_control import RemoteControl, reach_owner
from engine.pool.verbs import PoolVerbs
from engine.status.answers import Judgement
from tests.unit.pool.directory_pool import Place, put
from tests.unit.pool.living_pool import FILES, LivingPool

# Detaching


def test_a_detached_disk_is_let_go_of_and_nothing_is_rebuilt_for_it(living: LivingPool) -> None:
    living.disks.detach("d1")
    living.place.move_away(0)
    living.verbs.start_rebuild()
    living.verbs.probe_disks()

    disk = living.disk("d1")
    assert disk is not None
    assert (disk.detached, disk.present, disk.state) == (True, False, DiskState.HEALTHY)
    assert disk.fragment_count > 0
    assert living.verbs.view().reconcile.waiting_s == 0
    assert living.verbs.view().exposure.may_fail == 1
    assert disk.uuid not in living.journal_set()


def test_a_disk_whose_detaching_is_not_acknowledged_in_time_is_let_go_of_all_the_same(
    living: LivingPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def late(_generation: Generation, _timeout_s: float) -> None:
        raise QuorumError("not acknowledged in time")

    # It carries no journals, so that the mark is the first thing waited for.
    carriers = living.journal_set()
    disk = next(one.name for one in living.verbs.view().disks if one.uuid not in carriers)
    with monkeypatch.context() as patch:
        patch.setattr(living.pool.engine, "make_safe", late)
        with pytest.raises(QuorumError, match=f"{disk} is detached, but .*not acknowledged"):
            living.disks.detach(disk)

    away = living.disk(disk)
    assert away is not None
    assert (away.detached, away.present) == (True, False)
    living.disks.attach(disk, "")
    back = living.disk(disk)
    assert back is not None
    assert (back.detached, back.present) == (False, True)


def test_another_process_may_open_a_detached_disk(living: LivingPool) -> None:
    living.disks.detach("d1")

    survey = survey_disks([living.place.disks[0]])

    assert survey.disks[0].problem == ""
    assert survey.disks[0].label is not None


def test_a_detached_disk_stays_away_over_a_restart_until_it_is_attached(
    living: LivingPool,
) -> None:
    living.disks.detach("d1")
    living.reopen()
    living.verbs.probe_disks()
    away = living.disk("d1")
    assert away is not None
    assert (away.present, away.detached) == (False, True)

    living.disks.attach("d1", "")

    back = living.disk("d1")
    assert back is not None
    assert (back.present, back.detached) == (True, False)
    living.reopen()
    assert living.differing() == []
    living.until("all is whole", lambda: living.verbs.view().exposure.may_fail == 2)


def test_a_disk_is_attached_where_it_is_now(living: LivingPool) -> None:
    living.disks.detach("d1")
    moved = living.place.folder / "moved"
    living.place.disks[0].rename(moved)
    with pytest.raises(UsageError, match="is not at"):
        living.disks.attach("d1", "")

    living.disks.attach("d1", str(moved))

    assert living.path("d1") == moved
    living.reopen()
    assert living.path("d1") == moved
    assert living.differing() == []


def test_draining_goes_on_while_another_disk_is_detached(living: LivingPool) -> None:
    living.disks.detach("d1")
    living.verbs.add_disk(str(living.new_directory()), "hot")

    living.drain("d2")

    assert living.differing() == []


# Plans


def test_a_plan_changes_nothing_and_its_basis_holds_until_the_pool_changes(
    living: LivingPool,
) -> None:
    before = living.place.content()
    plan = living.disks.plan("drain", "d2", "")
    assert plan.judgement is Judgement.SAFE
    assert plan.moves_extents == living.fragments_on("d2")
    assert sum(target.bytes for target in plan.targets) >= plan.moves_bytes
    assert set(living.place.content()) == set(before)

    living.disks.detach("d1")

    assert living.disks.plan("drain", "d2", "").plan_id != plan.plan_id
    with pytest.raises(PoolBusyError, match="has changed"):
        living.disks.drain("d2", plan.basis)
    assert state_of(living, "d2") is DiskState.HEALTHY


def test_a_client_of_the_socket_cannot_skip_the_plan_of_a_failure(
    living: LivingPool, pool_directory: Path
) -> None:
    victim, *others = holders(living, 3)
    with _asked_through_the_socket(living, pool_directory) as remote:
        old = remote.disks.plan("fail", victim, "")
        living.disks.detach(others[0])
        for state in ("failed", "draining"):
            with pytest.raises(PoolBusyError, match="has changed"):
                remote.set_disk_health(victim, state, old.basis)
        with pytest.raises(PoolBusyError, match="has changed"):
            remote.set_disk_health(victim, "failed", old.basis, force=True)
        living.disks.detach(others[1])
        blocked = remote.disks.plan("fail", victim, "")
        with pytest.raises(UsageError, match="could not be read without"):
            remote.set_disk_health(victim, "failed", blocked.basis)
        assert state_of(living, victim) is DiskState.HEALTHY

        remote.set_disk_health(victim, "failed", blocked.basis, force=True)

    assert state_of(living, victim) is DiskState.FAILED


def holders(living: LivingPool, count: int) -> list[str]:
    """Return disks that have a fragment each of one extent."""
    fragments = living.verbs.list_extents(1)[0]["fragments"]
    assert isinstance(fragments, list)
    return [fragment["disk"] for fragment in fragments][:count]


def state_of(living: LivingPool, name: str) -> DiskState:
    disk = living.disk(name)
    assert disk is not None
    return disk.state


@contextmanager
def _asked_through_the_socket(living: LivingPool, directory: Path) -> Iterator[RemoteControl]:
    server = ControlServer(living.verbs, directory, mountpoint=str, shutdown=str)
    server.start()
    try:
        remote = reach_owner(directory)
        assert remote is not None
        with remote:
            yield remote
    finally:
        server.close()


def test_a_plan_finds_that_there_is_no_disk_to_go_to(tmp_path: Path) -> None:
    place = Place(tmp_path, disk_count=6)
    place.create(redundancy=ErasureCoding(4, 2))
    with Pool(place.pool_dir) as pool:
        put(pool, b"f", FILES[b"f0"])
        pool.filesystem.sync_all()
        verbs = PoolVerbs(pool, mountpoint=lambda: "")

        plan = verbs.disks.plan("drain", "d1", "")

        assert plan.judgement is Judgement.BLOCKED
        assert "no disk to go to" in plan.reasons[0]
        with pytest.raises(UsageError, match="no disk to go to"):
            verbs.disks.drain("d1")


def test_a_directory_that_cannot_be_a_disk_blocks_the_plan_to_replace(living: LivingPool) -> None:
    foreign = living.new_directory("foreign")
    (foreign / "fragments").mkdir()
    (foreign / "fragments" / "thesis.txt").write_text("mine")

    for path in (living.place.folder / "no", foreign, living.place.disks[2]):
        plan = living.disks.plan("replace", "d3", str(path))
        assert plan.judgement is Judgement.BLOCKED, plan

    assert living.disks.plan("replace", "d3", str(living.new_directory())).judgement is (
        Judgement.SAFE
    )


# Joining, cut short


def test_an_addition_that_was_cut_short_is_finished_by_repeating_it(living: LivingPool) -> None:
    new = living.new_directory()
    living.verbs.add_disk(str(new), "hot")
    left = living.new_directory("left")
    # What a crash between the label and the commit leaves: a label of no member,
    # and journals that are those of the pool.
    shutil.copytree(new, left, dirs_exist_ok=True)
    label = left / LABEL_NAME
    stranger = replace(decode_label(label.read_bytes()), disk_uuid=DiskUuid(UUID(int=99)))
    label.write_bytes(encode_label(stranger))

    living.verbs.add_disk(str(left), "hot")

    assert living.path("d9") == left
    assert living.differing() == []


def test_an_addition_that_fails_leaves_the_directory_as_it_was(living: LivingPool) -> None:
    new = living.new_directory()
    (new / "mine.txt").write_text("keep me")
    config = living.place.pool_dir / "pool.toml"
    (living.place.pool_dir / "pool.toml.new").mkdir()

    with pytest.raises((PoolError, OSError)):
        living.verbs.add_disk(str(new), "hot")

    assert [one.name for one in new.iterdir()] == ["mine.txt"]
    assert config.exists()
    (living.place.pool_dir / "pool.toml.new").rmdir()
    living.verbs.add_disk(str(new), "hot")
    assert living.names()[-1] == "d8"
