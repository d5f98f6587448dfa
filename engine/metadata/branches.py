"""Judge branches: a stale tail, or a second history? Pure (DESIGN 5).

A branch leaves the chain at its *fork*. It is a stale tail when a later open
proved that it was never acknowledged: walking the chain up from the fork, the
first root of an epoch above all of the branch's belongs to an open that read a
quorum and did not find the branch. A forced open proves nothing, since it went
on without the quorum, so one before that point, or in the branch, makes two
histories. So do roots of one epoch on both sides: an epoch is one open, which
writes one chain.
"""

from __future__ import annotations

from collections.abc import Sequence

from engine.errors import SplitHistoryError
from engine.metadata.summaries import RootSummary


def refuse_second_history(
    chain: Sequence[RootSummary], places: Sequence[tuple[str, Sequence[RootSummary]]]
) -> None:
    """Check every root in *places* (name, roots) that is not of *chain*.

    Raises:
        SplitHistoryError: some may have been acknowledged beside the chain.
    """
    on_chain = {root.root_hash for root in chain}
    oldest = chain[0].generation
    branch: dict[bytes, RootSummary] = {}
    for _, roots in places:
        for root in roots:
            # What is older than the known chain was followed by two proved
            # checkpoints; nothing there can be compared any more, unless its
            # epoch says that no ancestor of the chain can be of it.
            if root.root_hash not in on_chain and (
                root.generation >= oldest or root.epoch > chain[0].epoch
            ):
                branch[root.root_hash] = root
    others: list[list[RootSummary]] = []
    while branch:
        tail = _take_tail(branch)
        if tail[-1].epoch > chain[-1].epoch:
            continue  # Newer, but unconnected: unreadable, which ``history`` tells.
        if _is_second_history(chain, tail):
            others.append(tail)
    if others:
        raise SplitHistoryError(_sentence(chain, others, places))


def _take_tail(branch: dict[bytes, RootSummary]) -> list[RootSummary]:
    """Remove from *branch* its newest root and all before that; oldest first."""
    newest = max(branch.values(), key=lambda root: (root.epoch, root.generation, root.root_hash))
    tail = [newest]
    # Ancestors may be shared with another tail that was taken before: those
    # were judged with a higher epoch, which is the stricter judgement.
    while (parent := branch.get(tail[-1].header.previous_hash)) is not None:
        tail.append(parent)
    for root in tail:
        del branch[root.root_hash]
    return tail[::-1]


def _is_second_history(chain: Sequence[RootSummary], tail: Sequence[RootSummary]) -> bool:
    first, last = tail[0], tail[-1]
    before = {root.root_hash: index for index, root in enumerate(chain)}
    fork = before.get(first.header.previous_hash)
    if fork is not None:
        beside = list(chain[fork + 1 :])
        previous_epoch = chain[fork].epoch
    elif first.generation == chain[0].generation:
        beside = list(chain)
        previous_epoch = first.epoch
    else:
        # Its parent is unknown, so it left the chain somewhere before.
        beside = [root for root in chain if root.generation >= first.generation - 1]
        previous_epoch = None
    if not beside:
        return False  # Above the head: records between them are unreadable.
    epochs = {root.epoch for root in tail}
    if any(root.epoch in epochs for root in beside):
        return True
    if _has_forced_start(tail, previous_epoch):
        return True
    for index, root in enumerate(beside):
        known = beside[index - 1].epoch if index else previous_epoch
        if _has_forced_start((root,), known):
            return True
        if root.epoch > last.epoch:
            return False
    return True


def _has_forced_start(roots: Sequence[RootSummary], previous_epoch: int | None) -> bool:
    """Whether an epoch that was opened by force begins in *roots*."""
    for root in roots:
        if root.header.forced and root.epoch != previous_epoch:
            return True
        previous_epoch = root.epoch
    return False


def _sentence(
    chain: Sequence[RootSummary],
    others: Sequence[Sequence[RootSummary]],
    places: Sequence[tuple[str, Sequence[RootSummary]]],
) -> str:
    """Name every history: its last change, and each place that has a part of it."""
    fork = min(tail[0].generation for tail in others)
    histories = [[root for root in chain if root.generation >= fork] or [chain[-1]], *others]
    parts: list[str] = []
    for roots in histories:
        hashes = {root.root_hash for root in roots}
        found = [name for name, held in places if any(one.root_hash in hashes for one in held)]
        parts.append(f"{roots[-1]} on {', '.join(sorted(found))}")
    count = "two" if len(parts) == 2 else str(len(parts))
    return (
        f"{count} histories of one pool: {'; and '.join(parts)}; "
        "detach the disks of all but the one to keep"
    )
