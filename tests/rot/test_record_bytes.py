"""Every byte of labels, journals and checkpoints: the record is refused, the others stand."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from engine.device.journal_files import file_events, survey
from engine.device.protocol import JournalEntry
from engine.errors import DamagedRecordError, PoolError
from engine.format.checkpoint import read_checkpoint, read_checkpoint_head
from engine.format.label import decode_label
from engine.ids import Epoch, Generation
from engine.metadata.scan import summarize_entry
from engine.pool.config import CONFIG_NAME, load_config
from tests.rot.flips import PATTERNS, pattern_at
from tests.rot.rotten_pool import LABEL, Samples

FRAME_ALIGNMENT = 4096

Records = set[tuple[Generation, Epoch, bytes]]
"""What a journal says: generation, epoch and closing hash of each root."""


def records_in(data: bytes | bytearray) -> Records:
    """Return the roots that opening a pool takes from the journal file *data*."""
    content = bytes(data)
    file = survey("0000000000000001.log", content)
    found: Records = set()
    for event in file_events(file, content) if file is not None else ():
        if isinstance(event, JournalEntry):
            try:
                root = summarize_entry(event)
            except DamagedRecordError:
                continue
            found.add((root.generation, root.epoch, root.root_hash))
    return found


def frame_starts(data: bytes) -> list[int]:
    """Return where frames begin: found by their magic, at the alignment."""
    starts = range(0, len(data), FRAME_ALIGNMENT)
    return [start for start in starts if data[start : start + 8] == b"DFS-JRNL"]


@PATTERNS
@pytest.mark.parametrize("disk", [1, 4])
def test_a_flipped_byte_of_a_label_makes_it_no_label(
    samples: Samples, disk: int, patterns: int
) -> None:
    label = bytearray(samples.closed.image[f"disk{disk}/{LABEL}"])
    truth = decode_label(bytes(label))
    accepted = []
    for offset in range(len(label)):
        label[offset] ^= pattern_at(offset, patterns)
        try:
            found = decode_label(bytes(label))
        except DamagedRecordError:
            pass
        else:
            # JSON knows bytes that mean nothing: white space between two tokens.
            if found != truth:
                accepted.append(offset)
        label[offset] ^= pattern_at(offset, patterns)

    assert accepted == []


def test_a_label_cut_anywhere_is_no_label(samples: Samples) -> None:
    label = samples.closed.image[f"disk1/{LABEL}"].rstrip()

    for end in range(len(label)):
        with pytest.raises(DamagedRecordError):
            decode_label(label[:end])


@PATTERNS
def test_a_flipped_byte_of_a_journal_loses_at_most_the_record_it_is_in(
    samples: Samples, patterns: int
) -> None:
    (name,) = samples.closed.named("disk1/journal")
    journal = samples.closed.image[name]
    truth = records_in(journal)
    starts = [*frame_starts(journal), len(journal)]
    wrong = []
    for start, end in zip(starts, starts[1:], strict=False):
        # A frame before and one behind, so that looking on is part of it.
        window = bytearray(
            journal[:end] + bytes(-end % FRAME_ALIGNMENT) + journal[:FRAME_ALIGNMENT]
        )
        before = records_in(journal[:start]) | records_in(journal[:FRAME_ALIGNMENT])
        for offset in range(start, end):
            window[offset] ^= pattern_at(offset, patterns)
            found = records_in(window)
            window[offset] ^= pattern_at(offset, patterns)
            if not before <= found <= truth:
                wrong.append(offset)

    assert len(truth) == len(starts) - 1
    assert wrong == []


def test_a_journal_cut_anywhere_near_a_frame_keeps_every_whole_record(samples: Samples) -> None:
    (name,) = samples.closed.named("disk1/journal")
    journal = samples.closed.image[name]
    truth = records_in(journal)
    edges = range(0, len(journal), FRAME_ALIGNMENT)

    for end in sorted({edge + by for edge in edges for by in (-1, 0, 1, 63, 64, 65)}):
        found = records_in(journal[: max(0, end)])
        assert found <= truth
        assert len(found) >= sum(1 for start in frame_starts(journal)[1:] if start <= end)


@PATTERNS
def test_a_flipped_byte_of_a_checkpoint_makes_it_unreadable(
    samples: Samples, tmp_path: Path, patterns: int
) -> None:
    name = samples.closed.named("disk1/checkpoints")[-1]
    checkpoint = bytearray(samples.closed.image[name])
    target = tmp_path / "database"
    accepted = []
    for offset in range(len(checkpoint)):
        checkpoint[offset] ^= pattern_at(offset, patterns)
        try:
            read_checkpoint(io.BytesIO(checkpoint), target)
        except DamagedRecordError:
            pass
        else:
            accepted.append(offset)
        checkpoint[offset] ^= pattern_at(offset, patterns)
        target.unlink(missing_ok=True)

    assert accepted == []


@PATTERNS
def test_a_flipped_byte_in_the_head_of_a_checkpoint_is_seen_without_reading_it_all(
    samples: Samples, patterns: int
) -> None:
    name = samples.closed.named("disk1/checkpoints")[-1]
    checkpoint = bytearray(samples.closed.image[name])
    head_bytes = int.from_bytes(checkpoint[12:16], "little")

    for offset in range(64 + head_bytes + 32):
        checkpoint[offset] ^= pattern_at(offset, patterns)
        with pytest.raises(DamagedRecordError):
            read_checkpoint_head(io.BytesIO(checkpoint))
        checkpoint[offset] ^= pattern_at(offset, patterns)


def test_a_checkpoint_cut_anywhere_is_unreadable(samples: Samples, tmp_path: Path) -> None:
    name = samples.closed.named("disk1/checkpoints")[-1]
    checkpoint = samples.closed.image[name]
    target = tmp_path / "database"

    for end in range(len(checkpoint)):
        with pytest.raises(DamagedRecordError):
            read_checkpoint(io.BytesIO(checkpoint[:end]), target)
        target.unlink(missing_ok=True)


@PATTERNS
def test_a_flipped_byte_of_the_configuration_is_read_or_refused_by_name(
    samples: Samples, tmp_path: Path, patterns: int
) -> None:
    content = bytearray(samples.closed.image[f"pool/{CONFIG_NAME}"])
    refused = []
    for offset in range(len(content)):
        content[offset] ^= pattern_at(offset, patterns)
        (tmp_path / CONFIG_NAME).write_bytes(content)
        content[offset] ^= pattern_at(offset, patterns)
        try:
            load_config(tmp_path)
        except PoolError as error:
            refused.append(str(error))

    assert len(refused) > len(content) // 4
    assert [sentence for sentence in refused if "import" not in sentence] == []
