"""Layouts for a purpose, one key apart: a page, and the pane of it that has it for itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class Preset:
    """One layout."""

    name: str
    page: str
    pane: str = ""
    """Enlarged; empty when all panes are seen."""


PRESETS: Final = (
    Preset(name="operations", page="overview"),
    Preset(name="rebuild", page="rebuild", pane="work"),
    Preset(name="disks only", page="overview", pane="disks"),
)


def after(page: str, pane: str) -> Preset:
    """Return the layout that follows what is seen; from elsewhere, the first.

    >>> after("overview", "").name, after("files", "").name
    ('rebuild', 'operations')
    """
    places = [(preset.page, preset.pane) for preset in PRESETS]
    place = places.index((page, pane)) + 1 if (page, pane) in places else 0
    return PRESETS[place % len(PRESETS)]
