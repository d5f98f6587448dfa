"""Real directories that look as the disks do after the power went."""

from __future__ import annotations

import operator
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from engine.pool.config import CONFIG_NAME
from engine.units import KIB
from tests.simulation.arrival import Chooser
from tests.simulation.content import Content
from tests.simulation.events import Node
from tests.simulation.replay import Replay, apply_names

LINKED_BYTES_MIN: Final = 64 * KIB
"""From this size on a file that never changes in place is linked, not copied."""

_IMMUTABLE_FOLDERS: Final = frozenset({"fragments", "checkpoints"})
_NEW_FILE: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC


class Originals:
    """Files that are in many states, written once into *folder* and linked from there."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._known: set[Path] = set()

    def link(self, image: FileImage, path: str) -> bool:
        """Make *path* a link to a file that holds *image*.

        Returns False when that does not pay: it is small, in no other state, or
        *path* is on another file system.
        """
        content, version = image.content, image.version
        if version is None or content.length_bytes < LINKED_BYTES_MIN:
            return False
        self._folder.mkdir(exist_ok=True)
        if os.stat(self._folder).st_dev != os.stat(os.path.dirname(path)).st_dev:
            return False
        original = self._folder / f"{image.node}-{version}"
        if original not in self._known:
            _write_file(str(original), content)
            self._known.add(original)
        os.link(original, path)
        return True


@dataclass(frozen=True, slots=True)
class FileImage:
    """A file as it is after the cut.

    *version* says how many changes made it; None when some are left out.
    """

    node: Node
    content: Content
    version: int | None


@dataclass(frozen=True, slots=True)
class FolderImage:
    """A folder as it is after the cut."""

    names: dict[str, FileImage | FolderImage]


class Resolver:
    """Asks a chooser what arrived, each file and folder once, in the order of names."""

    def __init__(self, replay: Replay, chooser: Chooser) -> None:
        self._replay = replay
        self._chooser = chooser
        self._files: dict[Node, FileImage] = {}

    def folder(self, root: Node, folder: Node) -> FolderImage:
        """Return *folder* of *root*. Valid until the replay goes on."""
        facts = self._replay.folders[folder]
        names = facts.durable
        if facts.volatile:
            names = names.copy()
            apply_names(names, self._chooser.names(root, facts.volatile))
        images = dict[str, FileImage | FolderImage]()
        for name, node in sorted(names.items()):
            if node in self._replay.folders:
                images[name] = self.folder(root, node)
            else:
                images[name] = self._file(root, node)
        return FolderImage(images)

    def _file(self, root: Node, node: Node) -> FileImage:
        """Return the file *node*, the same one under all of its names."""
        if node not in self._files:
            self._files[node] = self._resolved(root, node)
        return self._files[node]

    def _resolved(self, root: Node, node: Node) -> FileImage:
        facts = self._replay.files[node]
        if not facts.volatile:
            return FileImage(node, facts.durable, facts.durable_count)
        arrived = self._chooser.contents(root, facts.volatile)
        content = facts.durable.copy()
        for event in arrived:
            content.apply(event)
        whole = [change.event for change in facts.volatile]
        is_whole = len(arrived) == len(whole) and all(map(operator.is_, arrived, whole))
        count = facts.durable_count + len(whole)
        return FileImage(node, content, count if is_whole else None)


class Snapshot:
    """Writes images of roots as real folders."""

    def __init__(self, originals: Originals, moved: tuple[bytes, bytes]) -> None:
        """*moved* is what to replace in ``pool.toml``: the live folder, and the new one."""
        self._originals = originals
        self._moved = moved
        self._written: dict[Node, str] = {}

    def write_root(self, image: FolderImage, path: str) -> None:
        """Make the folder *path* look like *image*, a disk or the pool directory."""
        os.mkdir(path, 0o700)
        for name, inside in image.names.items():
            self._write(inside, f"{path}/{name}", is_immutable=name in _IMMUTABLE_FOLDERS)

    def _write(self, image: FileImage | FolderImage, path: str, *, is_immutable: bool) -> None:
        if isinstance(image, FolderImage):
            os.mkdir(path, 0o700)
            for name, inside in image.names.items():
                self._write(inside, f"{path}/{name}", is_immutable=is_immutable)
        elif image.node in self._written:
            # Both halves of a rename: one file with two names.
            os.link(self._written[image.node], path)
        else:
            self._written[image.node] = path
            self._write_new(image, path, is_immutable=is_immutable)

    def _write_new(self, image: FileImage, path: str, *, is_immutable: bool) -> None:
        content = image.content
        if os.path.basename(path).startswith(CONFIG_NAME):
            content = Content.of((0, content.data().replace(*self._moved)))
        elif is_immutable and self._originals.link(image, path):
            return
        _write_file(path, content)


def _write_file(path: str, content: Content) -> None:
    descriptor = os.open(path, _NEW_FILE, 0o600)
    try:
        content.store(descriptor)
    finally:
        os.close(descriptor)
