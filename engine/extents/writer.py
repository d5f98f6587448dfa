"""Writes extents: encode, hash, put everywhere in parallel, make durable.

A fragment whose disk fails goes to another healthy disk under a new layout;
when none is left, the whole extent is encoded narrower. The tolerance is never
lowered (P4). A record is returned only when every fragment and its name are
durable; until someone commits it, nothing refers to what was written.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from concurrent.futures import Future
from dataclasses import dataclass, replace
from typing import Final

from engine.codec.kernel import Kernel
from engine.device.lanes import Lane
from engine.device.protocol import Buffer, Device
from engine.errors import DeviceError, DeviceGoneError, DeviceSlowError, NoSpaceError
from engine.extents.buffers import ExtentBuffer, SpareBuffers, parity_room
from engine.extents.disks import DiskSource
from engine.extents.payloads import FragmentContent, Payload, payload_of, payloads_of
from engine.format.fragment import header_hash, payload_offset
from engine.ids import DiskId, Epoch, ExtentId, Generation, LayoutId, PoolUuid
from engine.model.disk import Tier
from engine.model.extent import ExtentRecord, FragmentRef, fragment_name
from engine.model.redundancy import Redundancy, fragment_count, narrowed, slice_bytes
from engine.observe.metrics import Metrics
from engine.policy.placement import Purpose, choose_disks, choose_redundancy, serves


def fragment_file_bytes(redundancy: Redundancy, length_bytes: int) -> int:
    """Return the length on disk of each fragment: header, page table, payload.

    >>> from engine.model.redundancy import ErasureCoding
    >>> fragment_file_bytes(ErasureCoding(4, 2), 8 << 20) - (2 << 20)
    8192
    """
    size = slice_bytes(redundancy, length_bytes)
    return payload_offset(size) + size


class _PutCall:
    """Runs in a lane: store one fragment and make it and its name durable."""

    __slots__ = ("_name", "_parts")

    def __init__(self, name: str, parts: Sequence[Buffer]) -> None:
        self._name = name
        self._parts = parts

    def __call__(self, device: Device) -> None:
        device.put(self._name, self._parts)
        # An extent has one fragment on a disk, so this is once per disk; until
        # the name is durable no row may use it (P2).
        device.sync([self._name])


class _DeleteCall:
    """Runs in a lane: remove a fragment."""

    __slots__ = ("_name",)

    def __init__(self, name: str) -> None:
        self._name = name

    def __call__(self, device: Device) -> None:
        device.delete(self._name)


@dataclass(frozen=True, slots=True)
class _Put:
    """A fragment on its way to a disk; ``future`` is None when it was refused."""

    ref: FragmentRef
    future: Future[None] | None


class ExtentWriter:
    """Writes extents and fragments to the disks of one pool. Thread-safe."""

    def __init__(
        self,
        metrics: Metrics,
        disks: DiskSource,
        *,
        kernel: Kernel,
        parity: SpareBuffers | None = None,
    ) -> None:
        """*parity* is memory for what is made of the data; its own without it."""
        self._disks: Final = disks
        self._kernel: Final = kernel
        self._parity: Final = parity or SpareBuffers()
        self._replaced: Final = metrics.counter("fragments_replaced_total")

    def write(
        self,
        buffer: ExtentBuffer,
        *,
        extent_id: ExtentId,
        length_bytes: int,
        redundancy: Redundancy,
        tier: Tier,
        epoch: Epoch,
        generation: Generation,
        pool_uuid: PoolUuid,
        new_layout: Callable[[], LayoutId],
        lane: Lane,
        purpose: Purpose | None = None,
    ) -> ExtentRecord:
        """Encode and store the first *length_bytes* of *buffer*, durably.

        The padding behind the data in *buffer* is overwritten; the data is not.
        What *lane* maintenance writes heals, if no *purpose* says otherwise.
        The record's redundancy is narrower than *redundancy* when the pool
        cannot hold the full width now (P4). After an exception nothing refers
        to what may be left on disks, and the same data can be written again.
        If a device call was abandoned, *buffer* is marked so.

        Raises:
            NoSpaceError: the disks there are cannot hold the tolerance.
        """
        content = FragmentContent(
            pool_uuid=pool_uuid,
            extent_id=extent_id,
            redundancy=redundancy,
            length_bytes=length_bytes,
            epoch=epoch,
            generation=generation,
        )
        parity = self._parity.take(parity_room(redundancy))
        try:
            form, refs = self._written(
                content, (buffer, parity), tier, new_layout, lane, purpose or _purpose_of(lane)
            )
        finally:
            self._parity.give_back(parity)
        return ExtentRecord(
            extent_id=extent_id,
            redundancy=form,
            tier=tier,
            length_bytes=length_bytes,
            epoch=epoch,
            generation=generation,
            fragments=refs,
        )

    def _written(
        self,
        wanted: FragmentContent,
        memory: tuple[ExtentBuffer, ExtentBuffer],
        tier: Tier,
        new_layout: Callable[[], LayoutId],
        lane: Lane,
        purpose: Purpose,
    ) -> tuple[Redundancy, tuple[FragmentRef, ...]]:
        """Encode and place, narrower each time that a width cannot be had."""
        failed: set[DiskId] = set()
        while True:
            content, targets = self._choose(wanted, tier, failed, purpose)
            payloads = payloads_of(content, memory, self._kernel)
            attempt = _Attempt(self, memory, content, payloads, new_layout, lane, purpose)
            refs = attempt.place(targets, tier, failed)
            if refs is not None:
                return content.redundancy, refs

    def write_fragment(
        self,
        payload: memoryview,
        *,
        content: FragmentContent,
        index: int,
        disk_id: DiskId,
        layout: LayoutId,
        lane: Lane,
    ) -> FragmentRef:
        """Store one proven payload of an existing extent, durably.

        Raises:
            DeviceError: the disk did not take it. After DeviceSlowError the
                abandoned call may still read *payload*.
        """
        put = self.start(payload_of(payload), content, index, disk_id, layout, lane)
        error = self.finish(put)
        if error is not None:
            raise error
        return put.ref

    def start(
        self,
        payload: Payload,
        content: FragmentContent,
        index: int,
        disk_id: DiskId,
        layout: LayoutId,
        lane: Lane,
    ) -> _Put:
        """Send a fragment to its disk; every put started must be finished."""
        header = content.header(index, layout, payload.table_hash)
        ref = FragmentRef(index, disk_id, layout, header_hash(header))
        name = fragment_name(content.extent_id, layout, index)
        call = _PutCall(name, (header, payload.table, payload.view))
        try:
            return _Put(ref, self._disks.submit(disk_id, lane, call))
        except DeviceError as error:
            self._disks.report_failure(disk_id, error)
            return _Put(ref, None)

    def finish(self, put: _Put) -> DeviceError | None:
        """Wait for a put; return what went wrong, already reported, or None."""
        if put.future is None:
            return DeviceGoneError(f"disk {put.ref.disk_id} refused the call")
        try:
            self._disks.wait(put.future)
        except DeviceError as error:
            self._disks.report_failure(put.ref.disk_id, error)
            return error
        return None

    def replacements(
        self,
        content: FragmentContent,
        count: int,
        tier: Tier,
        exclude: Set[DiskId],
        purpose: Purpose,
    ) -> tuple[DiskId, ...] | None:
        """Return *count* other disks, or None when there are not as many."""
        self._replaced.add(count)
        try:
            return self._disks_for(content, count, tier, exclude, purpose)
        except NoSpaceError:
            return None

    def forget(self, refs: Iterable[FragmentRef], extent_id: ExtentId, lane: Lane) -> None:
        """Delete fragments that no record ever named; a failure leaves an orphan."""
        for ref in refs:
            call = _DeleteCall(fragment_name(extent_id, ref.layout, ref.index))
            try:
                self._disks.submit(ref.disk_id, lane, call)
            except DeviceError as error:
                self._disks.report_failure(ref.disk_id, error)

    def _choose(
        self, content: FragmentContent, tier: Tier, failed: Set[DiskId], purpose: Purpose
    ) -> tuple[FragmentContent, tuple[DiskId, ...]]:
        """Return the widest form that fits, and its disks."""
        healthy = sum(
            serves(space, purpose) and space.disk_id not in failed for space in self._disks.spaces()
        )
        chosen: Redundancy | None = choose_redundancy(content.redundancy, healthy)
        while chosen is not None:
            form = replace(content, redundancy=chosen)
            width = fragment_count(chosen)
            try:
                return form, self._disks_for(form, width, tier, failed, purpose)
            except NoSpaceError:
                # Disks without room do not count: try one fewer.
                chosen = narrowed(chosen, width - 1)
        raise NoSpaceError(f"no room for {content.redundancy} on {healthy} healthy disks")

    def _disks_for(
        self,
        content: FragmentContent,
        count: int,
        tier: Tier,
        exclude: Set[DiskId],
        purpose: Purpose,
    ) -> tuple[DiskId, ...]:
        return choose_disks(
            self._disks.spaces(),
            count,
            tier=tier,
            fragment_bytes=fragment_file_bytes(content.redundancy, content.length_bytes),
            exclude=exclude,
            purpose=purpose,
            seed=content.extent_id,
        )


def _purpose_of(lane: Lane) -> Purpose:
    """Return what a write is for: nobody waits for one that heals."""
    return Purpose.HEALING if lane is Lane.MAINTENANCE else Purpose.NEW_DATA


@dataclass(frozen=True, slots=True)
class _Attempt:
    """One encoding of an extent on its way to the disks."""

    writer: ExtentWriter
    memory: tuple[ExtentBuffer, ExtentBuffer]
    """Data and parity, which the device calls read."""
    content: FragmentContent
    payloads: Sequence[Payload]
    new_layout: Callable[[], LayoutId]
    lane: Lane
    purpose: Purpose

    def place(
        self, targets: Sequence[DiskId], tier: Tier, failed: set[DiskId]
    ) -> tuple[FragmentRef, ...] | None:
        """Store every fragment; None when this width cannot be had.

        Each round has a layout of its own and adds a disk to *failed*, so
        there are no more rounds than disks (P8).
        """
        placed: dict[int, FragmentRef] = {}
        waiting = dict(enumerate(targets))
        while waiting:
            placed |= self._round(waiting, failed)
            lost = [index for index in waiting if index not in placed]
            used = {ref.disk_id for ref in placed.values()} | failed
            others: tuple[DiskId, ...] | None = ()
            if lost:
                others = self.writer.replacements(self.content, len(lost), tier, used, self.purpose)
            if others is None:
                self.writer.forget(placed.values(), self.content.extent_id, self.lane)
                return None
            waiting = dict(zip(lost, others, strict=True))
        return tuple(placed[index] for index in sorted(placed))

    def _round(self, waiting: Mapping[int, DiskId], failed: set[DiskId]) -> dict[int, FragmentRef]:
        layout = self.new_layout()
        placed = {}
        slow = any(one.abandoned for one in self.memory)
        # Whatever ends this before every call has ended, the memory is theirs.
        self._mark(abandoned=True)
        puts = [
            self.writer.start(self.payloads[index], self.content, index, disk_id, layout, self.lane)
            for index, disk_id in waiting.items()
        ]
        for put in puts:
            error = self.writer.finish(put)
            if error is None:
                placed[put.ref.index] = put.ref
                continue
            failed.add(put.ref.disk_id)
            slow = slow or isinstance(error, DeviceSlowError)
        self._mark(abandoned=slow)
        return placed

    def _mark(self, *, abandoned: bool) -> None:
        for one in self.memory:
            one.abandoned = abandoned
