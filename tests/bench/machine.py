"""Facts about the machine that a reader of stored figures needs."""

from __future__ import annotations

import os
import platform
import re
from pathlib import Path

from tests.bench.own import mount_of
from tests.bench.systems import CommandError, command

ROOT = Path(__file__).resolve().parents[2]


def facts(place: Path) -> dict[str, str | int | float]:
    """Return them; *place* is where all files of the run lie."""
    mount = mount_of(place)
    return {
        "kernel": platform.release(),
        "python": platform.python_version(),
        "processor": _processor(),
        "cpus": os.cpu_count() or 0,
        "memory_bytes": os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"),
        "device": f"{mount.source} ({mount.kind})",
        "load_before": os.getloadavg()[0],
        "commit": _commit(),
    }


def _processor() -> str:
    found = re.search(r"model name\s*:\s*(.*)", Path("/proc/cpuinfo").read_text())
    return found[1] if found else platform.machine()


def _commit() -> str:
    """What is measured; with a mark when the tree was changed since."""
    try:
        return command("git", "-C", ROOT, "describe", "--always", "--dirty").strip()
    except CommandError:
        return ""  # Unpacked from an archive.
