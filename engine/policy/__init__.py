"""Decisions as pure functions: equal input gives equal output.

Nothing here reads a clock, a disk or a global; randomness comes as a seed and
ties are broken by id, so every decision can be replayed.
"""
