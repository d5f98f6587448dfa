"""Tell disks the newest epoch and the settled journal set, in their labels.

An epoch is *promised* before its first root is shipped: a later open that
reads a quorum meets a label with it and takes a higher one, so no two opens
ever write under the same epoch, even when the first root of one reached only
disks that the other does not see.

A journal set is named in labels once the root that brought it is
acknowledged; until some label names it, an open must satisfy the old set too.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from engine.device.protocol import Device
from engine.errors import DamagedRecordError, DeviceError, QuorumError
from engine.format.label import decode_label, encode_label
from engine.ids import DiskUuid, Epoch
from engine.metadata.disks import JournalDisks, run_on
from engine.metadata.quorum import JournalSet


def tell_label(device: Device, *, epoch: Epoch, journal_set: tuple[DiskUuid, ...] | None) -> None:
    """Rewrite the label of *device* with at least *epoch*, and *journal_set* if given.

    Raises:
        DamagedRecordError: the label there is damaged; it is unchanged.
        DeviceError: the disk refused; the label is the old or the new one.
    """
    label = decode_label(device.get_label())
    told = replace(
        label, epoch=max(label.epoch, epoch), journal_set=journal_set or label.journal_set
    )
    if told != label:
        device.set_label(encode_label(told))


def promise_epoch(
    disks: JournalDisks,
    reachable: Iterable[DiskUuid],
    *,
    epoch: Epoch,
    journal_set: tuple[DiskUuid, ...] | None,
    quorums: Sequence[JournalSet],
) -> tuple[DiskUuid, ...]:
    """Write *epoch* into the label of every reachable disk; return those that took it.

    *journal_set* is given when it is settled, None when nobody knows (a forced open).

    Raises:
        QuorumError: too few members of one of *quorums* took it; no root of
            this epoch may be shipped. Repeating is harmless.
    """
    told: list[DiskUuid] = []
    for disk in reachable:
        try:
            run_on(
                disks, disk, lambda device: tell_label(device, epoch=epoch, journal_set=journal_set)
            )
        except (DeviceError, DamagedRecordError):
            continue
        told.append(disk)
    for quorum in quorums:
        if quorum.count(told) < quorum.meeting_count:
            raise QuorumError(
                f"epoch {epoch} reached {quorum.count(told)} journal disks, "
                f"{quorum.meeting_count} needed"
            )
    return tuple(told)
