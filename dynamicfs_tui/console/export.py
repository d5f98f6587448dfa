"""Write what a page shows into a file, as JSON, for a ticket or a script."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from dynamicfs_tui.console.page import Desk
from engine.units import NS_PER_S

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


def export_directory(environment: Mapping[str, str]) -> Path:
    """Return where exports go: ``$XDG_STATE_HOME/dynamicfs``, or its usual place.

    >>> str(export_directory({"XDG_STATE_HOME": "/state"}))
    '/state/dynamicfs'
    """
    state = environment.get("XDG_STATE_HOME", "")
    base = Path(state) if state.startswith("/") else Path.home() / ".local" / "state"
    return base / "dynamicfs"


def write_export(
    directory: Path, name: str, records: Sequence[DataclassInstance], now_ns: int
) -> Path:
    """Write *records* to a new file in *directory*, which is made when absent; return its path.

    Raises:
        OSError: it cannot be written, or there is one of the same second.
    """
    directory.mkdir(parents=True, exist_ok=True)
    stamp = time.strftime("%Y%m%d-%H%M%S", time.localtime(now_ns / NS_PER_S))
    path = directory / f"{name}-{stamp}.json"
    fields = [asdict(record) for record in records if is_dataclass(record)]
    with path.open("x", encoding="ascii") as file:
        json.dump(fields, file, indent=1, ensure_ascii=True)
        file.write("\n")
    return path


def export(desk: Desk, name: str, records: Sequence[DataclassInstance]) -> None:
    """Write *records* in a thread and tell where they are; nothing of the pool is touched."""
    if not records:
        desk.tell(f"there is nothing to export as {name}", bad=True)
        return
    now_ns = desk.scene.now_ns
    desk.fetch(
        f"export {name}",
        lambda _control: write_export(export_directory(os.environ), name, records, now_ns),
        lambda path: desk.tell(f"{len(records):,} records written to {path}"),
    )
