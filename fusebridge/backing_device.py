"""Settings of the kernel's cache for this mount, as far as we may change them."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Final

logger = logging.getLogger(__name__)

SETTINGS: Final = (
    # Reads arrive as 1 MiB instead of 128 KiB.
    ("read_ahead_kb", "1024"),
    # FUSE mounts get one percent of the dirty pages and are held to it strictly,
    # which throttles small writes to a third of what they can do.
    ("strict_limit", "0"),
    ("max_ratio", "40"),
)


def tune_backing_device(device: str) -> None:
    """Apply SETTINGS to the mount *device* (``major:minor``); carry on without root."""
    folder = Path("/sys/class/bdi") / device
    for name, value in SETTINGS:
        try:
            (folder / name).write_text(value)
        except OSError as error:
            logger.info("%s stays as it is: %s", name, error.strerror)
