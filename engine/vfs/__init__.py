"""POSIX meaning over extents and metadata; ``interface`` is what bridges see."""
