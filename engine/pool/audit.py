"""The audit trail: one line for each verb that an operator gave, chained by hashes.

A line of ``POOL/audit.log`` is one JSON object. ``previous`` is the BLAKE3 hash
of the whole line before it, ``seal`` that of its own text without the seal. So a
changed byte breaks the line it is in, and a line taken out or put in breaks the
one behind it. Lines missing at the very end are seen only by who noted the
newest hash, which ``verify`` tells for that purpose.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from blake3 import blake3

from engine.clock import Clock
from engine.errors import PoolError
from engine.limits import AUDIT_FILE_BYTES, AUDIT_FILES_MAX
from engine.status.answers import AuditView
from engine.status.transport import ForeignReplyError, Json, decode

AUDIT_NAME: Final = "audit.log"
NOTHING_BEFORE: Final = "0" * 64
"""What the first line of all names as its predecessor."""

_SEAL: Final = b', "seal": "'
_END: Final = b'"}'
_SEAL_BYTES: Final = len(_SEAL) + 64 + len(_END)
_TEXT_MAX: Final = 4000
"""Longer arguments and results are cut: a line must stay one that people read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deed:
    """What was done, by whom, and how it ended."""

    verb: str
    arguments: str
    judgement: str
    """What the plan said of it (SAFE, RISKY, BLOCKED); empty for verbs without one."""
    result: str
    duration_s: float
    user: str
    terminal: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """What a check of the chain found. ``problem`` is empty when it holds."""

    lines: int
    newest: str
    """The hash of the newest line: whoever notes it can tell whether lines went."""
    problem: str = ""

    @property
    def sentence(self) -> str:
        """Return the finding for people."""
        if self.problem:
            return f"the audit trail is broken: {self.problem}"
        return f"the audit trail holds: {self.lines} lines, the newest has hash {self.newest}"


class AuditTrail:
    """The trail in one directory. Thread-safe; only one process writes it (the owner).

    ``problem`` says why the last line could not be written; empty while all is well.
    """

    def __init__(self, path: Path, clock: Clock, *, bytes_max: int = AUDIT_FILE_BYTES) -> None:
        """Take up the trail where it ends; nothing is written before the first line."""
        self._path: Final = path
        self._clock: Final = clock
        self._bytes_max: Final = bytes_max
        self._lock: Final = threading.Lock()
        self._taken_up = False
        self._number = 0
        self._previous = NOTHING_BEFORE
        self.problem = ""

    def record(self, deed: Deed) -> AuditView | None:
        """Append *deed* and make it durable; None, and ``problem``, when that failed."""
        with self._lock:
            try:
                line = self._append(deed)
            except OSError as error:
                self.problem = error.strerror or str(error)
                return None
            self.problem = ""
            return line

    def newest(self, limit: int) -> list[AuditView]:
        """Return the newest lines that can be read, oldest first."""
        views = [_view_of(line) for _, _, line in self._lines()]
        return [view for view in views if view is not None][-limit:]

    def verify(self) -> Verification:
        """Walk all lines that are kept and check seals, chain and numbers."""
        # Only what rotation has dropped may be missing before the oldest line.
        whole = not self._numbered(AUDIT_FILES_MAX).exists()
        previous: bytes | None = None
        number = count = 0
        for path, place, line in self._lines():
            where = f"line {place} of {path.name}"
            problem, found = _check_line(line, previous, number)
            if not problem and not count and whole and found != 1:
                problem = f"has number {found}, and nothing is before it"
            if problem:
                return Verification(lines=count, newest="", problem=f"{where} {problem}")
            previous, number, count = line, found, count + 1
        newest = NOTHING_BEFORE if previous is None else _hash(previous)
        return Verification(lines=count, newest=newest)

    def _append(self, deed: Deed) -> AuditView:
        if not self._taken_up:
            cut = self._take_up()
            self._taken_up = True
            if cut:
                self._write(_told_cut(cut))
        return self._write(deed)

    def _write(self, deed: Deed) -> AuditView:
        """Append one line; an OSError leaves the file as it was."""
        view = AuditView(
            number=self._number + 1,
            time_ns=self._clock.now_ns(),
            user=deed.user,
            terminal=deed.terminal,
            verb=deed.verb,
            arguments=deed.arguments[:_TEXT_MAX],
            judgement=deed.judgement,
            result=deed.result[:_TEXT_MAX],
            duration_s=round(deed.duration_s, 6),
        )
        line = seal_line({**asdict(view), "previous": self._previous})
        self._rotate(len(line) + 1)
        descriptor = os.open(
            self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600
        )
        try:
            length = os.fstat(descriptor).st_size
            try:
                _write_all(descriptor, line + b"\n")
                os.fsync(descriptor)
            except OSError:
                # Half a line would break the chain for the next one.
                os.ftruncate(descriptor, length)
                raise
        finally:
            os.close(descriptor)
        self._number, self._previous = view.number, _hash(line)
        return view

    def _take_up(self) -> bytes:
        """Find the newest line; cut an unfinished one behind it, and return that.

        A power cut leaves such a line, and none that was acknowledged.
        """
        cut = b""
        if self._path.exists():
            data = self._path.read_bytes()
            whole = data.rfind(b"\n") + 1
            cut = data[whole:]
            if cut:
                os.truncate(self._path, whole)
        last = None
        for _, _, line in self._lines():
            last = line
        if last is not None:
            view = _view_of(last)
            # A damaged last line is told by ``verify``; the trail goes on behind it.
            self._number = 0 if view is None else view.number
            self._previous = _hash(last)
        return cut

    def _rotate(self, growth: int) -> None:
        """Make room: the full file becomes ``audit.log.1``, the oldest one goes (P8)."""
        if not self._path.exists() or self._path.stat().st_size + growth <= self._bytes_max:
            return
        for number in range(AUDIT_FILES_MAX - 1, 0, -1):
            older = self._numbered(number)
            if older.exists():
                os.replace(older, self._numbered(number + 1))
        os.replace(self._path, self._numbered(1))

    def _numbered(self, number: int) -> Path:
        return self._path.with_name(f"{self._path.name}.{number}")

    def _lines(self) -> Iterator[tuple[Path, int, bytes]]:
        """Yield every kept line with its file and its place there, oldest first.

        Raises:
            PoolError: a file of the trail cannot be read.
        """
        files = [self._numbered(number) for number in range(AUDIT_FILES_MAX, 0, -1)]
        for path in [*files, self._path]:
            try:
                data = path.read_bytes()
            except FileNotFoundError:
                continue
            except OSError as error:
                raise PoolError(f"{path.name} cannot be read: {error.strerror}") from error
            lines = data.split(b"\n")
            if not lines[-1]:
                lines.pop()
            for place, line in enumerate(lines, 1):
                yield path, place, line


