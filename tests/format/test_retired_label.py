"""The label of a disk that left its pool: says so, and else is as it was."""

from __future__ import annotations

import json
from dataclasses import replace

from hypothesis import given

from engine.format.label import decode_label, encode_label
from engine.model.label import DiskLabel
from tests.format.samples import LABEL, LABELS


@given(LABELS)
def test_a_retired_label_is_read_as_it_was_written(label: DiskLabel) -> None:
    retired = replace(label, retired=True)

    assert decode_label(encode_label(retired)) == retired


def test_only_a_retired_label_has_the_key() -> None:
    used = json.loads(encode_label(LABEL))
    retired = json.loads(encode_label(replace(LABEL, retired=True)))

    assert "retired" not in used
    assert retired["retired"] is True
    del used["blake3"], retired["blake3"], retired["retired"]
    assert retired == used
