"""What the shipper keeps: roots on their way, members and how far they are.

Nothing here locks or calls a device; ``journals`` holds its lock around it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from engine.errors import QuorumError
from engine.ids import DiskUuid, Epoch, Generation
from engine.limits import DEVICE_CALL_S_MAX, OUTBOX_BYTES_MAX, OUTBOX_ROOTS_MAX, PROBE_S
from engine.metadata.quorum import JournalSet

RING_ROOTS_MAX: Final = 64 * OUTBOX_ROOTS_MAX
"""Acknowledged roots kept for slow members, if OUTBOX_BYTES_MAX allows."""

STRAGGLER_S_MAX: Final = 1.0
"""How long a close waits for members that are behind the acknowledged root.

It would count without them; with them a disk that answers holds every root.
"""

SUBMIT_S_MAX: Final = 2 * DEVICE_CALL_S_MAX
"""How long a committer waits for room before it is told that there is no quorum."""

ROOTS_PER_CALL: Final = 32
"""Bounds a call, so that its age says whether the disk hangs."""

RETRY_S: Final = PROBE_S
FAILURE_FORGOTTEN_S: Final = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ShippedRoot:
    """A committed root. ``journal_set`` and ``tolerance`` are what it says itself."""

    generation: Generation
    epoch: Epoch
    encoded: bytes
    journal_set: tuple[DiskUuid, ...]
    tolerance: int

    @property
    def quorum(self) -> JournalSet:
        """The journal set as it counts; few disks cannot lose all of them."""
        return JournalSet(
            disks=self.journal_set, tolerance=min(self.tolerance, len(self.journal_set) - 1)
        )


class MemberState(StrEnum):
    """How a member stands to the newest root."""

    CURRENT = "current"
    LAGGING = "lagging"
    """It answers, and is being brought up."""
    LOST = "lost"
    """It failed or does not answer; it is tried again when reachable."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberView:
    """A member for people. ``last`` is None while nobody knows what it holds."""

    disk: DiskUuid
    state: MemberState
    last: Generation | None
    reason: str


@dataclass(slots=True)
class Member:
    """One disk that is sent every root.

    ``attempt`` counts calls: a result of an older one was abandoned and changes
    nothing. ``until`` is the change of J that ends its membership.
    """

    disk: DiskUuid
    last: Generation | None
    state: MemberState
    reason: str = ""
    attempt: int = 0
    is_sending: bool = False
    called_s: float = 0.0
    failed_s: float = float("-inf")
    retry_s: float = 0.0
    until: Generation | None = None
    is_prepared: bool = False
    is_tended: bool = False
    is_missed: bool = False
    """Its loss was told; so will be its return."""

    def lose(self, reason: str, now_s: float) -> None:
        """Give up its call. A first failure is tried again at once, later ones
        after RETRY_S (seconds)."""
        self.attempt += 1
        self.is_sending = False
        self.state, self.reason = MemberState.LOST, reason
        is_first = now_s - self.failed_s > FAILURE_FORGOTTEN_S
        self.failed_s = now_s
        self.retry_s = now_s if is_first else now_s + RETRY_S

    def view(self, acknowledged: Generation) -> MemberView:
        """Return how it stands; lagging too if it lacks what is acknowledged."""
        state = self.state
        if state is MemberState.CURRENT and not self.holds(acknowledged) and self.until is None:
            state = MemberState.LAGGING
        return MemberView(disk=self.disk, state=state, last=self.last, reason=self.reason)

    def holds(self, generation: Generation) -> bool:
        """Whether it has *generation* and everything before it."""
        return self.last is not None and self.last >= generation


def begin_renewal(
    members: Mapping[DiskUuid, Member],
    quorum: JournalSet,
    broken: Mapping[DiskUuid, Generation],
    carriers: Collection[DiskUuid],
    now: tuple[Generation, float],
) -> str:
    """Have the members *broken* copied anew behind what of them is whole; lock held.

    *now* is the newest acknowledged generation, and the monotonic second.

    Until then they do not count. So it is refused, with a sentence, unless the
    *carriers*, whose journals were just read and are whole, alone carry what was
    acknowledged (P3). All at once, for a member is copied from one that is not lost.
    """
    acknowledged, now_s = now
    whole = {
        disk
        for disk in carriers
        if (known := members.get(disk)) is not None
        and known.state is MemberState.CURRENT
        and known.holds(acknowledged)
    }
    if quorum.count(whole) < quorum.acknowledging_count:
        return (
            f"{quorum.count(whole)} other journals are whole, {quorum.acknowledging_count} needed"
        )
    for disk, after in broken.items():
        member = members.get(disk)
        if member is not None and member.state is MemberState.CURRENT and not member.is_tended:
            member.lose("its journal is not whole and is copied anew", now_s)
            member.last = after
    return ""


