"""Rules of trouble: crashes, new opens, lost, rotten and failed disks, and repair."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import rule

from engine.errors import UsageError
from engine.ids import DiskUuid
from tests.model.machine_base import MachineBase
from tests.model.model_tree import ModelTree, Names, Node, Snapshot
from tests.model.real_tree import real_content, real_facts, real_paths

DISKS = st.integers(0, 6)
DISKS_MAX = 7


class Troubles(MachineBase):
    """What happens to machines and disks; a disk is harmed only while the pool bears it."""

    def _disk(self, number: int) -> DiskUuid:
        return self.pool.uuids[number % len(self.pool.uuids)]

    # Ends

    @rule()
    def remount(self) -> None:
        self.let_all_go()
        self.pool.close()
        self.pool.reopen()
        self.all_is_safe()

    @rule()
    def crash(self) -> None:
        """The process, the pool directory and all that no disk made durable are lost."""
        self.kept.clear()
        self.gone.clear()
        self.pool.crash()
        self._accept_what_is_left()

    def _accept_what_is_left(self) -> None:
        """Check what a crash left, and let the model go on from there."""
        fs, old = self.pool.filesystem, self.every
        names = tuple(sorted(real_paths(fs)))
        tree = self._tree_of(names)
        for node in tree.files():
            data = real_content(fs, node.inode_id)
            assert data in old[node.inode_id].states, "a content the file never had"
            node.data = data
            node.settle()
        moment = self._moment_of(names, tree)
        for inode_id, position in moment.carried:
            left = tree.nodes().get(inode_id)
            if left is not None:
                allowed = old[inode_id].states[position:]
                assert left.data in allowed, "a rename left its data behind"
        self.tree = tree
        self.every = tree.nodes()
        self.acknowledged()

    def _tree_of(self, names: Names) -> ModelTree:
        tree = ModelTree()
        self._learn_facts(tree.root)
        for path, inode_id, _ in names:
            *parents, name = path.split(b"/")
            directory = tree.root
            for parent in parents:
                directory = directory.entries[parent]
            node = tree.nodes().get(inode_id)
            if node is None:
                node = Node(inode_id, 0)
                self._learn_facts(node)
            directory.entries[name] = node
        return tree

    def _learn_facts(self, node: Node) -> None:
        facts = real_facts(self.pool.filesystem, node.inode_id)
        node.mode, (node.uid, node.gid), node.rdev = facts.mode, facts.owner, facts.rdev
        node.target, node.xattrs, node.times = facts.target, dict(facts.xattrs), facts.times

    def _moment_of(self, names: Names, tree: ModelTree) -> Snapshot:
        """Return the moment that was left: names and attributes are of one root (P2)."""
        matching = [moment for moment in self.moments if moment.names == names]
        assert matching, f"{names} was never the name space"
        facts = tree.snapshot({}).facts
        fitting = [moment for moment in matching if moment.facts == facts]
        assert fitting, f"{facts} were never the attributes of these names"
        return min(fitting, key=lambda one: len(one.carried))

    # Disks

    @rule(number=DISKS)
    def lose_a_disk(self, number: int) -> None:
        uuid = self._disk(number)
        if self.pool.may_harm(uuid):
            self.pool.lose_disks(uuid)

    @rule()
    def disks_answer_again(self) -> None:
        self.pool.answer_again()

    @rule()
    def disks_come_back_with_the_next_open(self) -> None:
        if self.pool.missing:
            self.let_all_go()
            self.pool.close()
            self.pool.bring_disks_back()
            self.pool.reopen()
            self.all_is_safe()

    @rule()
    def probe(self) -> None:
        """The pool looks at its disks: what is gone is let go, the journals move."""
        self.pool.membership.probe()

    @rule(number=DISKS, position=st.integers(0, 1 << 20))
    def rot(self, number: int, position: int) -> None:
        uuid = self._disk(number)
        if self.pool.may_harm(uuid):
            self.pool.rot(uuid, position)

    @rule()
    def forget_pages(self) -> None:
        self.pool.forget_pages()

    @rule(number=DISKS)
    def mark_a_disk_failed(self, number: int) -> None:
        uuid = self._disk(number)
        if uuid not in self.pool.failed and self.pool.may_harm(uuid):
            self.pool.fail(uuid)

    @rule()
    def pardon_a_failed_disk(self) -> None:
        for uuid in sorted(self.pool.failed)[:1]:
            self.pool.pardon(uuid)

    @rule()
    def add_a_disk(self) -> None:
        if len(self.pool.uuids) < DISKS_MAX:
            self.pool.add_disk()

    # Maintenance

    @rule(count=st.integers(1, 9))
    def maintenance_goes_on(self, count: int) -> None:
        self.pool.take_turns(count)

    @rule(what=st.sampled_from(["repair", "look"]), count=st.integers(1, 9))
    def scrub(self, what: str, count: int) -> None:
        try:
            self.pool.maintenance.scrub.start(repair=what == "repair")
        except UsageError:
            self.pool.maintenance.scrub.stop()
        self.pool.take_turns(count)

    @rule()
    def rebuild(self) -> None:
        self.pool.filesystem.sync_all()
        self.all_is_safe()
        self.pool.rebuild()

    @rule()
    def checkpoint(self) -> None:
        self.pool.filesystem.sync_all()
        self.all_is_safe()
        self.pool.maintenance.checkpoints.make()

    @rule()
    def check(self) -> None:
        assert list(self.pool.contradictions()) == []
