"""Frozen views of a running pool, and the verbs that steer it."""
