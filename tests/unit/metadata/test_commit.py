"""Commits are led by one, shared by all, and no root is ever left out."""

from __future__ import annotations

import threading

import pytest

from engine.errors import QuorumError
from engine.ids import Generation, InodeId
from engine.metadata.commit import Committer
from engine.metadata.journals import ShippedRoot
from engine.metadata.store import ClosedGroup
from tests.unit.metadata.shadowed_store import ShadowedStore


class NarrowShipper:
    """Takes roots strictly one after the other, and none while it is full."""

    def __init__(self) -> None:
        self.sent: list[ShippedRoot] = []
        self.full = False
        self.waited: list[Generation] = []

    @property
    def acknowledged(self) -> Generation:
        return Generation(len(self.sent))

    def submit(self, root: ShippedRoot) -> None:
        if self.full:
            raise QuorumError("too many roots wait")
        assert root.generation == len(self.sent) + 1
        self.sent.append(root)

    def wait_acknowledged(self, generation: Generation, timeout_s: float) -> None:
        self.waited.append(generation)


def change(shadowed: ShadowedStore, number: int) -> Generation:
    with shadowed.store.operation():
        shadowed.tables.inodes.add_orphan(InodeId(number))
        return shadowed.store.open_generation


def committer_of(shadowed: ShadowedStore, shipper: NarrowShipper) -> Committer:
    # Groups are closed through the fixture, so that the shadow gets them too.
    shadowed.store.close_group = shadowed.closed_group  # type: ignore[method-assign]
    return Committer(shadowed.store, shipper, on_commit=lambda closed: None)


def test_a_root_that_found_no_room_goes_before_any_later_one(shadowed: ShadowedStore) -> None:
    shipper = NarrowShipper()
    committer = committer_of(shadowed, shipper)
    committer.commit(change(shadowed, 1))
    shipper.full = True

    for number in (2, 3):
        generation = change(shadowed, number)
        with pytest.raises(QuorumError):
            committer.commit(generation)
    shipper.full = False
    committer.commit(change(shadowed, 4))
    committer.commit(change(shadowed, 5))

    assert [root.generation for root in shipper.sent] == [1, 2, 3, 4]


def test_a_root_is_shipped_though_what_hears_of_the_commit_breaks(
    shadowed: ShadowedStore,
) -> None:
    shipper = NarrowShipper()
    shadowed.store.close_group = shadowed.closed_group  # type: ignore[method-assign]

    def breaks(closed: ClosedGroup) -> None:
        if closed.record.generation == 1:
            raise MemoryError

    committer = Committer(shadowed.store, shipper, on_commit=breaks)
    generation = change(shadowed, 1)
    with pytest.raises(MemoryError):
        committer.commit(generation)
    committer.commit(change(shadowed, 2))

    assert [root.generation for root in shipper.sent] == [1, 2]


def test_who_waits_for_an_older_group_finds_it_committed(shadowed: ShadowedStore) -> None:
    shipper = NarrowShipper()
    committer = committer_of(shadowed, shipper)
    generations = [change(shadowed, number) for number in range(5)]
    assert set(generations) == {1}

    threads = [
        threading.Thread(target=committer.make_safe, args=(generation, 1.0))
        for generation in generations
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [root.generation for root in shipper.sent] == [1]
    assert shipper.waited == [1] * 5


def test_without_changes_nothing_is_committed_and_the_newest_is_waited_for(
    shadowed: ShadowedStore,
) -> None:
    shipper = NarrowShipper()
    committer = committer_of(shadowed, shipper)
    committer.commit(change(shadowed, 1))

    committer.make_safe(shadowed.store.open_generation, 1.0)

    assert len(shipper.sent) == 1
    assert shipper.waited == [1]
