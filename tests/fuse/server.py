"""The child of ``tests.fuse.mounting``: serves one mount and obeys its input.

Every answer is one line of JSON on standard output. Commands: ``counters``,
``late``, ``forget INODE``, ``deadline SECONDS`` (tell the watchdog), ``stop``. The end of
the input is a stop, too.
"""

from __future__ import annotations

import argparse
import importlib
import json
import logging
import signal
import sys
from typing import Protocol, cast

from engine.errors import EngineError
from engine.ids import InodeId
from engine.vfs.interface import FileSystem
from fusebridge.mount import Mount
from tests.bench.trio_shim import TrioShim

START_S = 10.0


class _Factory(Protocol):
    def __call__(self, *arguments: str) -> FileSystem: ...


def main() -> int:
    """Serve until told to stop."""
    options = _parse()
    logging.basicConfig(level=logging.INFO)
    sys.setswitchinterval(0.0005)
    module, _, name = options.factory.partition(":")
    # What a test names is a factory; the type cannot be known here.
    factory = cast(_Factory, getattr(importlib.import_module(module), name))
    filesystem = factory(*options.arguments)
    mount = Mount(
        filesystem,
        options.mountpoint,
        name=options.name,
        read_write=options.rw,
        allow_other=False,
        runtime=TrioShim() if options.trio else None,
    )
    try:
        mount.start(START_S)
    except EngineError as error:
        _say({"error": str(error), "kind": type(error).__name__})
        return 1
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        watchdog = mount.watchdog_pid
        _say({"device": mount.device, "watchdog": watchdog})
        _obey(mount)
    finally:
        mount.stop(options.stop_s)
        close = getattr(filesystem, "close", None)
        if close is not None:
            close()
        ended_by = mount.error
        _say({"counters": mount.counters(), "error": str(ended_by) if ended_by else ""})
    return 0


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rw", action="store_true", help="read-only without it")
    parser.add_argument("--trio", action="store_true", help="the alternative of decision 0001")
    parser.add_argument("--stop-s", type=float, default=5.0)
    parser.add_argument("--name", default="test")
    parser.add_argument("mountpoint")
    parser.add_argument("factory")
    parser.add_argument("arguments", nargs="*")
    return parser.parse_args()


def _obey(mount: Mount) -> None:
    for line in sys.stdin:
        verb, _, rest = line.strip().partition(" ")
        match verb:
            case "counters":
                _say(dict(mount.counters()))
            case "late":
                _say({"late_s": mount.late_s})
            case "forget":
                mount.forget_inode(InodeId(int(rest)))
                _say({})
            case "deadline":
                mount.note_deadline(float(rest))
                _say({})
            case "stop":
                return


def _say(answer: dict[str, object]) -> None:
    print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    sys.exit(main())
