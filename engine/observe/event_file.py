"""Events on file, so that the timeline and its numbers survive a restart.

One JSON object a line, in two files at most: the present one, and the one before
it (P8). The file is a convenience: a line that cannot be read is passed over, and
what the last moments before a crash had to tell may be missing.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from engine.limits import EVENT_FILE_BYTES
from engine.observe.events import Event, EventSeverity

EVENTS_NAME: Final = "events.jsonl"


class EventFile:
    """The events of one pool directory. One thread writes; any may read."""

    def __init__(self, path: Path, *, bytes_max: int = EVENT_FILE_BYTES) -> None:
        self._path: Final = path
        self._older: Final = path.with_name(f"{path.name}.1")
        self._bytes_max: Final = bytes_max

    def load(self) -> list[Event]:
        """Return every event kept, oldest first; none where nothing can be read."""
        events: list[Event] = []
        for path in (self._older, self._path):
            try:
                data = path.read_bytes()
            except OSError:
                continue
            for event in _events_of(data):
                # Numbers that do not grow are of a file that somebody put here.
                if not events or event.sequence > events[-1].sequence:
                    events.append(event)
        return events

    def append(self, events: Sequence[Event]) -> None:
        """Add *events*, whole lines in one write; OSError when the disk refuses.

        Nothing is synced: losing the newest lines with the machine is borne.
        """
        data = b"".join(_line_of(event) for event in events)
        if not data:
            return
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
        try:
            length = os.fstat(descriptor).st_size
            # A crash may have left half a line, which would swallow the next one.
            if length and os.pread(descriptor, 1, length - 1) != b"\n":
                data = b"\n" + data
            os.write(descriptor, data)
        finally:
            os.close(descriptor)
        if length + len(data) > self._bytes_max:
            os.replace(self._path, self._older)


def _line_of(event: Event) -> bytes:
    fields = {
        "sequence": event.sequence,
        "time_ns": event.time_ns,
        "severity": str(event.severity),
        "source": event.source,
        "text": event.text,
        "code": event.code,
    }
    return json.dumps(fields).encode() + b"\n"


def _events_of(data: bytes) -> Iterator[Event]:
    for line in data.split(b"\n"):
        event = _event_of(line)
        if event is not None:
            yield event


def _event_of(line: bytes) -> Event | None:
    """Return the event in a line; None when it holds none."""
    try:
        fields = json.loads(line)
        return Event(
            sequence=int(fields["sequence"]),
            time_ns=int(fields["time_ns"]),
            severity=EventSeverity(fields["severity"]),
            source=str(fields["source"]),
            text=str(fields["text"]),
            code=str(fields.get("code", "")),
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
