"""Which time zone the machine's clock on the wall shows."""

from __future__ import annotations

import os
from contextlib import suppress
from datetime import UTC, tzinfo
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

LOCALTIME: Final = Path("/etc/localtime")


def local_zone() -> tzinfo:
    """Return the zone of TZ, else of the machine, else UTC; with its changes to come."""
    with suppress(ZoneInfoNotFoundError, ValueError, OSError):
        if name := os.environ.get("TZ", "").removeprefix(":"):
            return ZoneInfo(name)
    with suppress(ValueError, OSError), LOCALTIME.open("rb") as file:
        return ZoneInfo.from_file(file)
    return UTC
