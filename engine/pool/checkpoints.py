"""When a checkpoint of the metadata is due, and making it beside the work."""

from __future__ import annotations

import threading

import apsw

from engine import heap
from engine.errors import EngineError
from engine.ids import Generation
from engine.metadata.checkpoint import due, make_checkpoint
from engine.metadata.quorum import JournalSet
from engine.metadata.scratch import ScratchError, remove_scratch, require_checkpoint_room
from engine.observe.events import EventSeverity
from engine.pool.assembly import Engine
from engine.pool.journal_reach import JournalReach
from engine.units import format_bytes

ACKNOWLEDGE_S_MAX = 60.0
LOOK_S = 1.0
"""How often it is asked whether a checkpoint is due."""
RETRY_BYTES = 16 * 1024 * 1024
"""After a failed checkpoint the next try waits for this much more journal."""
OVERDUE_RATIO = 2
"""At so many times the bound an open makes a checkpoint before it serves anybody."""


class _GivenUpError(ScratchError):
    """The pool is being closed."""


class CheckpointKeeper:
    """Makes a checkpoint when the journals have outgrown the last one.

    ``turn`` is of one thread, its own: copy and proof of a large database take
    minutes, in which repair goes on (P7). A failure is an event, and every journal
    stays until a checkpoint was proved. Where the pool directory has no room for
    one, ``problem`` says so, and it is looked at again each turn.
    """

    def __init__(self, engine: Engine, *, journal_bytes: int) -> None:
        """*journal_bytes* are in the journals since the last checkpoint."""
        self._engine = engine
        self._bytes_before = journal_bytes
        self._wait_bytes = 0
        self.problem = ""
        """Why no checkpoint has room; empty where the last one was made. Read by any thread."""
        self._making = threading.Lock()
        self._closing = threading.Event()

    def catch_up(self) -> None:
        """Make a checkpoint now if the journals are far over their bound.

        For the end of an open. Sessions that crash before maintenance finished a
        checkpoint would let the journals grow without end, and every proof
        would take longer than the one before (P8). What such a session left of a
        checkpoint goes in any case. A failure is an event.
        """
        try:
            remove_scratch(self._engine.base.pool_dir)
        except ScratchError as error:
            self._engine.base.events.record(EventSeverity.WARNING, "checkpoint", str(error))
        overdue_bytes = self.journal_bytes // OVERDUE_RATIO
        if due(journal_bytes=overdue_bytes, database_bytes=self._database_bytes()):
            self.turn()

    def _database_bytes(self) -> int:
        return self._engine.base.database.stat().st_size

    @property
    def journal_bytes(self) -> int:
        """Bytes shipped since the last checkpoint."""
        return self._bytes_before + self._engine.shipped_bytes

    def turn(self) -> bool:
        """Make a checkpoint if one is due; return whether it did something."""
        base = self._engine.base
        if base.shipper is None or base.store.stopped:
            return False
        journal_bytes = self.journal_bytes
        database_bytes = self._database_bytes()
        if not due(journal_bytes=journal_bytes - self._wait_bytes, database_bytes=database_bytes):
            return False
        # Scratch files are looked at and removed by who makes the checkpoint alone.
        if not self._making.acquire(blocking=False):
            return False
        try:
            return self._try(journal_bytes)
        finally:
            self._making.release()
            # A copy and its proof need much memory for a moment, and leave holes.
            heap.give_back()

    def _try(self, journal_bytes: int) -> bool:
        """Make a checkpoint where there is room; return whether it was made."""
        base = self._engine.base
        try:
            # Costs nothing, so it needs no rest: a checkpoint follows as soon as it fits.
            require_checkpoint_room(base.database, base.pool_dir)
        except ScratchError as error:
            self.problem = str(error)
            return False
        try:
            self._make()
        except _GivenUpError:
            return False
        except (EngineError, OSError, apsw.Error) as error:
            self._wait_bytes += RETRY_BYTES
            if isinstance(error, ScratchError):
                self.problem = str(error)
            else:
                base.events.record(EventSeverity.ERROR, "checkpoint", f"not made: {error}")
            return False
        self._wait_bytes = 0
        self._bytes_before -= journal_bytes
        return True

    def make(self) -> None:
        """Make a checkpoint now. Any thread, one at a time.

        Raises:
            DamagedDatabaseError: the proof failed; the journals stay (DESIGN 5).
            QuorumError, DamagedRecordError: it could not be stored.
            ScratchError: the pool directory has no room for it beside commits (P6),
                or another thread is making one.
        """
        if not self._making.acquire(blocking=False):
            raise ScratchError("a checkpoint is being made already")
        try:
            self._make()
        finally:
            self._making.release()

    def give_up(self) -> None:
        """Make no more, and let one that is being made end soon: the journals have it all."""
        self._closing.set()

    def _require_open(self) -> None:
        if self._closing.is_set():
            raise _GivenUpError("the pool is being closed")

    def _make(self) -> None:
        base = self._engine.base
        shipper = base.shipper
        assert shipper is not None

        def wait(generation: Generation) -> None:
            shipper.wait_acknowledged(generation, ACKNOWLEDGE_S_MAX)

        made = make_checkpoint(
            JournalReach(base.disks),
            database=base.database,
            scratch=base.pool_dir,
            quorum=JournalSet.of(base.store.template),
            wait_acknowledged=wait,
            go_on=self._require_open,
        )
        self.problem = ""
        for text in made.damage:
            base.events.record(EventSeverity.WARNING, "checkpoint", text)
        base.events.record(
            EventSeverity.INFO,
            "checkpoint",
            f"generation {made.generation} proved over {made.replayed} roots and stored on"
            f" {len(made.disks)} disks ({format_bytes(made.length_bytes)})",
        )
