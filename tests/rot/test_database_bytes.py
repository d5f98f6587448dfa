"""Every byte of the metadata database and its log: the truth, an older truth, or damage."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Final

import pytest

from engine.errors import DamagedDatabaseError
from engine.metadata.database import DATABASE_PAGE_BYTES, open_database, open_reader
from engine.metadata.scan import scan_local
from engine.metadata.summaries import LocalState
from tests.rot.flips import PATTERNS, pattern_at
from tests.rot.rotten_pool import Place, Samples
from tests.unit.metadata.compared import differences

DATABASE: Final = "pool/metadata.db"
LOG: Final = "pool/metadata.db-wal"
LOG_HEADER_BYTES: Final = 32
FRAME_BYTES: Final = 24 + DATABASE_PAGE_BYTES


class LocalCopy:
    """A database file of a sample, written anew for each byte."""

    def __init__(self, folder: Path, image: bytes, log: bytes = b"") -> None:
        self.path = folder / "metadata.db"
        self._log_path = folder / "metadata.db-wal"
        self._index_path = folder / "metadata.db-shm"
        self._image = image
        self._log = log

    def write(self, *, image: bytes | None = None, log: bytes | None = None) -> None:
        """Write database and log, or others in their place; the log's index goes."""
        self.path.write_bytes(self._image if image is None else image)
        self._index_path.unlink(missing_ok=True)
        self._log_path.unlink(missing_ok=True)
        content = self._log if log is None else log
        if content:
            self._log_path.write_bytes(content)


def free_pages(image: bytes) -> set[int]:
    """Return where pages without content begin, as SQLite's format says.

    The header names the first page of a list: next page, count, page numbers.
    The pages it lists hold nothing and are written before they are read.
    """
    found: set[int] = set()
    trunk = int.from_bytes(image[32:36], "big")
    while trunk:
        at = (trunk - 1) * DATABASE_PAGE_BYTES
        words = [int.from_bytes(image[at + 4 * i : at + 4 * i + 4], "big") for i in range(1000)]
        found |= {(page - 1) * DATABASE_PAGE_BYTES for page in words[2 : 2 + words[1]]}
        trunk = words[0]
    return found


def flipped(data: bytes, offset: int, pattern: int) -> bytes:
    return data[:offset] + bytes([data[offset] ^ pattern]) + data[offset + 1 :]


def whole(image: dict[str, bytes], lengths: dict[str, int], name: str) -> bytes:
    return image[name].ljust(lengths[name], b"\0")


@PATTERNS
def test_every_byte_of_every_page_is_under_its_checksum(
    samples: Samples, tmp_path: Path, patterns: int
) -> None:
    closed = samples.closed
    image = whole(closed.image, closed.lengths, DATABASE)
    copy = LocalCopy(tmp_path, image)
    copy.write()
    unseen = []
    with closing(open_reader(copy.path)) as connection:
        assert connection.pragma("checksum_verification") == "1"
        for start in range(0, len(image), DATABASE_PAGE_BYTES):
            page = bytearray(image[start : start + DATABASE_PAGE_BYTES])
            for offset in range(len(page)):
                page[offset] ^= pattern_at(offset, patterns)
                query = "SELECT verify_checksum(?)"
                if connection.execute(query, (bytes(page),)).get != 0:
                    unseen.append(start + offset)
                page[offset] ^= pattern_at(offset, patterns)

    assert unseen == []


@PATTERNS
@pytest.mark.parametrize("part", ["first page", "others"])
def test_a_flipped_byte_of_the_database_is_damage(
    samples: Samples, tmp_path: Path, part: str, patterns: int
) -> None:
    closed = samples.closed
    image = whole(closed.image, closed.lengths, DATABASE)
    first = part == "first page"
    # The first page says how all others are read, and whether they are checked.
    offsets = (
        range(DATABASE_PAGE_BYTES)
        if first
        else range(DATABASE_PAGE_BYTES + patterns, len(image), 41)
    )
    copy = LocalCopy(tmp_path, image)
    accepted = []
    for offset in offsets:
        copy.write(image=flipped(image, offset, pattern_at(offset, patterns)))
        if not scan_local(copy.path).damage:
            accepted.append(offset)

    copy.write()
    assert not scan_local(copy.path).damage
    free = free_pages(image)
    assert [at for at in accepted if at - at % DATABASE_PAGE_BYTES not in free] == []


