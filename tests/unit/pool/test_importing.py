"""A lost pool directory comes back from the disks alone (P3)."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from engine.errors import EngineError, PoolError
from engine.pool.config import load_config
from engine.pool.importing import import_disks, survey_disks
from engine.pool.pool import Pool
from tests.unit.pool.directory_pool import Place, get, put

DATA = bytes(range(256)) * 3000


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """A closed pool of seven disks, 2+2, with two files."""
    made = Place(tmp_path, disk_count=7)
    made.create()
    with Pool(made.pool_dir) as pool:
        put(pool, b"large", DATA)
        put(pool, b"small", b"small")
    return made


def check_data(pool_dir: Path) -> None:
    with Pool(pool_dir) as pool:
        assert get(pool, b"large") == DATA
        assert get(pool, b"small") == b"small"
        put(pool, b"new", b"new")


def test_every_choice_of_two_lost_disks_and_the_pool_directory_is_survived(place: Place) -> None:
    shutil.rmtree(place.pool_dir)
    for first, second in ((0, 1), (0, 6), (2, 4), (3, 5)):
        given = [disk for number, disk in enumerate(place.disks) if number not in (first, second)]
        into = place.folder / f"pool-{first}-{second}"
        sentences = import_disks(given, into)

        assert any("2 of 7 disks were not given" in one for one in sentences)
        place.move_away(first)
        place.move_away(second)
        check_data(into)
        place.bring_back(first)
        place.bring_back(second)
        with Pool(into) as pool:
            pool.filesystem.unlink(1, b"new")  # type: ignore[arg-type]
            pool.filesystem.sync_all()


def test_an_import_after_j_changed_finds_what_only_the_new_members_hold(place: Place) -> None:
    with Pool(place.pool_dir) as pool:
        uuids = [disk.uuid for disk in load_config(place.pool_dir).disks]
        members = pool.engine.base.store.template.journal_set
        gone = [number for number, uuid in enumerate(uuids) if uuid in members][:2]
        for number in gone:
            place.move_away(number)
        pool.membership.probe()
        assert set(pool.engine.base.store.template.journal_set) != set(members)
        put(pool, b"later", b"after the change")
    shutil.rmtree(place.pool_dir)
    given = [disk for number, disk in enumerate(place.disks) if number not in gone]

    import_disks(given, place.pool_dir)

    with Pool(place.pool_dir) as pool:
        assert get(pool, b"later") == b"after the change"
        assert get(pool, b"large") == DATA


def test_disks_are_taken_where_they_are_now(place: Place) -> None:
    shutil.rmtree(place.pool_dir)
    moved = [disk.rename(disk.with_name(f"moved-{disk.name}")) for disk in place.disks]

    import_disks(moved, place.pool_dir)

    assert [disk.path for disk in load_config(place.pool_dir).disks] == [str(one) for one in moved]
    check_data(place.pool_dir)


def test_a_survey_shows_the_pool_and_changes_nothing(place: Place) -> None:
    shutil.rmtree(place.pool_dir)
    before = place.content()

    shown = survey_disks(place.disks)

    assert shown.metadata is not None
    assert shown.metadata.pool_name == "tank"
    assert shown.metadata.read_write
    assert [one.label is not None for one in shown.disks] == [True] * 7
    assert place.content() == before


def test_a_survey_of_strangers_says_so(tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()

    shown = survey_disks([empty])

    assert shown.metadata is None
    assert shown.obstacle
    assert shown.disks[0].problem


def test_an_import_over_a_pool_is_refused_and_leaves_it(place: Place) -> None:
    before = place.content()

    with pytest.raises(PoolError, match="is the pool directory of tank already"):
        import_disks(place.disks, place.pool_dir)

    assert place.content() == before
    check_data(place.pool_dir)


def test_an_import_that_ended_says_when_repeated_that_the_pool_can_be_opened(place: Place) -> None:
    shutil.rmtree(place.pool_dir)
    import_disks(place.disks, place.pool_dir)

    with pytest.raises(PoolError, match="already and can be opened as it is"):
        import_disks(place.disks, place.pool_dir)
    with (
        Pool(place.pool_dir),
        pytest.raises(PoolError, match="already and can be opened as it is"),
    ):
        import_disks(place.disks, place.pool_dir)


def test_an_import_over_an_unreadable_configuration_says_what_to_do(place: Place) -> None:
    (place.pool_dir / "pool.toml").write_text("name =")

    with pytest.raises(PoolError, match="move it out of the way"):
        import_disks(place.disks, place.pool_dir)


def test_an_import_tells_of_a_checkpoint_it_passed_over(place: Place) -> None:
    with Pool(place.pool_dir) as pool:
        pool.maintenance.checkpoints.make()
    stored = next((place.disks[0] / "checkpoints").iterdir())
    stored.write_bytes(stored.read_bytes()[:100])

    sentences = import_disks(place.disks, place.folder / "second")

    named = [text for text in sentences if "a checkpoint cannot be used" in text]
    assert len(named) == 1
    assert named[0].startswith("d1: ")


def test_an_import_of_disks_in_use_is_refused(place: Place) -> None:
    with Pool(place.pool_dir), pytest.raises(PoolError, match="in use by another process"):
        import_disks(place.disks, place.folder / "second")

    check_data(place.pool_dir)


def test_disks_of_two_pools_are_not_imported_together(place: Place) -> None:
    (place.folder / "others").mkdir()
    other = Place(place.folder / "others")
    other.create(name="other")

    with pytest.raises(EngineError):
        import_disks([*place.disks, other.disks[0]], place.folder / "second")

    assert not (place.folder / "second" / "pool.toml").exists()


def test_an_import_of_nothing_readable_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PoolError):
        import_disks([tmp_path], tmp_path / "pool")
    with pytest.raises(PoolError, match="is no directory"):
        import_disks([tmp_path / "no"], tmp_path / "pool")


def test_an_interrupted_import_can_be_repeated(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.rmtree(place.pool_dir)

    def interrupt(*args: object) -> None:
        raise PoolError("interrupted")

    monkeypatch.setattr("engine.pool.importing.save_config", interrupt)
    with pytest.raises(PoolError, match="interrupted"):
        import_disks(place.disks, place.pool_dir)
    monkeypatch.undo()

    import_disks(place.disks, place.pool_dir)

    check_data(place.pool_dir)
