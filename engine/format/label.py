"""The label of a disk: ``dynamicfs-disk.json``, which an operator can read."""

from __future__ import annotations

import json
from typing import TypeAlias
from uuid import UUID

from blake3 import blake3

from engine.errors import DamagedRecordError
from engine.format.constants import (
    FORMAT_VERSION,
    LABEL_BYTES_MAX,
    LABEL_FEATURES,
    LABEL_FORMAT,
    Buffer,
)
from engine.ids import DiskUuid, Epoch, PoolUuid
from engine.model.disk import Tier
from engine.model.label import DiskLabel

_Document: TypeAlias = dict[str, object]


def encode_label(label: DiskLabel) -> bytes:
    """Return *label* as indented JSON with a final newline.

    Raises:
        ValueError: a name is no Unicode text, or the label would be too long.
    """
    document: _Document = {
        "format": LABEL_FORMAT,
        "version": FORMAT_VERSION,
        "features": sorted(LABEL_FEATURES),
        "pool_uuid": str(label.pool_uuid),
        "pool_name": label.pool_name,
        "disk_uuid": str(label.disk_uuid),
        "disk_name": label.disk_name,
        "tier": label.tier.value,
        "epoch": label.epoch,
        "journal_set": [str(uuid) for uuid in label.journal_set],
    }
    if label.retired:
        # Only then: a label in use has the very bytes it had before this key was known.
        document["retired"] = True
    document["blake3"] = _checksum(document)
    # ensure_ascii would write \u00e9 for é, where a flipped bit of a hex digit's
    # case goes unnoticed; raw UTF-8 leaves no two spellings of a name.
    data = (json.dumps(document, indent=2, ensure_ascii=False) + "\n").encode()
    if len(data) > LABEL_BYTES_MAX:
        raise ValueError(f"label of {len(data)} bytes is over {LABEL_BYTES_MAX}")
    return data


def decode_label(data: Buffer) -> DiskLabel:
    """Return the label in *data*. Keys it does not know are checked and ignored.

    Raises:
        DamagedRecordError: the bytes are damaged, or were written by a newer
            version or with a feature that this one does not know.
    """
    document = _parse(data)
    checksum = document.pop("blake3", None)
    if document.get("format") != LABEL_FORMAT:
        raise DamagedRecordError("disk label: this is not a DynamicFS disk label")
    if checksum != _checksum(document):
        raise DamagedRecordError("disk label: the checksum does not match")
    version = _integer(document, "version")
    if version != FORMAT_VERSION:
        raise DamagedRecordError(
            f"disk label: format version {version} is not known, only {FORMAT_VERSION} is"
        )
    unknown = sorted(set(_texts(document, "features")) - LABEL_FEATURES)
    if unknown:
        raise DamagedRecordError(f"disk label: feature {unknown[0]!r} is not known")
    try:
        return DiskLabel(
            pool_uuid=PoolUuid(UUID(_text(document, "pool_uuid"))),
            pool_name=_text(document, "pool_name"),
            disk_uuid=DiskUuid(UUID(_text(document, "disk_uuid"))),
            disk_name=_text(document, "disk_name"),
            tier=Tier(_text(document, "tier")),
            epoch=Epoch(_integer(document, "epoch")),
            journal_set=tuple(DiskUuid(UUID(text)) for text in _texts(document, "journal_set")),
            retired=document.get("retired") is True,
        )
    except ValueError as error:
        raise DamagedRecordError(f"disk label: {error}") from error


def _checksum(document: _Document) -> str:
    """Return the BLAKE3, in hex, of the canonical JSON of *document*."""
    canonical = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return blake3(canonical.encode("ascii")).hexdigest()


def _parse(data: Buffer) -> _Document:
    if len(data) > LABEL_BYTES_MAX:
        raise DamagedRecordError(f"disk label: {len(data)} bytes are over {LABEL_BYTES_MAX}")
    try:
        document: object = json.loads(bytes(data).decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise DamagedRecordError("disk label: this is not JSON") from error
    if not isinstance(document, dict):
        raise DamagedRecordError("disk label: this is not a JSON object")
    return document


def _text(document: _Document, key: str) -> str:
    value = document.get(key)
    if not isinstance(value, str):
        raise DamagedRecordError(f"disk label: {key} is not text")
    return value


def _texts(document: _Document, key: str) -> list[str]:
    value = document.get(key)
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise DamagedRecordError(f"disk label: {key} is not a list of texts")
    return value


def _integer(document: _Document, key: str) -> int:
    value = document.get(key)
    # JSON's true is an int to Python.
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise DamagedRecordError(f"disk label: {key} is not a count")
    return value
