"""Opening: whatever is damaged or missing, the pool opens or one sentence says why not."""

from __future__ import annotations

import shutil
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import pytest

from engine.device.directory import DirectoryDevice
from engine.errors import (
    PoolBusyError,
    PoolError,
    QuorumError,
    ReadOnlyError,
)
from engine.ids import ROOT_INODE
from engine.metadata.recovery import OpenMode
from engine.pool import devices, importing
from engine.pool.config import load_config, save_config
from engine.pool.importing import import_disks
from engine.pool.pool import Pool
from tests.unit.pool.directory_pool import Place, events, get, put

DATA = bytes(range(256)) * 3000
LABEL = "dynamicfs-disk.json"


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """A closed pool with one large and one small file."""
    made = Place(tmp_path)
    made.create()
    with Pool(made.pool_dir) as pool:
        put(pool, b"large", DATA)
        put(pool, b"small", b"small")
    return made


def check_data(place: Place) -> list[str]:
    """Open, read everything, and return the events."""
    with Pool(place.pool_dir) as pool:
        assert get(pool, b"large") == DATA
        assert get(pool, b"small") == b"small"
        return events(pool)


class _Meeting(DirectoryDevice):
    """A disk whose first call of ``step`` ends when that of every other disk has begun."""

    step: ClassVar[str]
    barrier: ClassVar[threading.Barrier]
    met: ClassVar[set[str]]

    def _meet(self, step: str) -> None:
        if step == self.step and self.path not in self.met:
            self.met.add(self.path)
            self.barrier.wait(10.0)

    def _started(self, root: int) -> None:
        self._meet("open")
        super()._started(root)

    def get_label(self) -> bytes:
        self._meet("label")
        return super().get_label()


@pytest.fixture(params=["open", "label"])
def meeting(
    request: pytest.FixtureRequest, place: Place, monkeypatch: pytest.MonkeyPatch
) -> set[str]:
    """Disks of *place* that answer only when all are asked at once; returns who was asked."""

    class Met(_Meeting):
        step = request.param
        barrier = threading.Barrier(len(place.disks))
        met: ClassVar[set[str]] = set()

    monkeypatch.setattr(devices, "DirectoryDevice", Met)
    monkeypatch.setattr(importing, "DirectoryDevice", Met)
    return Met.met


def test_an_open_asks_all_disks_at_once_so_that_those_that_hang_cost_one_wait(
    place: Place, meeting: set[str]
) -> None:
    assert [text for text in check_data(place) if "did not answer" in text] == []
    assert meeting == {str(disk) for disk in place.disks}


def test_an_import_asks_all_disks_at_once(place: Place, meeting: set[str]) -> None:
    sentences = import_disks(place.disks, place.folder / "second")

    assert len(sentences) == 1, "a disk had a problem"
    assert meeting == {str(disk) for disk in place.disks}


def test_disks_that_an_open_finds_at_one_path_are_told_apart(place: Place) -> None:
    config = load_config(place.pool_dir)
    first = config.disks[0]
    others = [replace(one, path=first.path) for one in config.disks[1:2]]
    save_config(place.pool_dir, replace(config, disks=(*others, first, *config.disks[2:])))

    with Pool(place.pool_dir) as pool:
        shown = {one.record.name: one for one in pool.engine.base.disks.presences()}

        assert shown["d1"].present
        assert shown["d2"].reason == "carries another label"
        assert get(pool, b"large") == DATA


def overwrite(path: Path, data: bytes = b"\xff" * 4096) -> None:
    with path.open("r+b") as file:
        file.write(data)


def test_two_disks_less_still_open_for_writing(place: Place) -> None:
    place.move_away(0)
    place.move_away(3)

    check_data(place)
    with Pool(place.pool_dir) as pool:
        put(pool, b"new", DATA)
        assert get(pool, b"new") == DATA


def test_three_disks_less_are_refused_for_writing_with_the_reason(place: Place) -> None:
    for number in (0, 1, 2):
        place.move_away(number)

    with pytest.raises(QuorumError, match="not safe to open read-write"):
        Pool(place.pool_dir)


def test_read_only_changes_nothing_and_refuses_changes(place: Place) -> None:
    before = place.content()

    with Pool(place.pool_dir, mode=OpenMode.READ_ONLY) as pool:
        assert get(pool, b"large") == DATA
        with pytest.raises(ReadOnlyError, match="read-only"):
            pool.filesystem.unlink(ROOT_INODE, b"small")

    after = place.content()
    assert {path for path in after if "disk" in path} == {path for path in before if "disk" in path}
    assert all(after[path] == data for path, data in before.items() if path.startswith("disk"))


