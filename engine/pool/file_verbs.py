"""Questions about files of an open pool (``engine.status.facets.FileControl``). Thread-safe."""

from __future__ import annotations

import stat
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from engine.errors import DeviceError, ReadOnlyError, UsageError, VfsError
from engine.ids import ROOT_INODE, DiskId, InodeId
from engine.maintenance.listing import FragmentListing
from engine.maintenance.orphans import Orphan, Orphans
from engine.maintenance.unreferenced import UnreferencedFiles
from engine.metadata.policies import REDUNDANCY_NAME, decode_policy
from engine.model.disk import DiskState
from engine.model.redundancy import Redundancy, parse_redundancy, tolerance
from engine.observe.events import EventSeverity
from engine.pool.directory_listing import DirectoryListing
from engine.pool.policy_plans import PolicyPlans
from engine.pool.pool import Pool
from engine.pool.properties import store_properties
from engine.pool.topology import PoolTopology
from engine.status.answers import (
    DirectoryEntryView,
    OrphanView,
    PlanView,
    PolicyView,
    WhereView,
)
from engine.units import format_bytes
from engine.vfs.virtual_xattrs import INHERIT

SAFE_S_MAX: Final = 60.0
"""How long a change of policy waits for its acknowledgement."""


class FileVerbs:
    """What an operator may ask here of *pool*."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._engine = pool.engine
        self._base = pool.engine.base
        self._plans = PolicyPlans(pool)

    def where(self, path: str) -> WhereView:
        """Return where the file is. UsageError when there is none."""
        return self._engine.whereabouts.of(self._find(path), _shown(path))

    def list_directory(self, path: str, limit: int) -> Sequence[DirectoryEntryView]:
        """Return entries by name with their health, at most *limit*."""
        readable = {
            one.record.disk_id
            for one in self._base.disks.presences()
            if one.present and one.record.state is not DiskState.FAILED
        }
        listing = DirectoryListing(
            self._engine.readers,
            readable=readable,
            tolerance=self._engine.properties.tolerance,
        )
        return listing.entries(self._find(path), limit)

    def _find(self, path: str) -> InodeId:
        """Return the inode at *path*, no link followed; UsageError when there is none."""
        at = ROOT_INODE
        names = [part for part in path.encode("utf-8", "surrogateescape").split(b"/") if part]
        try:
            for name in names:
                at = self._engine.tree.lookup(at, name).inode.inode_id
        except VfsError as error:
            raise UsageError(f"there is no {_shown(path)} in the pool") from error
        return at

    # Policy

    def plan_redundancy(self, path: str, redundancy: str) -> PlanView:
        """Return what ``set_redundancy`` would mean; changes nothing."""
        wanted = _wanted(redundancy)
        if path:
            folder = path.rstrip("/").rpartition("/")[0]
            above = self._find(folder) if path.strip("/") else None
            return self._plans.of_inode(_shown(path), self._find(path), above, wanted)
        return self._plans.of_pool(_of_pool(wanted))

    def set_redundancy(self, path: str, redundancy: str) -> str:
        """Set the policy of a file, a directory, or the pool (``path`` empty); empty inherits."""
        self._require_writable()
        wanted = _wanted(redundancy)
        sentence = self._set_of_inode(path, wanted) if path else self._set_of_pool(_of_pool(wanted))
        self._engine.make_safe(self._base.store.open_generation, SAFE_S_MAX)
        self._base.events.record(EventSeverity.INFO, "policy", sentence)
        self._pool.maintenance.wake.set()
        return sentence

    def _set_of_inode(self, path: str, wanted: Redundancy | None) -> str:
        inode_id = self._find(path)
        self._engine.xattrs.set_policy(inode_id, wanted)
        with self._base.store.lock:
            now = self._engine.policies.of(inode_id)
        who = f"{_shown(path)}" if wanted is not None else f"{_shown(path)} inherits:"
        return f"{who} {self._meaning(now)}"

    def _set_of_pool(self, wanted: Redundancy) -> str:
        engine, store = self._engine, self._base.store
        engine.check_policy(wanted)
        # What was accepted is counted in extents of the old policy (P6).
        engine.syncer.sync_all()
        with store.operation():
            properties = replace(engine.properties, redundancy=wanted)
            store_properties(self._base.tables.members, properties)
        engine.properties = properties
        # A higher tolerance needs more journals; it is never lowered.
        self._pool.membership.settle_journal_set()
        engine.measure_space()
        return f"the pool {self._meaning(wanted)}"

    def _meaning(self, redundancy: Redundancy) -> str:
        """Return what a policy means from now on, for people."""
        losses, metadata = tolerance(redundancy), self._base.store.template.tolerance
        disks = "disk" if losses == 1 else "disks"
        text = (
            f"stores new data as {redundancy}: it survives the loss of {losses} {disks};"
            " what is there is encoded anew in the background"
        )
        if losses < metadata:
            text += f"; names and attributes still survive {metadata}, this data does not"
        return text

    def list_policies(self, limit: int) -> Sequence[PolicyView]:
        """Return files and directories with a policy of their own, at most *limit*."""
        with self._engine.readers.read() as connection:
            rows = list(
                connection.execute(
                    "SELECT x.inode, i.mode, x.value FROM xattr x JOIN inode i ON i.id = x.inode"
                    " WHERE x.name = ? ORDER BY x.inode LIMIT ?",
                    (REDUNDANCY_NAME, limit),
                )
            )
        found: list[PolicyView] = []
        for inode, mode, value in rows:
            redundancy = decode_policy(value)
            with self._base.store.lock:
                path = self._engine.whereabouts.path_of(InodeId(inode))
            if redundancy is not None:
                found.append(
                    PolicyView(
                        path=_shown(path) or f"inode {inode}",
                        is_directory=stat.S_ISDIR(mode),
                        redundancy=str(redundancy),
                    )
                )
        return found

    # Orphans

    def find_orphans(self, limit: int, min_age_h: int) -> Sequence[OrphanView]:
        """List fragment files that nothing names; reads directories of all disks."""
        if min_age_h < 0:
            raise UsageError("an age cannot be negative")
        names = {one.record.disk_id: one.record.name for one in self._base.disks.presences()}
        found: list[OrphanView] = []
        for orphan in self._orphans().find(self._present(), min_age_h=min_age_h):
            if len(found) >= limit:
                break
            found.append(
                OrphanView(
                    disk=names[orphan.file.disk_id],
                    name=orphan.file.name,
                    bytes=orphan.file.length_bytes,
                    age_s=orphan.age_s,
                    removable=not orphan.reason,
                    reason=orphan.reason,
                )
            )
        return found

    def clean_orphans(self, min_age_h: int) -> str:
        """Delete removable orphans older than that; the rest is told."""
        self._require_writable()
        if min_age_h < 0:
            raise UsageError("an age cannot be negative")
        orphans = self._orphans()
        count = kept = removed_bytes = 0
        for orphan in orphans.find(self._present(), min_age_h=min_age_h):
            if self._deleted(orphans, orphan):
                count += 1
                removed_bytes += orphan.file.length_bytes
            else:
                kept += 1
        return (
            f"{count} orphans deleted, {format_bytes(removed_bytes)}; {kept} stay,"
            " `detect-orphans` says why"
        )

    def _deleted(self, orphans: Orphans, orphan: Orphan) -> bool:
        try:
            return orphans.delete(orphan)
        except DeviceError as error:
            self._base.disks.report_failure(orphan.file.disk_id, error)
            return False

    def _orphans(self) -> Orphans:
        base, engine = self._base, self._engine
        unreferenced = UnreferencedFiles(
            clock=base.clock,
            events=base.events,
            topology=PoolTopology(engine),
            tables=base.tables,
            disks=base.disks,
        )
        return Orphans(
            disks=base.disks,
            unreferenced=unreferenced,
            new_listing=lambda: FragmentListing(base.disks, engine.readers),
        )

    def _present(self) -> list[DiskId]:
        return [one.record.disk_id for one in self._base.disks.presences() if one.present]

    def _require_writable(self) -> None:
        reason = self._engine.refusal()
        if reason:
            raise ReadOnlyError(f"the pool cannot be changed now: {reason}")


def _shown(path: str) -> str:
    """Return *path* as it can be printed."""
    return path.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _wanted(text: str) -> Redundancy | None:
    """Return the redundancy that *text* writes; None inherits."""
    return None if text in ("", INHERIT) else parse_redundancy(text)


def _of_pool(wanted: Redundancy | None) -> Redundancy:
    if wanted is None:
        raise UsageError("the pool has nothing to inherit from: write rs:4+2 or copies:3")
    return wanted
