"""A layer below SQLite whose n-th call goes wrong."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import apsw
import pytest

from engine.metadata import database
from tests.errors.trouble import Kind, TroublePlan

DATABASE: Final = "database"
"""What the plan calls the database, beside the disks."""

LAYER_NAME: Final = "troubled"


class _TroubledFile(apsw.VFSFile):
    """Database, log or journal; every read and change asks the plan."""

    def __init__(
        self, plan: TroublePlan, name: str | apsw.URIFilename | None, flags: list[int]
    ) -> None:
        super().__init__("cksmvfs", name, flags)
        self._plan = plan

    def _look(self, step: str) -> None:
        match self._plan.meet(DATABASE, step):
            case Kind.EIO:
                raise apsw.IOError(f"{step} failed")
            case Kind.ENOSPC:
                raise apsw.FullError(f"no room for {step}")

    def xRead(self, amount: int, offset: int) -> bytes:  # noqa: N802 - SQLite's name
        self._look("get")
        return super().xRead(amount, offset)

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802 - SQLite's name
        self._look("write")
        super().xWrite(data, offset)

    def xSync(self, flags: int) -> None:  # noqa: N802 - SQLite's name
        self._look("fdatasync")
        super().xSync(flags)

    def xTruncate(self, newsize: int) -> None:  # noqa: N802 - SQLite's name
        self._look("truncate")
        super().xTruncate(newsize)


class _TroubledLayer(apsw.VFS):
    """Stands on the checksumming layer that the engine uses."""

    def __init__(self, plan: TroublePlan) -> None:
        super().__init__(LAYER_NAME, "cksmvfs")
        self._plan = plan

    def xOpen(  # noqa: N802 - SQLite's name
        self, name: str | apsw.URIFilename | None, flags: list[int]
    ) -> apsw.VFSFile:
        return _TroubledFile(self._plan, name, flags)


@contextmanager
def troubled_database(monkeypatch: pytest.MonkeyPatch, plan: TroublePlan) -> Iterator[None]:
    """Have every metadata database opened inside follow *plan*."""
    database.connect(":memory:", flags=apsw.SQLITE_OPEN_READWRITE).close()
    layer = _TroubledLayer(plan)
    monkeypatch.setattr(database, "_CHECKSUM_VFS", LAYER_NAME)
    try:
        yield
    finally:
        layer.unregister()
