"""Ship root records to the journal set and tell when they are acknowledged.

Every member is sent every root, in order, one call at a time: a call runs in
the disk's own thread, puts one record after the other until nothing is left,
and counts each as it becomes durable. So a lone fsync costs one hand-over to
each disk and one wake-up of its waiter, and a queue needs no hand-over at all.
A root is acknowledged when m+1 of J hold it *and everything before it*
(``quorum`` says why that is enough). A slow or failing member delays nobody;
``tending`` brings it back.

Thread rules: one lock, never held while a disk or a callback runs.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping
from pathlib import Path

from engine.clock import Clock, SystemClock
from engine.device.protocol import Device
from engine.errors import (
    DeviceError,
    DeviceGoneError,
    EngineStoppedError,
    PoolError,
    QuorumError,
)
from engine.ids import DiskUuid, Epoch, Generation
from engine.metadata.disks import JournalDisks
from engine.metadata.quorum import JournalSet
from engine.metadata.shipping import (
    ROOTS_PER_CALL,
    STRAGGLER_S_MAX,
    SUBMIT_S_MAX,
    Member,
    MemberState,
    MemberView,
    QueuedRoot,
    RootRing,
    ShippedRoot,
    begin_renewal,
    require_reachable,
)
from engine.metadata.tending import Tender
from engine.observe.events import EventSeverity

__all__ = ["JournalShipper", "MemberState", "MemberView", "ShippedRoot"]

OnEvent = Callable[[EventSeverity, str], None]


class JournalShipper:
    """Sends roots to the members of J. Thread-safe."""

    def __init__(
        self,
        disks: JournalDisks,
        *,
        tolerance: int,
        journal_set: tuple[DiskUuid, ...],
        acknowledged: Generation,
        on_event: OnEvent,
        behind: Mapping[DiskUuid, Generation | None] | None = None,
        clock: Clock | None = None,
        scratch: Path | None = None,
    ) -> None:
        """Continue behind *acknowledged*, which every member holds except those in
        *behind* (with what they hold, None if unknown). *scratch* is a folder for
        checkpoints on their way to a new member.
        """
        self._disks = disks
        self._clock = clock or SystemClock()
        self._on_event = on_event
        self._changed = threading.Condition()
        self._ring = RootRing(acknowledged)
        self._quorum = JournalSet(disks=journal_set, tolerance=min(tolerance, len(journal_set) - 1))
        behind = behind or {}
        self._members = {
            disk: Member(disk, behind[disk], MemberState.LOST, "behind at open")
            if disk in behind
            else Member(disk, acknowledged, MemberState.CURRENT)
            for disk in journal_set
        }
        self._epoch = Epoch(0)  # Of the newest root that was submitted.
        self._callbacks: list[Callable[[Generation], None]] = []
        self._telling = threading.Lock()
        self._told = acknowledged
        self._closing = self._closed = False
        self._tender = Tender(
            disks=disks,
            clock=self._clock,
            changed=self._changed,
            members=self._members,
            ring=self._ring,
            kick=self._kick,
            on_event=on_event,
            scratch=scratch,
        )
        self._tender.start()

    # What callers see

    @property
    def acknowledged(self) -> Generation:
        """The newest acknowledged generation; everything before it is, too."""
        return self._ring.acknowledged

    def on_acknowledged(self, callback: Callable[[Generation], None]) -> None:
        """Call *callback* with each newer acknowledged generation, in order, from
        a disk's thread: it must be quick and must not wait."""
        self._callbacks.append(callback)

    def members(self) -> tuple[MemberView, ...]:
        """Return how each disk stands that is sent roots."""
        with self._changed:
            acknowledged = self._ring.acknowledged
            return tuple(member.view(acknowledged) for member in self._members.values())

    def submit(self, root: ShippedRoot) -> None:
        """Send *root*, the next one, to every member; waits while the ring is full.

        Raises:
            QuorumError: the ring stayed full for SUBMIT_S_MAX; nothing was sent.
            PoolError: *root* changes J to a disk that was not prepared.
            EngineStoppedError: the shipper is closed.
        """
        with self._changed:
            self._wait_for_room()
            if root.generation != self._ring.last + 1:
                raise ValueError(f"root {root.generation} does not follow {self._ring.last}")
            self._ring.append(self._queue(root))
            self._epoch = root.epoch
            idle = self._take_idle()
        for member, attempt in idle:
            self._call(member, attempt)

    def wait_acknowledged(self, generation: Generation, timeout_s: float) -> None:
        """Return once *generation* is acknowledged.

        Raises:
            QuorumError: too few members answer, or *timeout_s* passed. The root
                may still be acknowledged later.
            EngineStoppedError: the shipper was closed before.
        """
        end_s = self._clock.monotonic_s() + timeout_s
        with self._changed:
            while self._ring.acknowledged < generation:
                if self._closed:
                    raise EngineStoppedError("the journals are closed")
                require_reachable(self._members.values(), self._quorum, generation)
                left_s = end_s - self._clock.monotonic_s()
                if left_s <= 0:
                    raise QuorumError(f"generation {generation} is not acknowledged in time")
                self._clock.wait(self._changed, left_s)

    def prepare_member(self, disk: DiskUuid) -> None:
        """Bring *disk* the latest checkpoint and every journal since, and keep it up.

        It counts only once a root names it in J; ``release_member`` gives up.

        Raises:
            DeviceError, DamagedRecordError, QuorumError: it could not be brought
                up; it is not a member.
        """
        with self._changed:
            if (known := self._members.get(disk)) is not None:
                self._keep(known)
                return
            member = Member(disk, None, MemberState.LOST, is_prepared=True, is_tended=True)
            self._members[disk] = member
        try:
            self._tender.bring_up(member)
            self._tender.tell_joining(disk, self._settled_quorum(), self._epoch)
        except BaseException:
            with self._changed:
                self._members.pop(disk, None)
            raise
        finally:
            member.is_tended = False
        self._kick()

    def _settled_quorum(self) -> JournalSet:
        """Return the newest J that was acknowledged."""
        with self._changed:
            pending = (one.before for one in self._ring.unacknowledged() if one.before is not None)
            return next(pending, self._quorum)

    def _keep(self, member: Member) -> None:
        """Go on with a member that a change of J was about to end; lock held."""
        if member.until is None:
            return
        if member.state is MemberState.LOST:
            raise DeviceGoneError(f"disk {member.disk} is not up to date: {member.reason}")
        member.until, member.is_prepared = None, True
        self._tender.wake()

    def release_member(self, disk: DiskUuid) -> None:
        """Stop sending to a prepared *disk* that no root names; else do nothing."""
        with self._changed:
            member = self._members.get(disk)
            if member is not None and member.is_prepared:
                member.attempt += 1
                del self._members[disk]

    def retry_now(self) -> None:
        """Try lost members at once; for whoever saw a disk come back."""
        with self._changed:
            for member in self._members.values():
                member.retry_s = 0.0
        self._tender.wake()

    def renew_members(
        self, broken: Mapping[DiskUuid, Generation], carriers: Collection[DiskUuid]
    ) -> str:
        """Have damaged journals copied anew; return why not (``shipping.begin_renewal``)."""
        with self._changed:
            now = self._ring.acknowledged, self._clock.monotonic_s()
            refusal = begin_renewal(self._members, self._quorum, broken, carriers, now)
        self._tender.wake()
        return refusal

    def close(self, timeout_s: float) -> None:
        """Wait up to *timeout_s* for what was submitted, then stop. Repeatable.

        Members that are being sent something get a moment more, so that they
        need no catching up at the next open. Calls that hang stay behind in
        their disks' threads and change nothing.
        """
        end_s = self._clock.monotonic_s() + timeout_s
        with self._changed:
            self._closing = True
            self._wait_while(lambda: self._ring.acknowledged < self._ring.last, end_s)
            # Their threads take real time, whatever the pool's clock says.
            self._changed.wait_for(self._none_sending, min(timeout_s, STRAGGLER_S_MAX))
            self._closed = True
            for member in self._members.values():
                member.attempt += 1
            self._changed.notify_all()
        self._tender.stop(timeout_s)

    def _wait_while(self, holds: Callable[[], bool], end_s: float) -> None:
        """Wait for a change after which *holds* is false, or for *end_s*; lock held."""
        while not self._closed and holds():
            left_s = end_s - self._clock.monotonic_s()
            if left_s <= 0:
                return
            self._clock.wait(self._changed, left_s)

    def _none_sending(self) -> bool:
        return self._closed or not any(member.is_sending for member in self._members.values())

    # Sending

    def _wait_for_room(self) -> None:
        self._wait_while(lambda: self._ring.is_full, self._clock.monotonic_s() + SUBMIT_S_MAX)
        if self._closed:
            raise EngineStoppedError("the journals are closed")
        if self._ring.is_full:
            raise QuorumError(f"{self._ring.last - self._ring.acknowledged} roots wait")

    def _queue(self, root: ShippedRoot) -> QueuedRoot:
        """Take over a change of J, if *root* is one."""
        quorum = root.quorum
        if quorum == self._quorum:
            return QueuedRoot(root, quorum, None)
        unprepared = [disk for disk in quorum.disks if disk not in self._members]
        if unprepared:
            raise PoolError(f"disk {unprepared[0]} was not prepared for the journal set")
        before, self._quorum = self._quorum, quorum
        for member in self._members.values():
            if member.disk in quorum.disks:
                member.is_prepared, member.until = False, None
            elif not member.is_prepared and member.until is None:
                member.until = root.generation
        return QueuedRoot(root, quorum, before)

    def _take_idle(self) -> list[tuple[Member, int]]:
        """Claim each member that has something to get and no call; lock held."""
        idle: list[tuple[Member, int]] = []
        for member in self._members.values():
            if (
                self._closed
                or member.is_sending
                or member.is_tended
                or member.state is MemberState.LOST
            ):
                continue
            if self._next_for(member) is None:
                self._rest(member)
            else:
                member.attempt += 1
                member.is_sending = True
                member.called_s = self._clock.monotonic_s()
                idle.append((member, member.attempt))
        return idle

    def _kick(self) -> None:
        with self._changed:
            idle = self._take_idle()
        for member, attempt in idle:
            self._call(member, attempt)

    def _next_for(self, member: Member) -> ShippedRoot | None:
        if member.last is None or member.last == member.until:
            return None
        queued = self._ring.get(Generation(member.last + 1))
        return None if queued is None else queued.root

    def _call(self, member: Member, attempt: int) -> None:
        try:
            self._disks.submit(member.disk, lambda device: self._send(member, attempt, device))
        except DeviceError as error:
            self._failed(member, attempt, error)

    def _send(self, member: Member, attempt: int, device: Device) -> None:
        """Put roots until none is left; runs in the disk's thread."""
        with self._changed:
            root = self._next_for(member) if member.attempt == attempt else None
            if root is None and member.attempt == attempt:
                self._rest(member)
        count = 0
        while root is not None:
            try:
                device.journal_put(root.generation, root.epoch, root.encoded)
            except DeviceError as error:
                self._failed(member, attempt, error)
                return
            count += 1
            root = self._confirm(member, attempt, root.generation)
            if count == ROOTS_PER_CALL and root is not None:
                self._yield_call(member, attempt)
                return

    def _confirm(self, member: Member, attempt: int, generation: Generation) -> ShippedRoot | None:
        """Count *generation* as durable on *member*; return what it gets next."""
        with self._changed:
            if member.attempt != attempt:
                return None  # Abandoned: whoever took over decides what it holds.
            member.last = generation
            following = self._next_for(member)
            if following is None:
                self._rest(member)
            acknowledged = self._ring.newest_acknowledged(self._members.values())
            advanced = acknowledged > self._ring.acknowledged
            if advanced:
                self._acknowledge(acknowledged)
        if advanced:
            self._tell_acknowledged()
        return following

    def _rest(self, member: Member) -> None:
        """End a call because nothing is left in the ring for *member*; lock held."""
        member.is_sending = False
        if self._closing:
            self._changed.notify_all()
        end = self._ring.last if member.until is None else member.until
        if member.holds(end):
            member.state, member.reason = MemberState.CURRENT, ""
        else:
            # What it needs next has left the ring while it was slow.
            member.lose("it fell behind", self._clock.monotonic_s())
            self._tender.wake()

    def _acknowledge(self, generation: Generation) -> None:
        """Note what is acknowledged now; lock held."""
        for queued in self._ring.unacknowledged():
            if queued.before is not None and queued.root.generation <= generation:
                self._tender.tell_later(queued)
        self._ring.acknowledge(generation)
        for disk, member in list(self._members.items()):
            if member.until is not None and member.until <= generation:
                member.attempt += 1
                del self._members[disk]
        self._changed.notify_all()

    def _tell_acknowledged(self) -> None:
        # One at a time, so that callbacks see generations in order.
        with self._telling:
            generation = self._ring.acknowledged
            if generation > self._told:
                self._told = generation
                for callback in self._callbacks:
                    callback(generation)

    def _yield_call(self, member: Member, attempt: int) -> None:
        """End a long call; the tender begins the next one."""
        with self._changed:
            if member.attempt == attempt:
                member.is_sending = False
        self._tender.wake()

    def _failed(self, member: Member, attempt: int, error: DeviceError) -> None:
        with self._changed:
            if member.attempt != attempt:
                return
            member.lose(str(error) or type(error).__name__, self._clock.monotonic_s())
            self._changed.notify_all()
        self._tender.wake()
