"""Disks: the protocol, a directory as a disk, and doubles for tests and drills."""
