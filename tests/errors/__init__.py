"""Errors in place of crashes: disks and database that refuse, tear, hang, lie or answer late."""
