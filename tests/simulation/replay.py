"""What is durable at a cut, and what a power cut there may or may not lose."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from tests.simulation.content import Content
from tests.simulation.events import (
    ContentEvent,
    Created,
    Event,
    FlushBegun,
    FlushReturned,
    Found,
    Kind,
    Node,
    Removed,
    Renamed,
    Reserved,
    Resized,
    Written,
)


@dataclass(frozen=True, slots=True)
class NameChange:
    """*name* came to stand for *node*, or for nothing, by the event at *position*."""

    position: int
    name: str
    node: Node | None


@dataclass(frozen=True, slots=True)
class ContentChange:
    """The event at *position* changed a file."""

    position: int
    event: ContentEvent


@dataclass(slots=True)
class FileFacts:
    """A file at a cut: ``durable`` after ``durable_count`` changes, then what is not."""

    durable: Content = field(default_factory=Content)
    durable_count: int = 0
    volatile: list[ContentChange] = field(default_factory=list)


@dataclass(slots=True)
class FolderFacts:
    """A folder at a cut: its durable names, and the changes that are not."""

    durable: dict[str, Node] = field(default_factory=dict)
    volatile: list[NameChange] = field(default_factory=list)


class Replay:
    """Goes through the events of a recording, forwards only."""

    def __init__(self, events: Sequence[Event], root_count: int) -> None:
        self._events = events
        self.position = 0
        self.root_count = root_count
        self.files: dict[Node, FileFacts] = {}
        self.folders = {Node(number): FolderFacts() for number in range(root_count)}

    def advance(self, position: int) -> None:
        """Go on to the cut at *position*, which is not behind."""
        assert self.position <= position <= len(self._events)
        while self.position < position:
            self._take(self._events[self.position])
            self.position += 1

    def _take(self, event: Event) -> None:
        match event:
            case Found(folder, name, node, kind, length, runs):
                self._born(node, kind)
                if kind is Kind.FILE:
                    self.files[node].durable = Content.of(*runs, length_bytes=length)
                self.folders[folder].durable[name] = node
            case Created(folder, name, node, kind):
                self._born(node, kind)
                self._name_changes(folder, name, node)
            case Renamed(folder, name, target, new_name, node):
                self._name_changes(target, new_name, node)
                self._name_changes(folder, name, None)
            case Removed(folder, name):
                self._name_changes(folder, name, None)
            case Written(node) | Resized(node) | Reserved(node):
                self.files[node].volatile.append(ContentChange(self.position, event))
            case FlushBegun():
                pass
            case FlushReturned(node, begun):
                self._flushed(node, begun)

    def _born(self, node: Node, kind: Kind) -> None:
        if kind is Kind.FILE:
            self.files[node] = FileFacts()
        else:
            self.folders[node] = FolderFacts()

    def _name_changes(self, folder: Node, name: str, node: Node | None) -> None:
        self.folders[folder].volatile.append(NameChange(self.position, name, node))

    def _flushed(self, node: Node, begun: int) -> None:
        """Make durable what came before *begun*; what came during the flush is not."""
        if node in self.files:
            file = self.files[node]
            for change in file.volatile:
                if change.position < begun:
                    file.durable.apply(change.event)
                    file.durable_count += 1
            file.volatile = [one for one in file.volatile if one.position >= begun]
        else:
            folder = self.folders[node]
            apply_names(folder.durable, [one for one in folder.volatile if one.position < begun])
            folder.volatile = [one for one in folder.volatile if one.position >= begun]


def apply_names(names: dict[str, Node], changes: Sequence[NameChange]) -> None:
    """Change *names* as *changes* did, in their order."""
    for change in changes:
        if change.node is None:
            names.pop(change.name, None)
        else:
            names[change.name] = change.node
