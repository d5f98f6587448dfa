"""The tables of one store, made once and passed together."""

from __future__ import annotations

from engine.metadata.extents_table import ExtentTable
from engine.metadata.file_map import FileMap
from engine.metadata.garbage import Garbage
from engine.metadata.inodes import InodeTable
from engine.metadata.members import MemberTable
from engine.metadata.names import NameTable
from engine.metadata.store import MetadataStore


class Tables:
    """Every table over one store; the store's write lock protects them all."""

    def __init__(self, store: MetadataStore) -> None:
        self.store = store
        self.inodes = InodeTable(store)
        self.names = NameTable(store)
        self.file_map = FileMap(store)
        self.extents = ExtentTable(store)
        self.members = MemberTable(store)
        self.garbage = Garbage()
