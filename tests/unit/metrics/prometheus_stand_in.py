"""A tiny Prometheus: reads the text format and evaluates the expressions of our rules.

Only what the rules use: selectors with equal labels, ``increase``, ``absent``,
``time``, one arithmetic operator, a comparison with a number, ``and``,
``unless on()``. Written from Prometheus' manual, not from the exporter.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

Labels: TypeAlias = frozenset[tuple[str, str]]
Vector: TypeAlias = dict[Labels, float]

_LINE = re.compile(r"^([a-z_][a-z0-9_]*)(?:\{(.*)\})? (\S+)$", re.IGNORECASE)
_LABEL = re.compile(r'([a-z_]+)="((?:[^"\\]|\\.)*)"')
_SELECTOR = re.compile(r"^([a-z_]+)(?:\{(.*)\})?$")
_CALL = re.compile(r"^(increase|absent)\((.+?)(?:\[\d+[mh]\])?\)$")
_COMPARED = re.compile(r"^(.*) (==|>|<) (-?[\d.]+)$")

_OPERATORS: Final[Mapping[str, Callable[[float, float], bool]]] = {
    "==": operator.eq,
    ">": operator.gt,
    "<": operator.lt,
}


@dataclass(frozen=True)
class Scrape:
    """One answer of an exporter: samples by name, and the type of each family."""

    samples: Mapping[str, Vector]
    types: Mapping[str, str]
    helps: Mapping[str, str]


def parse_text(text: str) -> Scrape:
    """Read the text format 0.0.4; AssertionError for a line that it does not have."""
    samples: dict[str, Vector] = {}
    types: dict[str, str] = {}
    helps: dict[str, str] = {}
    for line in text.splitlines():
        if line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            assert name not in types, f"{name} has two types"
            types[name] = kind
        elif line.startswith("# HELP "):
            _, _, name, told = line.split(" ", 3)
            helps[name] = told
        elif line:
            found = _LINE.match(line)
            assert found, line
            labels = frozenset(_LABEL.findall(found[2] or ""))
            vector = samples.setdefault(found[1], {})
            assert labels not in vector, f"{line} is there twice"
            vector[labels] = float(found[3])
    return Scrape(samples, types, helps)


@dataclass(frozen=True)
class Prometheus:
    """What Prometheus knows: the newest scrape, the one ten minutes before, and the time."""

    now: Scrape
    before: Scrape
    time_s: float

    def holds(self, expression: str) -> bool:
        """Whether *expression* has a sample: whether an alert with it fires."""
        return bool(self._evaluate(expression))

    def _evaluate(self, expression: str) -> Vector:
        if " and " in expression:
            left, right = map(self._evaluate, expression.split(" and ", 1))
            return {labels: value for labels, value in left.items() if labels in right}
        if " unless on() " in expression:
            left, right = map(self._evaluate, expression.split(" unless on() ", 1))
            return {} if right else left
        compared = _COMPARED.match(expression)
        if compared:
            holds = _OPERATORS[compared[2]]
            bound = float(compared[3])
            vector = self._evaluate(compared[1])
            return {labels: value for labels, value in vector.items() if holds(value, bound)}
        if expression.startswith("time() - "):
            vector = self._evaluate(expression.removeprefix("time() - "))
            return {labels: self.time_s - value for labels, value in vector.items()}
        if " / " in expression:
            left, right = map(self._evaluate, expression.split(" / ", 1))
            return {labels: left[labels] / right[labels] for labels in left if right.get(labels)}
        return self._call(expression)

    def _call(self, expression: str) -> Vector:
        call = _CALL.match(expression)
        if call is None:
            return _select(self.now, expression)
        newest = _select(self.now, call[2])
        if call[1] == "absent":
            return {} if newest else {frozenset(): 1.0}
        oldest = _select(self.before, call[2])
        return {
            labels: value - oldest[labels] for labels, value in newest.items() if labels in oldest
        }


def names_in(expression: str) -> set[str]:
    """Return the metric names that an expression reads."""
    return set(re.findall(r"dynamicfs_[a-z_]+", expression))


def _select(scrape: Scrape, selector: str) -> Vector:
    found = _SELECTOR.match(selector)
    assert found, f"{selector!r} is beyond this stand-in"
    wanted = set(_LABEL.findall(found[2] or ""))
    vector = scrape.samples.get(found[1], {})
    return {labels: value for labels, value in vector.items() if labels >= wanted}