def test_a_damaged_label_is_a_missing_disk(place: Place) -> None:
    (place.disks[1] / LABEL).write_bytes(b"not a label")

    check_data(place)


def test_a_disk_of_another_pool_in_the_place_of_ours_is_a_missing_disk(place: Place) -> None:
    (place.folder / "others").mkdir()
    other = Place(place.folder / "others")
    other.create(name="other")
    foreign = (other.disks[0] / LABEL).read_bytes()
    place.move_away(2)
    shutil.copytree(other.disks[0], place.disks[2])

    check_data(place)

    assert (place.disks[2] / LABEL).read_bytes() == foreign


@pytest.mark.parametrize("damage", ["first page", "every page", "removed", "empty", "aside"])
def test_a_damaged_database_is_made_again_from_the_disks(place: Place, damage: str) -> None:
    database = place.pool_dir / "metadata.db"
    match damage:
        case "first page":
            overwrite(database)
        case "every page":
            database.write_bytes(b"\xa5" * database.stat().st_size)
        case "removed":
            database.unlink()
        case "empty":
            database.write_bytes(b"")
        case _:
            database.rename(database.with_suffix(".old"))
    for rest in ("-wal", "-shm"):
        database.with_name(database.name + rest).unlink(missing_ok=True)

    check_data(place)


def test_a_damaged_fragment_header_is_read_around(place: Place) -> None:
    damaged = 0
    for disk in place.disks[:2]:
        for path in (disk / "fragments").rglob("*.*.*"):
            overwrite(path)
            damaged += 1
    assert damaged

    check_data(place)


def test_damaged_journals_of_two_disks_are_read_around(place: Place) -> None:
    for disk in place.disks[:2]:
        for path in (disk / "journal").iterdir():
            if path.is_file():
                overwrite(path, b"\xff" * 65536)
    (place.pool_dir / "metadata.db").unlink()

    check_data(place)


def test_a_directory_without_a_pool_says_how_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(PoolError, match="init"):
        Pool(tmp_path)
    with pytest.raises(PoolError, match="holds no pool"):
        Pool(tmp_path / "nowhere")


@pytest.mark.parametrize(
    "text", ["", "name = 5", "not toml [", 'name = "a"\nuuid = "no uuid"\n', "\x00\xff"]
)
def test_a_damaged_configuration_gets_one_sentence(place: Place, text: str) -> None:
    (place.pool_dir / "pool.toml").write_text(text, encoding="latin-1")

    with pytest.raises(PoolError, match=r"pool\.toml") as refusal:
        Pool(place.pool_dir)

    assert "import" in str(refusal.value) or "cannot be read" in str(refusal.value)


def test_a_second_owner_in_the_same_process_is_refused_and_harms_nothing(place: Place) -> None:
    with Pool(place.pool_dir) as pool:
        with pytest.raises(PoolBusyError, match="open in another process"):
            Pool(place.pool_dir)
        put(pool, b"more", b"more")

    check_data(place)


def test_a_second_owner_in_another_process_is_refused(place: Place) -> None:
    program = (
        "import sys; from pathlib import Path; from engine.pool.pool import Pool\n"
        "from engine.errors import PoolBusyError\n"
        "try: Pool(Path(sys.argv[1]))\n"
        "except PoolBusyError as error: print(error); sys.exit(3)\n"
    )
    with Pool(place.pool_dir):
        done = subprocess.run(
            [sys.executable, "-c", program, str(place.pool_dir)],
            capture_output=True,
            text=True,
            check=False,
            timeout=30,
            cwd=Path(__file__).parents[3],
        )

    assert done.returncode == 3, done.stderr
    assert "is open in another process" in done.stdout


def test_a_copied_pool_directory_cannot_take_the_disks_of_an_open_pool(place: Place) -> None:
    copy = place.folder / "copy"
    shutil.copytree(place.pool_dir, copy)

    with Pool(place.pool_dir) as pool:
        with pytest.raises((PoolBusyError, PoolError, QuorumError)):
            Pool(copy)
        put(pool, b"more", b"more")

    with Pool(place.pool_dir) as pool:
        assert get(pool, b"more") == b"more"


def test_a_refused_open_lets_go_of_everything(place: Place) -> None:
    for number in (0, 1, 2):
        place.move_away(number)
    with pytest.raises(QuorumError):
        Pool(place.pool_dir)
    for number in (0, 1, 2):
        place.bring_back(number)

    check_data(place)


def test_each_open_takes_a_new_epoch(place: Place) -> None:
    seen = []
    for _ in range(3):
        with Pool(place.pool_dir) as pool:
            seen.append(pool.engine.base.store.epoch)

    assert seen == [seen[0], seen[0] + 1, seen[0] + 2]
