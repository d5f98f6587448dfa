"""Making a pool: bad input gets one sentence, and nothing is left behind."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from engine.clock import ManualClock
from engine.errors import EngineError, PolicyError, PoolError, UsageError
from engine.format.label import decode_label
from engine.metadata.recovery import OpenMode
from engine.model.redundancy import ErasureCoding, Replication
from engine.pool.config import load_config
from engine.pool.create import DiskPlan, create_pool
from engine.pool.pool import Pool
from engine.pool.properties import PoolProperties
from engine.pool.verbs import PoolVerbs
from engine.status.codes import Code
from tests.unit.pool.directory_pool import TWO_AND_TWO, Place, get, put


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_a_new_pool_keeps_what_is_written(place: Place) -> None:
    place.create()

    with Pool(place.pool_dir) as pool:
        put(pool, b"f", b"content")
    with Pool(place.pool_dir) as pool:
        assert get(pool, b"f") == b"content"


def test_labels_and_configuration_name_the_same_pool_and_disks(place: Place) -> None:
    place.create(name="tank 1")

    config = load_config(place.pool_dir)
    labels = [decode_label((disk / "dynamicfs-disk.json").read_bytes()) for disk in place.disks]
    assert {label.pool_uuid for label in labels} == {config.uuid}
    assert [label.disk_uuid for label in labels] == [disk.uuid for disk in config.disks]
    assert [disk.path for disk in config.disks] == [str(disk) for disk in place.disks]
    assert config.name == "tank 1"


@pytest.mark.parametrize(
    ("days", "told"),
    [
        (0, []),
        (34, []),
        (36, ["No scrub of everything has ended yet, and the pool is 36 days old."]),
    ],
)
def test_a_pool_that_was_never_scrubbed_says_so_by_its_age(
    place: Place, days: int, told: list[str]
) -> None:
    place.create()
    later = ManualClock(time.time_ns() + days * 86400 * 10**9)

    with Pool(place.pool_dir, mode=OpenMode.READ_ONLY, clock=later) as pool:
        conditions = PoolVerbs(pool, mountpoint=str).view().conditions

    assert [one.sentence for one in conditions if one.code == Code.SCRUB_OVERDUE] == told


def test_disks_on_one_device_are_warned_of(place: Place) -> None:
    warnings = place.create()

    assert len(warnings) == 1
    assert all(str(disk) in warnings[0] for disk in place.disks)


def with_plans(place: Place, plans: list[DiskPlan]) -> None:
    create_pool(
        place.pool_dir,
        name="tank",
        disks=plans,
        properties=PoolProperties(redundancy=TWO_AND_TWO),
    )


def over_the_same_disk_twice(place: Place) -> None:
    with_plans(place, [*place.plans(), place.plans()[0]])


def over_a_disk_under_another_name(place: Place) -> None:
    link = place.folder / "link"
    link.symlink_to(place.disks[0])
    try:
        with_plans(place, [*place.plans(), replace(place.plans()[0], path=str(link))])
    finally:
        link.unlink()


def over_a_missing_directory(place: Place) -> None:
    with_plans(place, [*place.plans(), replace(place.plans()[0], path=str(place.folder / "no"))])


def over_the_pool_directory(place: Place) -> None:
    place.pool_dir.mkdir()
    try:
        with_plans(place, [*place.plans(), replace(place.plans()[0], path=str(place.pool_dir))])
    finally:
        place.pool_dir.rmdir()


def wider_than_its_disks(place: Place) -> None:
    place.create(redundancy=ErasureCoding(4, 2))


def with_more_copies_than_disks(place: Place) -> None:
    place.create(redundancy=Replication(6))


def without_a_name(place: Place) -> None:
    place.create(name="")


def with_a_name_of_control_characters(place: Place) -> None:
    place.create(name="a\nb")


def over_a_directory_with_data(place: Place) -> None:
    inside = place.disks[1] / "fragments"
    inside.mkdir()
    (inside / "precious").write_bytes(b"data")
    try:
        place.create()
    finally:
        assert (inside / "precious").read_bytes() == b"data"
        (inside / "precious").unlink()
        inside.rmdir()


def over_a_damaged_label(place: Place) -> None:
    label = place.disks[2] / "dynamicfs-disk.json"
    label.write_bytes(b"{}")
    try:
        place.create()
    finally:
        assert label.read_bytes() == b"{}"
        label.unlink()


def in_a_directory_with_files(place: Place) -> None:
    place.pool_dir.mkdir()
    (place.pool_dir / "mine").write_bytes(b"")
    try:
        place.create()
    finally:
        (place.pool_dir / "mine").unlink()
        place.pool_dir.rmdir()


@pytest.mark.parametrize(
    ("kind", "attempt"),
    [
        (PoolError, over_the_same_disk_twice),
        (PoolError, over_a_disk_under_another_name),
        (PoolError, over_a_missing_directory),
        (PoolError, over_the_pool_directory),
        (PolicyError, wider_than_its_disks),
        (PolicyError, with_more_copies_than_disks),
        (UsageError, without_a_name),
        (UsageError, with_a_name_of_control_characters),
        (PoolError, over_a_directory_with_data),
        (PoolError, over_a_damaged_label),
        (PoolError, in_a_directory_with_files),
    ],
)
def test_a_refused_pool_gets_one_sentence_and_leaves_nothing(
    place: Place, kind: type[EngineError], attempt: Callable[[Place], None]
) -> None:
    before = place.content()

    with pytest.raises(kind) as refusal:
        attempt(place)

    assert "\n" not in str(refusal.value)
    assert place.content() == before


def test_a_second_pool_over_the_first_is_refused_and_changes_nothing(place: Place) -> None:
    place.create()
    before = place.content()

    with pytest.raises(PoolError, match="holds a pool already"):
        place.create()
    place.pool_dir = place.folder / "other"
    with pytest.raises(PoolError, match="is disk d1 of pool tank"):
        place.create()

    after = {path: data for path, data in place.content().items() if path != "other"}
    assert after == before


def test_a_creation_that_fails_half_way_leaves_nothing(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = place.content()

    def refuse(*args: object) -> None:
        raise PoolError("the configuration cannot be written")

    monkeypatch.setattr("engine.pool.create.save_config", refuse)
    with pytest.raises(PoolError, match="configuration"):
        place.create()
    monkeypatch.undo()

    assert place.content() == before
    place.create()
