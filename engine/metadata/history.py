"""Choose the head among what disks and pool directory hold. Pure (DESIGN 5).

The longest valid chain of the highest epoch is the head. A root is valid
wherever any disk has it, so a gap on one disk is filled by another. Roots
that are not ancestors of the head form *branches*; ``branches`` judges whether
they are stale tails or a second history.

Read-write is allowed iff ``opening_count`` members of the head's J (see
``quorum``) are reachable with readable journals: every acknowledged root is on
m+1 of J, hence on one of any |J|-m, hence in the chain chosen here. Four
things can still be unknown, and each forbids read-write on its own: a change of
J that may not be acknowledged (then the J before it must be met as well), a
root that is newer than the head but hangs in the air because a record before it
is unreadable, no journal at all behind an old checkpoint, and a database that
is ahead of every disk.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from engine.ids import DiskUuid, Epoch, Generation
from engine.metadata.branches import refuse_second_history
from engine.metadata.decision import Decision, LocalVerdict, MemberPosition, StaleTail
from engine.metadata.quorum import JournalSet
from engine.metadata.summaries import FIRST_HASH, DiskScan, LocalState, RootSummary
from engine.model.label import DiskLabel


@dataclass(slots=True)
class _Roots:
    """Every root anywhere, by hash; where its record is, and which are bases."""

    by_hash: dict[bytes, RootSummary] = field(default_factory=dict)
    recorded: set[bytes] = field(default_factory=set)
    bases: set[bytes] = field(default_factory=set)

    def add(self, root: RootSummary, *, into: set[bytes]) -> None:
        self.by_hash.setdefault(root.root_hash, root)
        into.add(root.root_hash)

    def parent(self, root: RootSummary) -> RootSummary | None:
        """Return the root before *root*, None when it is unknown or no predecessor."""
        parent = self.by_hash.get(root.header.previous_hash)
        if (
            parent is None
            or parent.generation + 1 != root.generation
            or parent.epoch > root.epoch
            or parent.header.pool_uuid != root.header.pool_uuid
        ):
            return None
        return parent

    def anchored(self) -> dict[bytes, Generation]:
        """Return the roots whose state can be made, with the newest base they need."""
        found: dict[bytes, Generation] = {}
        for root in sorted(self.by_hash.values(), key=lambda root: root.generation):
            if root.root_hash in self.bases:
                found[root.root_hash] = root.generation
            elif root.root_hash in self.recorded:
                parent = self.parent(root)
                if root.generation == 1 and root.header.previous_hash == FIRST_HASH:
                    found[root.root_hash] = Generation(0)
                elif parent is not None and parent.root_hash in found:
                    found[root.root_hash] = found[parent.root_hash]
        return found

    def ancestry(self, root: RootSummary) -> tuple[RootSummary, ...]:
        """Return *root* and all known before it, oldest first."""
        chain = [root]
        while (parent := self.parent(chain[-1])) is not None:
            chain.append(parent)
        return tuple(reversed(chain))


def _rank(root: RootSummary) -> tuple[Epoch, Generation, bytes]:
    return root.epoch, root.generation, root.root_hash


def choose_head(scans: Sequence[DiskScan], local: LocalState) -> Decision:
    """Return the head of what *scans* and *local* show. Equal input, equal answer.

    Raises:
        SplitHistoryError: there are two histories that may both have been
            acknowledged; the engine does not choose.
    """
    readable = [scan for scan in scans if not scan.damage]
    roots = _collect(readable, local)
    anchored = roots.anchored()
    if not anchored:
        return _without_head(scans, local, roots)
    head = max((roots.by_hash[digest] for digest in anchored), key=_rank)
    chain = roots.ancestry(head)
    on_chain = {root.root_hash for root in chain}
    places = [(f"disk {_name(scan)}", _all_roots(scan)) for scan in readable]
    if local.head is not None:
        places.append(("the pool directory", (*local.roots, local.head)))
    refuse_second_history(chain, places)
    quorums = _quorums_to_meet(roots, chain, readable)
    members = _speaking_members(readable, head, anchor=anchored[head.root_hash])
    why_not = _why_not(head, roots, quorums, members) or _why_disks_are_older(
        head, readable, on_chain
    )
    return Decision(
        head=head,
        chain=chain,
        anchor=anchored[head.root_hash],
        read_write=not why_not,
        why_not=why_not,
        quorums=quorums,
        missing=_missing(head, scans),
        local=_judge_local(local, head, on_chain, roots),
        stale=tuple(_stale_tails(readable, chain, on_chain)),
        positions=tuple(_position(scan, chain, on_chain) for scan in readable),
        next_epoch=_next_epoch(scans, local, roots),
    )


def _collect(scans: Sequence[DiskScan], local: LocalState) -> _Roots:
    roots = _Roots()
    for scan in scans:
        for root in scan.roots:
            roots.add(root, into=roots.recorded)
        for checkpoint in scan.checkpoints:
            roots.add(checkpoint.root, into=roots.bases)
    for root in local.roots:
        roots.add(root, into=roots.recorded)
    if local.head is not None and not local.damage:
        roots.add(local.head, into=roots.bases)
    return roots


def _without_head(scans: Sequence[DiskScan], local: LocalState, roots: _Roots) -> Decision:
    """Answer for disks without any history that can be made, which is a new pool
    only when nothing at all was found."""
    lost = bool(roots.by_hash) or bool(local.damage) or any(scan.damage for scan in scans)
    return Decision(
        head=None,
        chain=(),
        anchor=Generation(0),
        read_write=False,
        why_not="no checkpoint or first root is readable" if lost else "there is no root yet",
        quorums=(),
        missing=tuple(sorted(scan.disk for scan in scans if scan.damage)),
        local=LocalVerdict.DAMAGED if local.damage else LocalVerdict.ABSENT,
        stale=(),
        positions=(),
        next_epoch=_next_epoch(scans, local, roots),
    )


def _name(scan: DiskScan) -> str:
    return str(scan.disk) if scan.label is None else scan.label.disk_name


def _all_roots(scan: DiskScan) -> tuple[RootSummary, ...]:
    return (*scan.roots, *(checkpoint.root for checkpoint in scan.checkpoints))


def _next_epoch(scans: Sequence[DiskScan], local: LocalState, roots: _Roots) -> Epoch:
    """Return an epoch above every one used or promised (see ``labels``)."""
    seen = [root.epoch for root in roots.by_hash.values()]
    seen += [scan.label.epoch for scan in scans if scan.label is not None]
    seen += [local.head.epoch] if local.head is not None else []
    return Epoch(max(seen, default=Epoch(0)) + 1)


def _missing(head: RootSummary, scans: Sequence[DiskScan]) -> tuple[DiskUuid, ...]:
    there = {scan.disk for scan in scans if not scan.damage}
    named = {*head.header.members, *head.header.journal_set}
    return tuple(sorted(named - there))


def _quorums_to_meet(
    roots: _Roots, chain: Sequence[RootSummary], scans: Sequence[DiskScan]
) -> tuple[JournalSet, ...]:
    """Return the head's J, and each earlier one until a change is surely acknowledged.

    A change is when a label names its J (see ``_is_told``), a checkpoint is at or
    behind it, or an unforced epoch began behind it, whose opener met these very
    quorums.
    """
    labels = [scan.label for scan in scans if scan.label is not None]
    settled = {point.root.root_hash for scan in scans for point in scan.checkpoints}
    quorums: list[JournalSet] = []
    for root in reversed(chain):
        quorum = JournalSet.of(root.header)
        is_told = False
        if quorum not in quorums:
            quorums.append(quorum)
            is_told = _is_told(quorum, chain, labels)
        if root.root_hash in settled or is_told:
            break
        parent = roots.parent(root)
        if parent is not None and parent.epoch != root.epoch and not root.header.forced:
            # The opening root may change J itself; what was before it is settled.
            if (before := JournalSet.of(parent.header)) not in quorums:
                quorums.append(before)
            break
    return tuple(quorums)


def _is_told(quorum: JournalSet, chain: Sequence[RootSummary], labels: Sequence[DiskLabel]) -> bool:
    """Whether a label proves that the change to *quorum* was acknowledged.

    Labels name a J after its acknowledgement, under its epoch or a later one.
    When the pool returned to a J it had before, one label may be left from the
    first time: then all since must agree, for a disk that joins is told the J
    before it first.
    """
    starts: list[RootSummary] = []
    disks_before: tuple[DiskUuid, ...] = ()
    for root in chain:
        if root.header.journal_set != disks_before:
            disks_before = root.header.journal_set
            if disks_before == quorum.disks:
                starts.append(root)
    since = [frozenset(label.journal_set) for label in labels if label.epoch >= starts[-1].epoch]
    wanted = frozenset(quorum.disks)
    if len(starts) > 1:
        return bool(since) and all(one == wanted for one in since)
    return wanted in since


def _speaking_members(
    scans: Sequence[DiskScan], head: RootSummary, *, anchor: Generation
) -> set[DiskUuid]:
    """Return the disks that show every root they were ever sent, up to the head.

    A disk that lost all it had says nothing, unless there was nothing to lose
    yet. Nor does one with damage at or behind the head: what is hidden there may
    have been acknowledged.
    """
    return {
        scan.disk
        for scan in scans
        if (scan.roots or scan.checkpoints or anchor == 0)
        and all(gap < head.generation for gap in scan.gaps)
    }


def _why_not(
    head: RootSummary,
    roots: _Roots,
    quorums: Sequence[JournalSet],
    members: set[DiskUuid],
) -> str:
    """Return one sentence against opening read-write, empty when there is none."""
    newest = max(roots.by_hash.values(), key=_rank)
    if _rank(newest) > _rank(head):
        return f"records between {head} and {newest} are unreadable"
    for quorum in quorums:
        count = quorum.count(members)
        if count < quorum.opening_count:
            return (
                f"{count} of {len(quorum.disks)} journal disks are readable, "
                f"{quorum.opening_count} needed"
            )
    return ""


def _why_disks_are_older(head: RootSummary, scans: Sequence[DiskScan], on_chain: set[bytes]) -> str:
    """Return why a database that no disk knows is not gone on with, else nothing.

    The outbox reaches back to what was acknowledged, so disks that never lost
    anything know the chain. These were set back, and what was written to them
    since cannot be told from what the database has.
    """
    held = [root for scan in scans for root in _all_roots(scan)]
    if not held or any(root.root_hash in on_chain for root in held):
        return ""
    newest = max(held, key=_rank)
    return f"the pool directory is at {head}, but the disks end at {newest}: were they set back?"


def _judge_local(
    local: LocalState, head: RootSummary, on_chain: set[bytes], roots: _Roots
) -> LocalVerdict:
    if local.damage:
        return LocalVerdict.DAMAGED
    if local.head is None:
        return LocalVerdict.ABSENT
    if local.head.root_hash == head.root_hash:
        return LocalVerdict.CURRENT
    if local.head.root_hash not in on_chain:
        return LocalVerdict.ABANDONED
    # Replay needs the record of every root between the database and the head.
    root: RootSummary | None = head
    while root is not None and root.generation > local.head.generation:
        if root.root_hash not in roots.recorded:
            return LocalVerdict.ABANDONED
        root = roots.parent(root)
    return LocalVerdict.BEHIND


def _stale_tails(
    scans: Sequence[DiskScan], chain: Sequence[RootSummary], on_chain: set[bytes]
) -> Iterator[StaleTail]:
    """Yield what to set aside, per disk. What is older than the known chain stays:
    it can be neither proved nor disproved, and the next trim drops it."""
    oldest = chain[0].generation
    for scan in scans:
        stale = [
            root.generation
            for root in scan.roots
            if root.root_hash not in on_chain and root.generation >= oldest
        ]
        names = tuple(
            point.name
            for point in scan.checkpoints
            if point.root.root_hash not in on_chain and point.root.generation >= oldest
        )
        if stale or names:
            yield StaleTail(
                disk=scan.disk,
                start=min(stale, default=None),
                count=len(stale),
                checkpoints=names,
            )


def _position(scan: DiskScan, chain: Sequence[RootSummary], on_chain: set[bytes]) -> MemberPosition:
    # What lies behind a stale root is set aside with it.
    stale = [
        root.generation
        for root in scan.roots
        if root.root_hash not in on_chain and root.generation >= chain[0].generation
    ]
    end = min(stale, default=chain[-1].generation + 1)
    held = {
        root.generation
        for root in scan.roots
        if root.root_hash in on_chain and root.generation < end
    }
    bases = {
        point.root.generation for point in scan.checkpoints if point.root.root_hash in on_chain
    }
    last = max(bases, default=None)
    if last is None and chain[0].generation == 1:
        last = Generation(0)
    if last is None:
        return MemberPosition(disk=scan.disk, generation=None)
    while last + 1 in held:
        last = Generation(last + 1)
    return MemberPosition(disk=scan.disk, generation=last)
