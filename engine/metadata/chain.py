"""Read the records of one chain in order, from wherever they are intact."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import apsw

from engine.device.protocol import Device, JournalEntry
from engine.errors import DamagedRecordError, DeviceError, QuorumError
from engine.format.root import decode_root, root_hash
from engine.ids import Generation
from engine.metadata.rows import DamageNote, Rows
from engine.model.root import RootRecord

RecordSource: TypeAlias = Callable[[Generation], Iterator[tuple[Generation, bytes]]]
"""Yields (generation, encoded record) of at least the argument, in order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainRecord:
    """One record of the chain, checked."""

    record: RootRecord
    encoded: bytes
    root_hash: bytes


def journal_source(device: Device) -> RecordSource:
    """Read from the journal of *device*; gaps are passed over."""

    def read(start: Generation) -> Iterator[tuple[Generation, bytes]]:
        for entry in device.journal_list(start):
            if isinstance(entry, JournalEntry):
                yield entry.generation, entry.payload

    return read


def outbox_source(connection: apsw.Connection) -> RecordSource:
    """Read from the outbox of a database."""

    def read(start: Generation) -> Iterator[tuple[Generation, bytes]]:
        yield from Rows(connection, DamageNote()).read(
            "SELECT generation, record FROM outbox WHERE generation >= ? ORDER BY generation",
            (start,),
        )

    return read


def read_chain(
    sources: Sequence[RecordSource],
    *,
    after: Generation,
    previous_hash: bytes,
    last: Generation,
) -> Iterator[ChainRecord]:
    """Yield the records behind *after* up to *last*, each linked to the one before.

    A source that breaks off is left for the next one; every source is asked
    again as long as that brings a record.

    Raises:
        DamagedRecordError: no source has the next record.
        QuorumError: nor has any that answers, but some do not.
    """
    failures: list[DeviceError] = []
    wanted = Generation(after + 1)
    while wanted <= last:
        before = wanted
        for source in sources:
            for found in _run_of(source, wanted, previous_hash, last, failures):
                yield found
                wanted = Generation(wanted + 1)
                previous_hash = found.root_hash
        if wanted == before and failures:
            raise QuorumError(f"no disk that answers holds root {wanted}: {failures[-1]}")
        if wanted == before:
            raise DamagedRecordError(f"no disk holds root {wanted} intact")


def _run_of(
    source: RecordSource,
    wanted: Generation,
    previous_hash: bytes,
    last: Generation,
    failures: list[DeviceError],
) -> Iterator[ChainRecord]:
    """Yield linked records of one source until it breaks off; *failures* grows."""
    if wanted > last:
        return
    records = source(wanted)
    while wanted <= last:
        try:
            generation, encoded = next(records)
            if generation != wanted:
                return
            record = decode_root(encoded)
        except DeviceError as error:
            failures.append(error)
            return
        except (StopIteration, DamagedRecordError):
            return
        if (record.generation, record.previous_hash) != (wanted, previous_hash):
            return
        previous_hash = root_hash(encoded)
        wanted = Generation(wanted + 1)
        yield ChainRecord(record=record, encoded=encoded, root_hash=previous_hash)
