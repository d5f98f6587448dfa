"""The parts that the facade of the engine is made of."""

from __future__ import annotations

from dataclasses import dataclass

from engine.clock import Clock
from engine.metadata.tables import Tables
from engine.observe.metrics import Metrics
from engine.vfs.files import Files
from engine.vfs.handles import Handles
from engine.vfs.pending import Pending
from engine.vfs.policy import FilePolicies
from engine.vfs.space import SpaceAccount
from engine.vfs.sync import Syncer
from engine.vfs.tree import Tree
from engine.vfs.xattrs import Xattrs


@dataclass(frozen=True, slots=True, kw_only=True)
class FileSystemParts:
    """What the facade is made of; built by the pool."""

    tables: Tables
    tree: Tree
    files: Files
    handles: Handles
    pending: Pending
    space: SpaceAccount
    syncer: Syncer
    policies: FilePolicies
    xattrs: Xattrs
    metrics: Metrics
    clock: Clock
    direct_io_below_bytes: int
    """Under this much free space write() itself must hear ENOSPC (P6)."""
