"""System calls that the standard library has no name for, by their numbers on this machine."""

from __future__ import annotations

import platform
from typing import Final

_X86_64: Final = {
    "setgroups": 116,
    "setresuid": 117,
    "setresgid": 119,
}
_GENERIC: Final = {
    "setgroups": 159,
    "setresuid": 147,
    "setresgid": 149,
}
_HERE: Final = _X86_64 if platform.machine() == "x86_64" else _GENERIC

SYS_SETGROUPS: Final = _HERE["setgroups"]
SYS_SETRESUID: Final = _HERE["setresuid"]
SYS_SETRESGID: Final = _HERE["setresgid"]
