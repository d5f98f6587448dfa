"""Work nobody waits for: reconcile, scrub, collect, and the intake of damage.

Each part is a class with ``step() -> bool``: one bounded piece of work, True
when there was any. One thread calls them in turn (ARCHITECTURE 3); none holds
the write lock across I/O, and whatever a step does can be interrupted, lost
and repeated (P7). Nothing is deleted here before its replacement is durable,
committed and acknowledged (P5).
"""