def _told_cut(cut: bytes) -> Deed:
    """Return a line that keeps the words of one that was cut."""
    return Deed(
        verb="trail.cut",
        arguments=cut.decode(errors="replace"),
        judgement="",
        result=f"an unfinished line of {len(cut)} bytes was cut from the end of the trail",
        duration_s=0.0,
        user="",
        terminal="",
    )


def seal_line(fields: dict[str, Json]) -> bytes:
    """Return *fields* as one line of JSON that ends with the hash of the rest."""
    text = json.dumps(fields, ensure_ascii=True).encode()
    return text[:-1] + _SEAL + _hash(text).encode() + _END


def _check_line(line: bytes, previous: bytes | None, number: int) -> tuple[str, int]:
    """Return what is wrong with a line, empty when nothing is, and its number.

    *previous* None: it is the oldest one kept, whose predecessor may be gone.
    """
    text = line[:-_SEAL_BYTES] + b"}"
    sealed = _SEAL + _hash(text).encode() + _END
    if line[-_SEAL_BYTES:] != sealed:
        return "is not the text that was sealed", 0
    view = _view_of(line)
    if view is None:
        return "is not a record of the trail", 0
    fields: dict[str, Json] = json.loads(line)
    before = fields.get("previous")
    if previous is None:
        if view.number == 1 and before != NOTHING_BEFORE:
            return "names a line before the first", 0
    elif before != _hash(previous):
        return "does not follow the line before it", 0
    elif view.number != number + 1:
        return f"has number {view.number} behind {number}", 0
    return "", view.number


def _view_of(line: bytes) -> AuditView | None:
    """Return the record in a line; None when there is none."""
    try:
        fields: Json = json.loads(line)
        if not isinstance(fields, dict):
            return None
        kept = {name: value for name, value in fields.items() if name not in ("previous", "seal")}
        return decode(AuditView, kept)
    except (ValueError, ForeignReplyError):
        return None


def _hash(data: bytes) -> str:
    return blake3(data).hexdigest()


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]
