"""Frozen nouns: facts as they are on the disks and in the metadata."""
