"""Bring laggards of the journal set up again, in a thread of its own.

A member is lost when a call failed or took too long. What it holds past its
last confirmed root is then unknown (a failed flush is never trusted, and an
abandoned call may still land), so that is set aside before it is sent more.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final

from engine.clock import Clock
from engine.errors import DamagedRecordError, DeviceError, QuorumError
from engine.ids import DiskUuid, Epoch, Generation
from engine.limits import DEVICE_CALL_S_MAX, PROBE_S
from engine.metadata.catchup import (
    copy_base,
    copy_records,
    drop_passed,
    find_common,
    holds_record,
)
from engine.metadata.disks import JournalDisks, run_on
from engine.metadata.labels import tell_label
from engine.metadata.quorum import JournalSet
from engine.metadata.shipping import RETRY_S, Member, MemberState, QueuedRoot, RootRing
from engine.observe.events import EventSeverity

logger = logging.getLogger(__name__)

_REPAIRABLE: Final = (DeviceError, DamagedRecordError, QuorumError)


class Tender:
    """The shipper's own thread. Shares the shipper's lock, members and ring."""

    def __init__(
        self,
        *,
        disks: JournalDisks,
        clock: Clock,
        changed: threading.Condition,
        members: dict[DiskUuid, Member],
        ring: RootRing,
        kick: Callable[[], None],
        on_event: Callable[[EventSeverity, str], None],
        scratch: Path | None,
    ) -> None:
        self._disks = disks
        self._clock = clock
        self._changed = changed
        self._members = members
        self._ring = ring
        self._kick = kick
        self._on_event = on_event
        self._scratch = scratch
        self._wanted = threading.Condition()
        self._is_wanted = False
        self._stopping = False
        self._to_tell: list[QueuedRoot] = []
        self._thread = threading.Thread(target=self._run, name="journal-shipper", daemon=True)

    def start(self) -> None:
        """Begin tending."""
        self._thread.start()

    def stop(self, timeout_s: float) -> None:
        """End the thread; a call that hangs keeps it, as a daemon."""
        with self._wanted:
            self._stopping = True
            self._wanted.notify_all()
        if self._thread is not threading.current_thread():
            self._thread.join(timeout_s)

    def wake(self) -> None:
        """Look after the members soon; any thread, any lock held."""
        with self._wanted:
            self._is_wanted = True
            self._wanted.notify_all()

    def tell_later(self, queued: QueuedRoot) -> None:
        """Tell labels of an acknowledged change of J, soon."""
        with self._wanted:
            self._to_tell.append(queued)
        self.wake()

    def bring_up(self, member: Member) -> None:
        """Bring a member with unknown content to the ring; it is being tended.

        Raises:
            QuorumError: no other member can serve.
            DeviceError, DamagedRecordError: as the disks say.
        """
        source = self._source_for(member)
        common = member.last
        is_known = True
        # What it confirmed in this life of the shipper needs no reading again.
        if common is None or not self._can_go_on(source, common):
            common, is_known = find_common(self._disks, member.disk, source), False
        if common is None:
            common = copy_base(self._disks, member.disk, source, scratch=self._scratch)
        last = common
        start = Generation(last + 1)
        run_on(self._disks, member.disk, lambda device: device.journal_set_aside(start))
        if not is_known:
            run_on(self._disks, member.disk, partial(drop_passed, held=common))
        while True:
            with self._changed:
                until = Generation(self._ring.first - 1)
                if last >= until:
                    member.last, member.state = last, MemberState.LAGGING
                    member.reason = "catching up"
                    if self._ring.get(Generation(last + 1)) is None:
                        member.state, member.reason = MemberState.CURRENT, ""
                    return
            last = copy_records(self._disks, member.disk, source, after=last, until=until)

    def _can_go_on(self, source: DiskUuid, last: Generation) -> bool:
        """Whether the journal of *source* still reaches back to *last*."""
        return run_on(self._disks, source, lambda device: holds_record(device, last))

    def _run(self) -> None:
        while not self._stopping:
            with self._wanted:
                if not self._is_wanted and not self._stopping:
                    self._wanted.wait(PROBE_S)
                self._is_wanted = False
            if not self._stopping:
                self._tend()
        self._tell_labels()

    def _tend(self) -> None:
        self._give_up_slow_calls()
        self._tell_events()
        self._tell_labels()
        for member in self._claim_returned():
            try:
                self._retry(member)
            except Exception as error:  # one member must not end the care for all others
                if not isinstance(error, _REPAIRABLE):
                    logger.error("journal-shipper failed unexpectedly", exc_info=error)
                with self._changed:
                    member.reason = str(error) or type(error).__name__
                    member.retry_s = self._clock.monotonic_s() + RETRY_S
            finally:
                member.is_tended = False
        self._kick()

    def _give_up_slow_calls(self) -> None:
        now_s = self._clock.monotonic_s()
        with self._changed:
            for member in self._members.values():
                if member.is_sending and now_s - member.called_s > DEVICE_CALL_S_MAX:
                    member.lose("it does not answer", now_s)
                    self._changed.notify_all()

    def _tell_events(self) -> None:
        """Tell of each loss once, until the member is current again."""
        with self._changed:
            acknowledged = self._ring.acknowledged
            views = [(member, member.view(acknowledged)) for member in self._members.values()]
        for member, view in views:
            if view.state is MemberState.LOST and not member.is_missed:
                member.is_missed = True
                text = f"journal disk {view.disk} was lost: {view.reason}"
                self._on_event(EventSeverity.WARNING, text)
            elif view.state is MemberState.CURRENT and member.is_missed:
                member.is_missed = False
                self._on_event(EventSeverity.INFO, f"journal disk {view.disk} is back")

    def _claim_returned(self) -> list[Member]:
        reachable = set(self._disks.reachable())
        now_s = self._clock.monotonic_s()
        with self._changed:
            found = [
                member
                for member in self._members.values()
                if member.state is MemberState.LOST
                and not member.is_tended
                and member.disk in reachable
                and now_s >= member.retry_s
            ]
            for member in found:
                member.is_tended = True
        return found

    def _retry(self, member: Member) -> None:
        """Make a lost member that answers ready to be sent roots again."""
        last = member.last
        with self._changed:
            is_near = last is not None and last + 1 >= self._ring.first
        if last is None or not is_near:
            self.bring_up(member)
        else:
            start = Generation(last + 1)
            run_on(self._disks, member.disk, lambda device: device.journal_set_aside(start))
            with self._changed:
                member.state, member.reason = MemberState.LAGGING, "catching up"
                if last == self._ring.last:
                    member.state, member.reason = MemberState.CURRENT, ""

    def _source_for(self, member: Member) -> DiskUuid:
        """Return the best other member to copy from, one that answers now.

        A disk that just went away may not have failed a send yet.
        """
        reachable = set(self._disks.reachable())
        with self._changed:
            sources = [
                (other.last, str(other.disk), other.disk)
                for other in self._members.values()
                if other is not member
                and other.disk in reachable
                and other.last is not None
                and other.state is not MemberState.LOST
            ]
        if not sources:
            raise QuorumError(f"no journal disk can bring {member.disk} up")
        return max(sources)[2]

    def tell_joining(self, disk: DiskUuid, quorum: JournalSet, epoch: Epoch) -> None:
        """Name the J before its own in the label of a disk that joins.

        Its label may be left from an earlier membership in the very J that is to
        come; an open would take it for the sign that this was acknowledged.

        Raises:
            DeviceError, DamagedRecordError: as the disk says.
        """
        call = partial(tell_label, epoch=epoch, journal_set=quorum.disks)
        run_on(self._disks, disk, call)

    def _tell_labels(self) -> None:
        """Name a settled J in the labels of its members and those before (``labels``)."""
        with self._wanted:
            changes, self._to_tell = self._to_tell, []
        for change in changes:
            old = change.before.disks if change.before is not None else ()
            # One that left J because it went away is told when it joins again.
            left = set(old).difference(change.quorum.disks).intersection(self._disks.reachable())
            for disk in sorted({*change.quorum.disks, *left}):
                self._tell(disk, change)

    def _tell(self, disk: DiskUuid, change: QueuedRoot) -> None:
        root = change.root
        try:
            run_on(
                self._disks,
                disk,
                lambda d: tell_label(d, epoch=root.epoch, journal_set=root.journal_set),
            )
        except (DeviceError, DamagedRecordError) as error:
            # Until some label names it, an open asks for more disks; no more than that.
            self._on_event(EventSeverity.WARNING, f"label of disk {disk} not renewed: {error}")
