"""An open pool: its disks, its threads, the verbs of its operator."""