def test_a_database_cut_at_any_page_is_damage(samples: Samples, tmp_path: Path) -> None:
    closed = samples.closed
    image = whole(closed.image, closed.lengths, DATABASE)
    copy = LocalCopy(tmp_path, image)
    used = [at for at in range(0, len(image), DATABASE_PAGE_BYTES) if at not in free_pages(image)]
    edges = range(DATABASE_PAGE_BYTES, used[-1] + 1, DATABASE_PAGE_BYTES)

    for end in sorted({edge + by for edge in edges for by in (-1, 0, 1)} | {1, 100}):
        copy.write(image=image[:end])
        assert scan_local(copy.path).damage, end


class Committed:
    """The states the database of the crashed pool had, one for each group in its log."""

    def __init__(self, folder: Path, samples: Samples) -> None:
        crashed = samples.crashed
        image = whole(crashed.image, crashed.lengths, DATABASE)
        self.log = whole(crashed.image, crashed.lengths, LOG)
        self.copy = LocalCopy(folder, image, self.log)
        self._folder = folder
        self._pictures: dict[bytes, Path] = {}
        for end in range(LOG_HEADER_BYTES, len(self.log) + 1, FRAME_BYTES):
            self.copy.write(log=self.log[:end])
            state = scan_local(self.copy.path)
            assert not state.damage
            self._keep(state)

    def _keep(self, state: LocalState) -> None:
        assert state.head is not None
        if state.head.root_hash in self._pictures:
            return
        picture = self._folder / f"picture-{len(self._pictures)}"
        with closing(open_database(self.copy.path)) as connection:
            connection.execute("VACUUM INTO ?", (str(picture),))
        self._pictures[state.head.root_hash] = picture

    def problem_of(self, state: LocalState) -> str:
        """Return what is wrong with what the local database says; empty if nothing."""
        if state.damage:
            return ""
        picture = None if state.head is None else self._pictures.get(state.head.root_hash)
        if picture is None:
            return "a head that never was"
        try:
            with (
                closing(open_database(self.copy.path)) as found,
                closing(open_reader(picture)) as truth,
            ):
                return "".join(differences(found, truth)[:1])
        except DamagedDatabaseError as error:
            return str(error)


@pytest.fixture
def committed(samples: Samples, tmp_path: Path) -> Committed:
    return Committed(tmp_path, samples)


@PATTERNS
@pytest.mark.parametrize("part", ["headers", "pages"])
def test_a_flipped_byte_of_the_log_leaves_a_state_that_was_committed(
    committed: Committed, part: str, patterns: int
) -> None:
    frames = range(LOG_HEADER_BYTES, len(committed.log), FRAME_BYTES)
    headers = [*range(LOG_HEADER_BYTES), *(at + by for at in frames for by in range(24))]
    pages = range(LOG_HEADER_BYTES + patterns, len(committed.log), 151)
    problems = []
    for offset in headers if part == "headers" else pages:
        committed.copy.write(log=flipped(committed.log, offset, pattern_at(offset, patterns)))
        problem = committed.problem_of(scan_local(committed.copy.path))
        if problem:
            problems.append((offset, problem))

    assert problems == []


def test_a_log_cut_at_any_frame_leaves_a_state_that_was_committed(committed: Committed) -> None:
    edges = range(LOG_HEADER_BYTES, len(committed.log) + 1, FRAME_BYTES)

    for end in sorted({edge + by for edge in edges for by in (-1, 0, 1, 24, 25)}):
        committed.copy.write(log=committed.log[:end])
        assert committed.problem_of(scan_local(committed.copy.path)) == "", end


def test_a_log_beside_an_older_database_is_damage_or_a_committed_state(
    samples: Samples, committed: Committed
) -> None:
    older = whole(samples.older.image, samples.older.lengths, DATABASE)
    committed.copy.write(image=older)

    state = scan_local(committed.copy.path)

    assert committed.problem_of(state) == ""


def test_the_place_is_untouched_by_what_is_done_to_copies(place: Place, samples: Samples) -> None:
    place.restore(samples.closed)
    assert place.path(DATABASE).stat().st_size == samples.closed.lengths[DATABASE]
