"""What comes before long work says that it ended.

Who hears "finished" looks at the status next: what the work wrote down has to
be committed and safe by then (P5), and counted.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from engine.errors import EngineError
from engine.maintenance.topology import Topology
from engine.metadata.store import MetadataStore
from engine.observe.events import EventLog, EventSeverity


class Ending:
    """The end of one kind of work. ``hooks`` are added before the first turn."""

    def __init__(
        self, component: str, *, topology: Topology, store: MetadataStore, events: EventLog
    ) -> None:
        """*component* is named where something cannot be made safe."""
        self._component: Final = component
        self._topology: Final = topology
        self._store: Final = store
        self._events: Final = events
        self.hooks: Final[list[Callable[[], None]]] = []
        """Called in the thread of the work, when everything is safe."""

    def make_safe(self) -> None:
        """Commit what was written down; where that fails, say so and go on."""
        try:
            self._topology.make_safe(self._store.open_generation)
        except EngineError as error:
            self._events.record(EventSeverity.WARNING, self._component, f"not safe yet: {error}")

    def prepare(self) -> None:
        """Make safe and count what the work did."""
        self.make_safe()
        for hook in self.hooks:
            hook()
