"""Live metadata in SQLite, and what the disks keep so that it can be made again."""
