"""The audit trail: a chain that shows every change made to it behind its back."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from blake3 import blake3
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.clock import ManualClock
from engine.limits import AUDIT_FILE_BYTES, AUDIT_FILES_MAX
from engine.pool.audit import AuditTrail, Deed


def deed(number: int, *, result: str = "done") -> Deed:
    return Deed(
        verb="disks.drain",
        arguments=f"d{number}",
        judgement="SAFE",
        result=result,
        duration_s=0.25,
        user="olga",
        terminal="/dev/pts/1",
    )


def trail_of(path: Path, lines: int, *, bytes_max: int = AUDIT_FILE_BYTES) -> AuditTrail:
    trail = AuditTrail(path, ManualClock(), bytes_max=bytes_max)
    for number in range(lines):
        assert trail.record(deed(number)) is not None
    return trail


def test_a_line_is_json_and_names_the_hash_of_the_one_before(tmp_path: Path) -> None:
    trail_of(tmp_path / "audit.log", 3)

    lines = (tmp_path / "audit.log").read_bytes().splitlines()
    records = [json.loads(line) for line in lines]

    assert [record["number"] for record in records] == [1, 2, 3]
    assert [record["arguments"] for record in records] == ["d0", "d1", "d2"]
    assert records[0]["previous"] == "0" * 64
    assert [record["previous"] for record in records[1:]] == [
        blake3(line).hexdigest() for line in lines[:2]
    ]


def test_a_trail_that_nobody_touched_holds_and_tells_its_newest_hash(tmp_path: Path) -> None:
    trail = trail_of(tmp_path / "audit.log", 5)

    found = trail.verify()

    newest = (tmp_path / "audit.log").read_bytes().splitlines()[-1]
    assert (found.problem, found.lines) == ("", 5)
    assert found.newest == blake3(newest).hexdigest()
    assert blake3(newest).hexdigest() in found.sentence


@settings(max_examples=300)
@given(data=st.data())
def test_any_changed_byte_is_found_in_the_line_it_is_in(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("trail") / "audit.log"
    trail_of(path, 4)
    content = bytearray(path.read_bytes())
    place = data.draw(st.integers(0, len(content) - 1))
    content[place] ^= data.draw(st.integers(1, 255))
    line = bytes(path.read_bytes())[:place].count(b"\n") + 1
    path.write_bytes(content)

    found = AuditTrail(path, ManualClock()).verify()

    assert found.problem.startswith(f"line {line} of audit.log ")


@given(data=st.data())
def test_a_line_taken_out_moved_or_repeated_is_found(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("trail") / "audit.log"
    trail_of(path, 5)
    lines = path.read_bytes().splitlines(keepends=True)
    others = st.lists(st.sampled_from(lines), min_size=1, max_size=7)
    # A beginning of the trail is a trail: only who noted the newest hash sees the rest gone.
    changed = data.draw(others.filter(lambda some: some != lines[: len(some)]))
    path.write_bytes(b"".join(changed))

    assert AuditTrail(path, ManualClock()).verify().problem


def test_a_line_that_was_written_anew_with_a_seal_of_its_own_breaks_the_next(
    tmp_path: Path,
) -> None:
    path = tmp_path / "audit.log"
    trail_of(path, 4)
    lines = path.read_bytes().splitlines()
    forged = json.loads(lines[1])
    del forged["seal"]
    text = json.dumps({**forged, "user": "somebody else"})
    lines[1] = f'{text[:-1]}, "seal": "{blake3(text.encode()).hexdigest()}"}}'.encode()
    path.write_bytes(b"\n".join([*lines, b""]))

    found = AuditTrail(path, ManualClock()).verify()

    assert found.problem == "line 3 of audit.log does not follow the line before it"


def test_lines_that_were_cut_off_the_end_show_in_the_newest_hash(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    noted = trail_of(path, 3).verify().newest
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:2]))

    assert AuditTrail(path, ManualClock()).verify().newest != noted


def test_a_process_that_takes_the_trail_up_goes_on_with_the_chain(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    trail_of(path, 2)

    again = AuditTrail(path, ManualClock())
    again.record(deed(9))

    assert again.verify().problem == ""
    assert [line.number for line in again.newest(10)] == [1, 2, 3]
    assert [line.arguments for line in again.newest(2)] == ["d1", "d9"]


def test_what_a_power_cut_left_of_a_line_is_cut_and_its_words_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    trail_of(path, 2)
    with path.open("ab") as torn:
        torn.write(b'{"number": 3, "ti')

    again = AuditTrail(path, ManualClock())
    again.record(deed(3))

    assert again.verify().problem == ""
    assert [line.verb for line in again.newest(2)] == ["trail.cut", "disks.drain"]
    assert again.newest(2)[0].arguments == '{"number": 3, "ti'


def test_full_files_are_rotated_with_the_chain_and_the_oldest_goes(tmp_path: Path) -> None:
    trail = trail_of(tmp_path / "audit.log", 60, bytes_max=1000)

    files = sorted(one.name for one in tmp_path.iterdir())
    assert len(files) == AUDIT_FILES_MAX + 1
    assert all(one.stat().st_size <= 1000 for one in tmp_path.iterdir())
    found = trail.verify()
    assert found.problem == ""
    assert 8 <= found.lines < 60
    assert [line.number for line in trail.newest(100)][-1] == 60


def test_a_rotated_file_is_under_the_same_seal(tmp_path: Path) -> None:
    trail = trail_of(tmp_path / "audit.log", 12, bytes_max=1000)
    older = tmp_path / "audit.log.2"
    older.write_bytes(older.read_bytes().replace(b"olga", b"oleg", 1))

    assert trail.verify().problem.startswith("line 1 of audit.log.2 ")


def test_every_line_is_on_the_disk_before_the_verb_returns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[int] = []
    real = os.fsync

    def noting(descriptor: int) -> None:
        real(descriptor)
        synced.append(os.fstat(descriptor).st_size)

    monkeypatch.setattr(os, "fsync", noting)
    trail_of(tmp_path / "audit.log", 3)

    assert len(synced) == 3
    assert synced[-1] == (tmp_path / "audit.log").stat().st_size


def test_a_trail_that_cannot_be_written_says_why_and_goes_on_later(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    path.mkdir()
    trail = AuditTrail(path / "missing" / "audit.log", ManualClock())

    assert trail.record(deed(1)) is None
    assert trail.problem == "No such file or directory"

    (path / "missing").mkdir()
    assert trail.record(deed(1)) is not None
    assert trail.problem == ""
    assert trail.verify().lines == 1


def test_a_line_keeps_what_was_said_in_any_language(tmp_path: Path) -> None:
    trail = trail_of(tmp_path / "audit.log", 0)

    trail.record(deed(1, result='a "quoted" \n дым ☂ \\ seal": "'))

    assert trail.verify().problem == ""
    assert trail.newest(1)[0].result == 'a "quoted" \n дым ☂ \\ seal": "'
