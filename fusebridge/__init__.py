"""The bridge between the kernel's FUSE requests and ``engine.vfs.interface``.

It turns requests into engine calls and errors into errnos, and keeps no file
data and no state by path. It sees nothing of the engine but the interface.

The traps it lies on, each with its remedy; the code cites them by number:

1.  *Receiving blocks with the interpreter lock held.* A client killed between
    poll and receive withdraws its request, and a blocking receive then stops
    the whole process until the next one. Hence the descriptor is made
    non-blocking (``Descriptors.adopt``); pyfuse3 shows it only as the
    argument of ``wait_readable``.
2.  *A non-blocking receive that finds nothing kills its worker* (EAGAIN). That
    very error is recognised and one worker started in its place, one for one,
    since pyfuse3 still counts the dead one (``Dispatcher._end``).
3.  *Invalidating a dirty inode from the serving thread never returns:* the
    kernel waits for writes that this thread must serve. Not even SIGKILL helps.
4.  *Nor from a pool that serves writes.* Notifications have a thread of their
    own that nobody waits for (``notifications``).
5.  *A handler's exception other than FUSEError leaves the client waiting and
    ends the mount.* Handlers are wrapped where they are defined (``handlers``).
6.  *max_tasks is a limit of starvation:* every offloaded request holds a
    worker. It is far above the clients that can wait (``mount.WORKERS_MAX``).
7.  *Without a spin nothing is gained between two idle CPUs:* waking one costs
    more than a request. 20 us of looking before each sleep, and none while a
    pool thread needs the interpreter lock (``Dispatcher._next_request_is_here``).
8.  *select.poll(0) gives the interpreter lock up* and gets it back one switch
    interval later beside a busy thread. A foreign call that keeps it is used,
    with timeout zero only (``descriptors``).
9.  *Unfinished coroutines are finalised while the interpreter shuts down.*
    They are closed before ``run`` returns (``Dispatcher._finish``).
10. *KeyboardInterrupt may hit a handler midway.* The session never runs on the
    main thread; signals lead to ``Mount.stop``.
11. *A late pool thread may write to a recycled descriptor number.* Ringing and
    closing the bell share a lock (``Descriptors.ring``).
12. *pyfuse3.syncfs keeps the interpreter lock:* on one's own mount a deadlock.
    ``mount_table.write_out`` calls syncfs(2) without it.
13. *After an unmount or abort the descriptor reports an error for ever.* The
    reader is resumed and hears of the end; without a parked reader the
    descriptor is not watched at all (``Descriptors.sleep``).
14. *After an abort the mount point stays.* It is detached explicitly, once the
    mount table shows that it is still ours (``Mount``, ``watchdog``).
15. *Notifying a closed session is an error;* notifications tolerate it.

Of the kernel rather than of pyfuse3:

16. *A dead mount may look alive:* with long timeouts stat is answered from the
    kernel's cache after the server died. statfs always asks (``mount_table.probe``).
17. *A flush per close is a request for nothing:* it is answered ENOSYS once. The
    kernel writes dirty pages and reports their errors at close by itself.
18. *security.capability is asked for before every write(2),* 244 times for a
    MiB in 4 KiB pieces, since this libfuse cannot say HANDLE_KILLPRIV_V2;
    inodes known to have none are remembered (``xattr_names``).
19. *Attributes in a listing stay in the kernel as long as any others.* Nothing
    is read ahead of what fits the reply, or it would be stale when given.
20. *Names up to 1024 bytes arrive:* the bound of 255 is the engine's to keep.
21. *New files carry the server's fine clock, the first write the kernel's coarse
    one,* up to a tick earlier: a modification time may go back by that much.
22. *Who writes is known to the kernel alone,* and a write comes late. When one
    ends suid and sgid, it says so by a SETATTR before: with the mode, or without
    any field where ending them is left to us (``replies.read_changes``). Ours to
    judge are opening with O_TRUNC, and sgid without execution, which depends on
    groups that no request names (``groups``).
23. *What is removed while open is still asked about:* GETATTR is answered with
    what it was, READDIR with nothing (``operations``).
24. *The kernel does not count blocks.* It asks for them when a file is closed, and
    shows those of when it was opened until then: for years, where a log stays open.
    While a file is written it is told to forget them (``notifications``).
"""
