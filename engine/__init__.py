"""The DynamicFS engine: a redundant, self-checking store with POSIX meaning.

Synchronous, thread-safe at its facade, without an event loop. Layers point
down only; see ``engine/ARCHITECTURE.md`` for promises, threads and lock order.
"""