def require_reachable(
    members: Iterable[Member], quorum: JournalSet, generation: Generation
) -> None:
    """Raise QuorumError when too many members are lost to acknowledge *generation*."""
    answering = {
        member.disk
        for member in members
        if member.state is not MemberState.LOST or member.holds(generation)
    }
    count = quorum.count(answering)
    if count < quorum.acknowledging_count:
        raise QuorumError(f"{count} journal disks answer, {quorum.acknowledging_count} needed")


@dataclass(frozen=True, slots=True)
class QueuedRoot:
    """A root in the ring. ``before`` is the set it replaces, if it changes J."""

    root: ShippedRoot
    quorum: JournalSet
    before: JournalSet | None

    def is_acknowledged_by(self, members: Iterable[Member]) -> bool:
        """Whether enough members hold it and everything before it."""
        holders = {member.disk for member in members if member.holds(self.root.generation)}
        if self.quorum.count(holders) < self.quorum.acknowledging_count:
            return False
        return self.before is None or self.before.count(holders) >= self.before.meeting_count


class RootRing:
    """The newest roots in order: all unacknowledged ones, and some before them.

    Members that fall behind a little are served from here. Unacknowledged ones
    are bounded by OUTBOX_ROOTS_MAX and OUTBOX_BYTES_MAX, those before them by
    RING_ROOTS_MAX and OUTBOX_BYTES_MAX.
    """

    def __init__(self, acknowledged: Generation) -> None:
        self._roots: deque[QueuedRoot] = deque()
        self._bytes = 0
        self._open_bytes = 0
        self.acknowledged = acknowledged
        self.last = acknowledged

    @property
    def first(self) -> Generation:
        """The oldest generation still here; behind the last when empty."""
        return self._roots[0].root.generation if self._roots else Generation(self.last + 1)

    @property
    def is_full(self) -> bool:
        """Whether the committer has to wait (P8)."""
        return (
            self.last - self.acknowledged >= OUTBOX_ROOTS_MAX
            or self._open_bytes >= OUTBOX_BYTES_MAX
        )

    def append(self, queued: QueuedRoot) -> None:
        """Add the next root."""
        self._roots.append(queued)
        self.last = queued.root.generation
        self._bytes += len(queued.root.encoded)
        self._open_bytes += len(queued.root.encoded)

    def get(self, generation: Generation) -> QueuedRoot | None:
        """Return root *generation*, None when it is not here."""
        index = generation - self.first
        return self._roots[index] if 0 <= index < len(self._roots) else None

    def unacknowledged(self) -> list[QueuedRoot]:
        """Return what waits, oldest first."""
        return [self._roots[i] for i in range(self.acknowledged + 1 - self.first, len(self._roots))]

    def acknowledge(self, generation: Generation) -> None:
        """Note that everything up to *generation* is acknowledged."""
        for number in range(self.acknowledged + 1, generation + 1):
            queued = self.get(Generation(number))
            assert queued is not None
            self._open_bytes -= len(queued.root.encoded)
        self.acknowledged = generation
        while self.first <= generation and (
            generation - self.first >= RING_ROOTS_MAX or self._bytes > OUTBOX_BYTES_MAX
        ):
            self._bytes -= len(self._roots.popleft().root.encoded)

    def newest_acknowledged(self, members: Iterable[Member]) -> Generation:
        """Return how far *members* acknowledge, everything before included.

        A later root that enough members hold acknowledges the ones before it,
        but never a change of J that the old set has not met.
        """
        known = tuple(members)
        best = self.acknowledged
        for queued in self.unacknowledged():
            if queued.is_acknowledged_by(known):
                best = queued.root.generation
            elif queued.before is not None:
                break
        return best
