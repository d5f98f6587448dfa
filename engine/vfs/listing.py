"""What a directory lists: every name it has, also those whose inode is damaged.

A listing never hides a name. What a damaged one leads to is an error of its own
when it is looked up; the others of its directory go on (P1, P4).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from engine.errors import DamagedDatabaseError
from engine.ids import InodeId
from engine.metadata.tables import Tables
from engine.model.inode import Inode
from engine.vfs.interface import Attributes, DirectoryItem
from engine.vfs.tree import Tree


class Listing:
    """Lists directories; takes the write lock for one piece at a time."""

    def __init__(self, *, tables: Tables, tree: Tree) -> None:
        self._store = tables.store
        self._names = tables.names
        self._tree = tree

    def read_directory(
        self, inode_id: InodeId, after_cookie: int, limit: int
    ) -> Sequence[DirectoryItem]:
        """Return names behind *after_cookie*, as ``FileSystem.read_directory``."""
        tree = self._tree
        with self._store.lock:
            directory = tree.directory(inode_id)
            items: list[DirectoryItem] = []
            if after_cookie < 1:
                items.append(DirectoryItem(b".", 1, inode_id, tree.attributes(directory)))
            if after_cookie < 2:
                up = self._known(partial(tree.inode, directory.parent))
                items.append(DirectoryItem(b"..", 2, directory.parent, up))
            for entry in self._names.list_behind(inode_id, max(after_cookie, 2), limit):
                known = self._known(partial(tree.named, entry))
                items.append(DirectoryItem(entry.name, entry.cookie, entry.inode_id, known))
            tree.accessed.note(directory)
            return items[:limit]

    def _known(self, find: Callable[[], Inode]) -> Attributes | None:
        """Return the attributes of what *find* finds; None when it is damaged, which was told."""
        try:
            return self._tree.attributes(find())
        except DamagedDatabaseError:
            return None
