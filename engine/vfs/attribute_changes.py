"""What setattr makes of an inode, apart from its size.

Who may change what is the kernel's to judge (``default_permissions``). It also
tells by a mode when a write or a truncation ends suid and sgid, for it knows
the capabilities of whoever writes; where it leaves that to us, the rules are
here.
"""

from __future__ import annotations

import stat
from dataclasses import replace

from engine.errors import NotPermittedError
from engine.model.inode import Inode
from engine.vfs.interface import AttributeChanges, Caller


def changed(
    inode: Inode, changes: AttributeChanges, caller: Caller, *, size_before: int | None, now_ns: int
) -> Inode:
    """Return *inode* with *changes*; its size is as it is already, and was *size_before*.

    Asking for the size a file has moves no time: the kernel, which keeps the
    times of files, moves none either, and would be told another one later.

    Raises:
        NotPermittedError: what the kernel leaves to us to refuse, and only that.
    """
    is_resized = changes.size is not None and changes.size != size_before
    mode = _mode_after(inode, changes, caller)
    asks_size_only = changes == AttributeChanges(
        size=changes.size, ends_privileges=changes.ends_privileges
    )
    if changes.size is not None and asks_size_only and not is_resized and mode == inode.mode:
        return inode
    mtime_ns = now_ns if is_resized else inode.mtime_ns
    return replace(
        inode,
        mode=mode,
        uid=inode.uid if changes.uid is None else changes.uid,
        gid=inode.gid if changes.gid is None else changes.gid,
        atime_ns=inode.atime_ns if changes.atime_ns is None else changes.atime_ns,
        mtime_ns=mtime_ns if changes.mtime_ns is None else changes.mtime_ns,
        ctime_ns=now_ns if changes.ctime_ns is None else changes.ctime_ns,
    )


def _mode_after(inode: Inode, changes: AttributeChanges, caller: Caller) -> int:
    mode = inode.mode
    if changes.mode is not None:
        mode = stat.S_IFMT(mode) | stat.S_IMODE(changes.mode)
    if stat.S_ISDIR(mode):
        return mode
    if changes.mode is not None:
        # Also a mode by which the kernel ends suid: it thinks of sgid with execution only.
        return mode & ~_mark_to_end(mode, inode, caller)
    if _gives_to_nobody_else(changes, mode):
        mark = _mark_to_end(mode, inode, caller)
        if mark and caller.uid not in (0, inode.uid):
            raise NotPermittedError(f"sgid of inode {inode.inode_id} is its owner's to end")
        return mode & ~mark
    if changes.ends_privileges:
        return mode & ~(stat.S_ISUID | stat.S_ISGID)
    # A new owner ends privileges whoever gives it; a new size unless root sets it.
    has_new_owner = changes.uid is not None or changes.gid is not None
    if has_new_owner or (changes.size is not None and caller.uid != 0):
        return without_privileges(mode, is_member=caller.is_member_of(inode.gid))
    return mode


def _mark_to_end(mode: int, inode: Inode, caller: Caller) -> int:
    """Return sgid where it marks *mode* and *caller* may not keep it, else 0."""
    is_marked = mode & (stat.S_ISGID | stat.S_IXGRP) == stat.S_ISGID
    return stat.S_ISGID if is_marked and not caller.is_member_of(inode.gid) else 0


def _gives_to_nobody_else(changes: AttributeChanges, mode: int) -> bool:
    """Whether this is a chown without a new owner.

    The kernel tells the time of change alone, and of what is no regular file
    nothing at all; what has suid, or sgid with execution, it has ended itself.
    """
    if changes.ends_privileges:
        return not stat.S_ISREG(mode)
    return changes.ctime_ns is not None and changes == AttributeChanges(ctime_ns=changes.ctime_ns)


def without_privileges(mode: int, *, is_member: bool) -> int:
    """Return *mode* as a truncation or a change of owner leaves it.

    sgid without execution marks mandatory locking and is for members of the
    file's group to keep.

    >>> oct(without_privileges(0o106755, is_member=True))
    '0o100755'
    >>> oct(without_privileges(0o102644, is_member=True))
    '0o102644'
    """
    mode &= ~stat.S_ISUID
    return mode if is_member and not mode & stat.S_IXGRP else mode & ~stat.S_ISGID
