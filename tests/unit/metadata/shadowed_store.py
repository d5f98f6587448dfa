"""A store beside a second database that is made of its root records alone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from engine.clock import ManualClock
from engine.errors import NotFoundError
from engine.format.root import decode_root, root_hash
from engine.ids import Generation, InodeId, MapId
from engine.metadata.database import create_database, open_database
from engine.metadata.replay import Head, apply_root, read_head
from engine.metadata.store import ClosedGroup, MetadataStore
from engine.metadata.tables import Tables
from engine.model.inode import Inode
from engine.model.root import RootRecord
from tests.unit.metadata.compared import differences
from tests.unit.metadata.written_pool import first_template


class ShadowedStore:
    """Every closed group is encoded, decoded again and replayed into ``shadow``."""

    def __init__(self, folder: Path) -> None:
        template = first_template()
        self.database = folder / "metadata.db"
        self.clock = ManualClock()
        self.connection = create_database(self.database)
        self.shadow = create_database(folder / "shadow.db")
        self.store = MetadataStore(self.connection, template=template, clock=self.clock)
        self.store.start(
            Head(
                generation=template.generation,
                epoch=template.epoch,
                root_hash=bytes(32),
                header=template,
            )
        )
        self.tables = Tables(self.store)
        self.records: list[RootRecord] = []

    def close_group(self, acknowledged: int = 0) -> RootRecord | None:
        """Commit the open group; replay its record into the shadow."""
        before = len(self.records)
        self.closed_group(Generation(acknowledged))
        return self.records[-1] if len(self.records) > before else None

    def closed_group(self, acknowledged: Generation) -> ClosedGroup | None:
        """Do the same for a committer, which takes this for the store's own."""
        closed = MetadataStore.close_group(self.store, acknowledged)
        if closed is not None:
            record = decode_root(closed.encoded)
            apply_root(self.shadow, record, root_hash(closed.encoded))
            self.records.append(record)
        return closed

    def reopen(self) -> None:
        """Open the database again, as after a crash: the open group is gone."""
        self.store.close()
        self.connection = open_database(self.database)
        head = read_head(self.connection)
        assert head is not None
        self.store = MetadataStore(self.connection, template=head.header, clock=self.clock)
        self.store.start(head)
        self.tables = Tables(self.store)

    def differences(self) -> list[str]:
        """Compare the store and its shadow, both at the newest closed group."""
        return differences(self.connection, self.shadow)


@contextmanager
def shadowed_store(folder: Path) -> Iterator[ShadowedStore]:
    """Yield a store; at the end its records alone must make the same database."""
    shadowed = ShadowedStore(folder)
    try:
        yield shadowed
        if not shadowed.store.stopped:
            shadowed.close_group()
        assert shadowed.differences() == []
    finally:
        shadowed.store.close()
        shadowed.shadow.close()


@contextmanager
def undone(store: MetadataStore) -> Iterator[None]:
    """Run an operation that is refused at its end."""
    with suppress(NotFoundError), store.operation():
        yield
        raise NotFoundError("refused on purpose")


def inode_of(number: int, *, size: int = 0, map_id: int = 9) -> Inode:
    """Return a regular file without a name, whose map is *map_id*."""
    return Inode(
        inode_id=InodeId(number),
        mode=0o100644,
        uid=1,
        gid=2,
        nlink=1,
        size=size,
        rdev=0,
        atime_ns=3,
        mtime_ns=4,
        ctime_ns=5,
        map_id=MapId(map_id),
        parent=InodeId(0),
    )
