"""Disk labels: golden bytes, round trips, every flipped bit."""

from __future__ import annotations

import json

import pytest
from blake3 import blake3
from hypothesis import given

from engine.errors import DamagedRecordError
from engine.format.label import decode_label, encode_label
from engine.model.label import DiskLabel
from tests.format.samples import LABEL, LABELS, flips_of_each_bit

GOLDEN = """\
{
  "format": "dynamicfs-disk",
  "version": 1,
  "features": [],
  "pool_uuid": "00112233-4455-6677-8899-aabbccddeeff",
  "pool_name": "Bücher",
  "disk_uuid": "00000000-0000-0000-0000-000000000001",
  "disk_name": "bay \\"3\\"",
  "tier": "warm",
  "epoch": 3,
  "journal_set": [
    "00000000-0000-0000-0000-000000000001",
    "00000000-0000-0000-0000-000000000002",
    "00000000-0000-0000-0000-000000000003"
  ],
  "blake3": "a44a0fd86c9ed99b157b96446ff85731e17d54b69beb37594803faa7c12da398"
}
"""

CANONICAL = (
    '{"disk_name":"bay \\"3\\"","disk_uuid":"00000000-0000-0000-0000-000000000001",'
    '"epoch":3,"features":[],"format":"dynamicfs-disk","journal_set":['
    '"00000000-0000-0000-0000-000000000001","00000000-0000-0000-0000-000000000002",'
    '"00000000-0000-0000-0000-000000000003"],"pool_name":"B\\u00fccher",'
    '"pool_uuid":"00112233-4455-6677-8899-aabbccddeeff","tier":"warm","version":1}'
)


def rewritten(**changes: object) -> bytes:
    """Return the golden label with keys changed or added, and a hash to match."""
    document: dict[str, object] = json.loads(GOLDEN) | changes
    del document["blake3"]
    canonical = json.dumps(document, sort_keys=True, separators=(",", ":"))
    document["blake3"] = blake3(canonical.encode()).hexdigest()
    return json.dumps(document).encode()


def test_the_label_has_these_very_bytes() -> None:
    assert encode_label(LABEL) == GOLDEN.encode()


def test_the_labels_hash_is_over_the_canonical_json() -> None:
    assert json.loads(GOLDEN)["blake3"] == blake3(CANONICAL.encode("ascii")).hexdigest()


@given(LABELS)
def test_a_label_comes_back_as_it_was(label: DiskLabel) -> None:
    assert decode_label(encode_label(label)) == label


def test_every_flipped_bit_of_a_label_is_damage() -> None:
    for _, damaged in flips_of_each_bit(GOLDEN.encode()):
        with pytest.raises(DamagedRecordError):
            decode_label(damaged)


def test_a_label_cut_off_anywhere_is_damage() -> None:
    data = GOLDEN.encode()

    # All but the final newline is needed.
    for length in range(len(data) - 1):
        with pytest.raises(DamagedRecordError):
            decode_label(data[:length])


def test_keys_of_a_later_day_are_ignored_but_checked() -> None:
    data = rewritten(colour="green", nested={"a": [1, None]})

    assert decode_label(data) == LABEL
    with pytest.raises(DamagedRecordError, match="checksum"):
        decode_label(data.replace(b"green", b"greed"))


@pytest.mark.parametrize(
    ("key", "value", "sentence"),
    [
        ("format", "ext4", "not a DynamicFS disk label"),
        ("version", 2, "version 2 is not known"),
        ("version", True, "version is not a count"),
        ("features", ["striped-tables"], "feature 'striped-tables' is not known"),
        ("features", "none", "features is not a list"),
        ("pool_uuid", "nonsense", "badly formed"),
        ("pool_name", None, "pool_name is not text"),
        ("tier", "lukewarm", "lukewarm"),
        ("epoch", -1, "epoch is not a count"),
        ("epoch", 1.5, "epoch is not a count"),
        ("journal_set", [1], "journal_set is not a list"),
    ],
)
def test_a_well_hashed_label_that_makes_no_sense_is_refused(
    key: str, value: object, sentence: str
) -> None:
    with pytest.raises(DamagedRecordError, match=sentence):
        decode_label(rewritten(**{key: value}))


@pytest.mark.parametrize(
    "data",
    [b"", b"null", b"[]", b"\xff{}", b"[" * 60_000, b"{" * 60_000, b"9" * 60_000, b" " * 65_537],
    ids=["nothing", "null", "list", "not UTF-8", "deep list", "deep object", "number", "too long"],
)
def test_what_is_no_label_at_all_is_damage(data: bytes) -> None:
    with pytest.raises(DamagedRecordError):
        decode_label(data)


def test_a_label_that_could_not_be_read_again_is_not_written() -> None:
    with pytest.raises(ValueError, match="is over"):
        encode_label(
            DiskLabel(
                pool_uuid=LABEL.pool_uuid,
                pool_name="x" * 65_536,
                disk_uuid=LABEL.disk_uuid,
                disk_name="",
                tier=LABEL.tier,
                epoch=LABEL.epoch,
                journal_set=(),
            )
        )
