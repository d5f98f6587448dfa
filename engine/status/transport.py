"""Views and plain values as JSON, and back, guided by type hints alone.

Serves the control socket and ``--json``. Knows dataclasses, enums of text,
tuples, sequences, mappings with text keys, unions and the JSON scalars; a type
beyond these is a programmer's error. Nothing here is a format on disk: both
ends run the same release, and a mismatch is refused with one sentence.
"""

from __future__ import annotations

import math
import types
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from enum import Enum
from functools import cache
from typing import TypeAlias, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from engine import errors
from engine.errors import EngineError, PoolError

Json: TypeAlias = "None | bool | int | float | str | list[Json] | dict[str, Json]"

T = TypeVar("T")


class ForeignReplyError(PoolError):
    """The value received does not have the shape this release expects."""


def encode(value: object) -> Json:
    """Return *value* as what ``json.dumps`` takes; numbers that are not finite become None.

    >>> encode((1, "a", {"b": 2.5}))
    [1, 'a', {'b': 2.5}]
    """
    match value:
        case Enum():
            return encode(value.value)
        case float():
            return value if math.isfinite(value) else None
        case None | bool() | int() | str():
            return value
        case Mapping():
            return {str(encode(key)): encode(item) for key, item in value.items()}
        case Sequence():
            return [encode(item) for item in value]
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: encode(getattr(value, field.name)) for field in fields(value)}
    raise TypeError(f"{type(value).__name__} does not travel as JSON")


def decode(expected: type[T], value: Json) -> T:
    """Return *value* as an *expected*, built by its type hints.

    >>> decode(tuple[int, ...], [1, 2])
    (1, 2)

    Raises:
        ForeignReplyError: *value* has another shape, or a field is refused.
    """
    # What _build makes of a type is an instance of it; the checker cannot follow.
    return cast(T, _build(expected, value))


@cache
def _field_types(record: type) -> Mapping[str, object]:
    """Return the resolved hints of *record*'s fields; resolving is slow, so once."""
    hints = get_type_hints(record)
    return {field.name: hints[field.name] for field in fields(record)}


def _build(expected: object, value: Json) -> object:
    """Dispatch on what *expected* is: a union, a container or a plain class."""
    if expected is object:
        return value
    if expected is None or expected is type(None):
        return _plain(type(None), value)
    origin = get_origin(expected)
    if origin in (Union, types.UnionType):
        return _first_that_fits(get_args(expected), value)
    if origin is not None:
        return _container(origin, get_args(expected), value)
    if isinstance(expected, type):
        return _plain(expected, value)
    raise TypeError(f"{expected} cannot be decoded")


def _first_that_fits(choices: tuple[object, ...], value: Json) -> object:
    for choice in choices:
        try:
            return _build(choice, value)
        except ForeignReplyError:
            continue
    raise ForeignReplyError(f"{value!r:.60} is none of {', '.join(map(str, choices))}")


def _container(origin: object, arguments: tuple[object, ...], value: Json) -> object:
    """Build a tuple, a list (for every sequence) or a dict (for every mapping)."""
    if origin is tuple and isinstance(value, list):
        if len(arguments) == 2 and arguments[1] is Ellipsis:
            return tuple(_build(arguments[0], item) for item in value)
        if len(arguments) == len(value):
            return tuple(_build(kind, item) for kind, item in zip(arguments, value, strict=True))
    elif isinstance(origin, type):
        if issubclass(origin, Mapping) and isinstance(value, dict):
            return {key: _build(arguments[1], item) for key, item in value.items()}
        if issubclass(origin, Sequence) and isinstance(value, list):
            return [_build(arguments[0], item) for item in value]
    raise ForeignReplyError(f"{value!r:.60} is not a {origin}")


def _plain(expected: type, value: Json) -> object:
    """Build a dataclass, an enum or a scalar; bool is not taken for int."""
    if is_dataclass(expected):
        return _record(expected, value)
    try:
        if issubclass(expected, Enum):
            return expected(value)
        if expected is float and type(value) in (int, float):
            return float(cast(float, value))  # JSON does not keep 1.0 apart from 1.
    except ValueError as error:
        raise ForeignReplyError(str(error)) from error
    if type(value) is not expected:
        raise ForeignReplyError(f"{value!r:.60} is not a {expected.__name__}")
    return value


def _record(expected: type, value: Json) -> object:
    """Build a dataclass whose fields are exactly the keys of *value*."""
    hints = _field_types(expected)
    if not isinstance(value, dict) or value.keys() != hints.keys():
        raise ForeignReplyError(f"the fields are not those of {expected.__name__}")
    values = {name: _build(hint, value[name]) for name, hint in hints.items()}
    try:
        return expected(**values)
    except ValueError as error:
        raise ForeignReplyError(str(error)) from error


def describe_error(error: EngineError) -> dict[str, Json]:
    """Return *error* as a reply: ``{"error", "sentence"}``.

    *error* lists class names from the leaf to the base, so that a reader of
    another release knows at least one.
    """
    names: list[Json] = [kind.__name__ for kind in type(error).__mro__]
    return {"error": names, "sentence": str(error)}


def revive_error(names: Json, sentence: str) -> EngineError:
    """Return the nearest error class we know, with the sentence of the other process.

    >>> revive_error(["OddError", "UsageError", "RejectedError"], "no such disk")
    UsageError('no such disk')
    """
    for name in names if isinstance(names, list) else []:
        kind = getattr(errors, str(name), None)
        # Leaves that take fields cannot be made from a sentence; their base can.
        if isinstance(kind, type) and issubclass(kind, EngineError) and _takes_a_sentence(kind):
            return kind(sentence)
    return EngineError(sentence)


def _takes_a_sentence(kind: type[EngineError]) -> bool:
    return "__init__" not in {name for base in kind.__mro__[:-3] for name in vars(base)}
