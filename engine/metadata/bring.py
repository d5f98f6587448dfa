"""Bring the members of the journal set to the head while a pool is opened."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from engine.device.protocol import Device
from engine.errors import DamagedRecordError, DeviceError, QuorumError
from engine.ids import DiskUuid
from engine.metadata.catchup import drop_passed
from engine.metadata.chain import RecordSource, read_chain
from engine.metadata.containers import copy_database, pack_database, store_checkpoint
from engine.metadata.decision import Decision, MemberPosition, StaleTail
from engine.metadata.scratch import (
    CONTAINER_NAME,
    COPY_NAME,
    ScratchError,
    remove_scratch,
    require_checkpoint_room,
)
from engine.metadata.summaries import FIRST_HASH, checkpoint_name


def set_stale_aside(devices: Mapping[DiskUuid, Device], tails: Sequence[StaleTail]) -> list[str]:
    """Move what was never acknowledged out of the way; return what to tell.

    A disk that refuses keeps its tail, and is found lagging afterwards.
    """
    events: list[str] = []
    for tail in tails:
        device = devices[tail.disk]
        try:
            if tail.start is not None:
                device.journal_set_aside(tail.start)
            for name in tail.checkpoints:
                device.set_aside(name)
        except DeviceError as error:
            events.append(f"disk {tail.disk}: its stale tail stays: {error}")
            continue
        events.append(
            f"disk {tail.disk}: {tail.count} roots from generation {tail.start} on, "
            "never acknowledged, were set aside"
        )
    return events


def bring_members(
    decision: Decision,
    devices: Mapping[DiskUuid, Device],
    sources: Sequence[RecordSource],
    *,
    database: Path,
    is_forced: bool,
) -> tuple[set[DiskUuid], list[str]]:
    """Append missing roots to members; return who holds the head, and what to tell.

    A member without a base gets a checkpoint of *database*, which is at the
    head. While a change of J may be unacknowledged that comes last: a
    checkpoint counts as the sign that everything before it was acknowledged.

    Raises:
        QuorumError: too few members took the head, and the open is not forced.
    """
    wanted = {disk for quorum in decision.quorums for disk in quorum.disks}
    positions = {place.disk: place for place in decision.positions}
    held: set[DiskUuid] = set()
    without_base: list[DiskUuid] = []
    events: list[str] = []
    for disk in sorted(wanted & devices.keys() & positions.keys()):
        try:
            appended = _append_missing(decision, positions[disk], devices[disk], sources)
        except DeviceError as error:
            events.append(f"disk {disk}: not brought to the head: {error}")
        except (DamagedRecordError, QuorumError):
            without_base.append(disk)
        else:
            held.add(disk)
            if appended:
                events.append(f"disk {disk}: {appended} roots appended")
    if len(decision.quorums) > 1 and not is_forced:
        _check_held(decision, held)
    for disk in without_base:
        try:
            _give_base(decision, devices[disk], database)
        except (DeviceError, ScratchError, OSError) as error:
            events.append(f"disk {disk}: no checkpoint could be stored: {error}")
        else:
            held.add(disk)
            events.append(f"disk {disk}: a checkpoint of the head was stored")
    if not is_forced:
        _check_held(decision, held)
    return held, events


def _append_missing(
    decision: Decision,
    place: MemberPosition,
    device: Device,
    sources: Sequence[RecordSource],
) -> int:
    """Put every root the member lacks; repeating one it has is harmless."""
    head = decision.head
    assert head is not None
    if place.generation is None:
        raise DamagedRecordError(f"disk {place.disk} has no base to append to")
    if place.generation == head.generation:
        return 0
    previous = decision.hash_of(place.generation) if place.generation else FIRST_HASH
    if previous is None:
        raise DamagedRecordError(f"disk {place.disk} is older than the journals")
    appended = 0
    for found in read_chain(
        sources, after=place.generation, previous_hash=previous, last=head.generation
    ):
        if found.root_hash != decision.hash_of(found.record.generation):
            raise DamagedRecordError(f"root {found.record.generation} is of another chain")
        device.journal_put(found.record.generation, found.record.epoch, found.encoded)
        appended += 1
    return appended


def _give_base(decision: Decision, device: Device, database: Path) -> None:
    head = decision.head
    assert head is not None
    scratch = database.parent
    copy = scratch / COPY_NAME
    require_checkpoint_room(database, scratch)
    try:
        copied = copy_database(database, copy)
        content = pack_database(copy, copied, scratch / CONTAINER_NAME)
        store_checkpoint(device, checkpoint_name(head.generation, head.epoch), content)
        drop_passed(device, head.generation)
    finally:
        remove_scratch(scratch)


def _check_held(decision: Decision, held: set[DiskUuid]) -> None:
    newest = decision.quorums[0]
    if newest.count(held) < newest.acknowledging_count:
        raise QuorumError(
            f"{newest.count(held)} journal disks took the head, {newest.acknowledging_count} needed"
        )
    for quorum in decision.quorums[1:]:
        if quorum.count(held) < quorum.meeting_count:
            raise QuorumError(
                f"{quorum.count(held)} disks of the journal set before took the head, "
                f"{quorum.meeting_count} needed"
            )
