"""The pool every test here damages: made once for each worker, then only copied."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.rot.rotten_pool import Place, Samples, make_samples, new_place


@dataclass(frozen=True, slots=True)
class Made:
    """A place, and what its pool was."""

    place: Place
    samples: Samples


@pytest.fixture(scope="session")
def made() -> Iterator[Made]:
    with new_place() as place:
        yield Made(place, make_samples(place))


@pytest.fixture(scope="session")
def samples(made: Made) -> Samples:
    return made.samples


@pytest.fixture
def place(made: Made) -> Place:
    """Where the pool lives; a test begins with ``place.restore``."""
    return made.place
