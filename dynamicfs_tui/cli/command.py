"""What every verb is given, and how a verb joins the parser."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NoReturn, TextIO, TypeAlias

from dynamicfs_tui.cli.gateway import EngineGateway
from engine.errors import UsageError


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """The world around one command: the engine and the three streams."""

    engine: EngineGateway
    stdin: TextIO = field(default_factory=lambda: sys.stdin)
    stdout: TextIO = field(default_factory=lambda: sys.stdout)
    stderr: TextIO = field(default_factory=lambda: sys.stderr)
    pause: Callable[[float], None] = time.sleep
    """Waits for so many seconds between two looks at long work."""

    def note(self, sentence: str) -> None:
        """Tell people something that is no result."""
        print(sentence, file=self.stderr)


Handler: TypeAlias = Callable[[Session, argparse.Namespace], int]


class SentenceParser(argparse.ArgumentParser):
    """An argument parser whose refusals are one sentence."""

    def error(self, message: str) -> NoReturn:
        """Raise UsageError instead of printing the whole usage and exiting."""
        raise UsageError(f"{message} (see {self.prog} --help)")


class Verbs:
    """The parser under construction: each module of verbs adds its own."""

    def __init__(self, parser: SentenceParser) -> None:
        self._parsers = parser.add_subparsers(
            title="verbs", metavar="VERB", dest="verb", parser_class=SentenceParser
        )

    def add(self, name: str, handler: Handler, summary: str) -> SentenceParser:
        """Add a verb that takes no pool."""
        verb = self._parsers.add_parser(
            name,
            help=summary,
            description=summary[0].upper() + summary[1:] + ".",
            allow_abbrev=False,
        )
        verb.set_defaults(handler=handler)
        return verb

    def add_for_pool(self, name: str, handler: Handler, summary: str) -> SentenceParser:
        """Add a verb whose first argument is the pool directory."""
        verb = self.add(name, handler, summary)
        verb.add_argument("pool", metavar="POOL", help="the pool directory")
        return verb


def add_json(verb: SentenceParser) -> None:
    """Give *verb* the option to print JSON for programs."""
    verb.add_argument("--json", action="store_true", help="print JSON for programs")
