"""How much a change of policy would encode anew, found without setting it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from engine.extents.writer import fragment_file_bytes
from engine.ids import ExtentId, InodeId
from engine.maintenance.desired import is_narrower
from engine.maintenance.wanted import Assumed, WantedRedundancy
from engine.model.redundancy import Redundancy, fragment_count, narrowed, parse_redundancy
from engine.pool.assembly import Engine
from engine.pool.topology import PoolTopology

PIECE_EXTENTS: Final = 1000
_PIECE: Final = "SELECT id, redundancy, length FROM extent WHERE id > ? ORDER BY id LIMIT ?"


@dataclass(frozen=True, slots=True, kw_only=True)
class Moves:
    """Extents to encode anew, and the bytes that are written on the disks for it."""

    extents: int = 0
    written_bytes: int = 0


class PolicyMoves:
    """Counts for one engine. Any thread; changes nothing.

    Walks the files that have a policy, before and after, and all extents: some
    10 us each, in short read transactions. What is not synced yet is in no extent.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine: Final = engine

    def of_pool(self, wanted: Redundancy) -> Moves:
        """Return what moves when all that has no policy of its own wants *wanted*."""
        return self._count(WantedRedundancy(self._engine.readers, default=lambda: wanted))

    def of_inode(self, inode_id: InodeId, wanted: Redundancy | None) -> Moves:
        """Return what moves when an inode gets the policy *wanted*; None: it inherits."""
        assumed = Assumed(inode_id=inode_id, redundancy=wanted)
        return self._count(
            WantedRedundancy(self._engine.readers, default=self._of_the_pool, assumed=assumed)
        )

    def _count(self, then: WantedRedundancy) -> Moves:
        now = WantedRedundancy(self._engine.readers, default=self._of_the_pool)
        now.refresh()
        then.refresh()
        healthy_count = sum(one.takes_fragments for one in PoolTopology(self._engine).disks())
        extents = written_bytes = 0
        for piece in self._pieces():
            ids = range(piece[0][0], piece[-1][0] + 1)
            before, after = now.of_each(ids), then.of_each(ids)
            for extent_id, stored, length_bytes in piece:
                if before(extent_id) == (wanted := after(extent_id)):
                    continue
                form = _recoded(parse_redundancy(stored), wanted, healthy_count)
                if form is not None:
                    extents += 1
                    written_bytes += fragment_count(form) * fragment_file_bytes(form, length_bytes)
        return Moves(extents=extents, written_bytes=written_bytes)

    def _of_the_pool(self) -> Redundancy:
        return self._engine.properties.redundancy

    def _pieces(self) -> Iterator[list[tuple[ExtentId, str, int]]]:
        """Yield id, redundancy and length of all extents, some at once."""
        last = 0
        while True:
            with self._engine.readers.read() as connection:
                rows = list(connection.execute(_PIECE, (last, PIECE_EXTENTS)))
            if not rows:
                return
            last = rows[-1][0]
            yield rows


def _recoded(stored: Redundancy, wanted: Redundancy, healthy_count: int) -> Redundancy | None:
    """Return what reconcile makes of an extent, as ``desired_for`` does; None leaves it.

    >>> from engine.model.redundancy import ErasureCoding, Replication
    >>> str(_recoded(Replication(3), ErasureCoding(4, 2), 6))
    'rs:4+2'
    >>> str(_recoded(Replication(3), ErasureCoding(4, 2), 5))
    'rs:3+2'
    >>> _recoded(ErasureCoding(3, 2), ErasureCoding(4, 2), 5) is None
    True
    """
    form = narrowed(wanted, healthy_count)
    if form == stored or (is_narrower(stored, wanted) and form != wanted):
        return None
    return form
