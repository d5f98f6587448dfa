"""The record of one transaction group: what the disks keep of the metadata."""

from __future__ import annotations

from dataclasses import dataclass

from engine.ids import DiskUuid, Epoch, Generation, PoolUuid


@dataclass(frozen=True, slots=True, kw_only=True)
class HighWater:
    """The first number of each kind that was never given out.

    A record promises room ahead of use: numbers are handed out only below the
    marks of a committed record, so a crash never brings a number back.
    """

    extent: int = 1
    layout: int = 1
    inode: int = 2
    map: int = 1
    cookie: int = 3
    disk: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class RootRecord:
    """One group: header, changeset, staged part. ``time_ns`` is for people only.

    ``tolerance`` is m, how many of ``journal_set`` may be lost. ``row_count``
    is how many rows the changeset changes. ``previous_hash`` chains the
    records; the first of a pool has 32 zero bytes there. ``forced`` says that
    the operator opened the pool without the quorum, which is remembered.
    """

    pool_uuid: PoolUuid
    pool_name: str
    generation: Generation
    epoch: Epoch
    time_ns: int
    tolerance: int
    members: tuple[DiskUuid, ...]
    journal_set: tuple[DiskUuid, ...]
    schema_version: int
    high_water: HighWater
    row_count: int
    previous_hash: bytes
    changeset: bytes
    staged: bytes
    forced: bool = False
