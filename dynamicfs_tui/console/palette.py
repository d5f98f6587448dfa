"""Themes, and the style of each tone. The only place with colours."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from rich.style import Style
from textual.color import Color
from textual.theme import Theme

from dynamicfs_tui.console.text import Tone


def _theme(name: str, *, dark: bool, colours: Mapping[str, str]) -> Theme:
    return Theme(
        name=name,
        primary=colours["busy"],
        secondary=colours["busy"],
        accent=colours["key"],
        warning=colours["warn"],
        error=colours["bad"],
        success=colours["ok"],
        foreground=colours["text"],
        background=colours["back"],
        surface=colours["back"],
        panel=colours["frame"],
        dark=dark,
        variables={
            "state-ok": colours["ok"],
            "state-warn": colours["warn"],
            "state-bad": colours["bad"],
            "state-busy": colours["busy"],
            "tone-key": colours["key"],
            "tone-muted": colours["muted"],
            "tone-text": colours["text"],
            "tone-strong": colours["strong"],
            "frame": colours["frame"],
            "frame-focus": colours["key"],
        },
    )


THEMES: Final = (
    _theme(
        "dynamicfs-dark",
        dark=True,
        colours={
            "back": "#11151c", "text": "#c8d0dc", "strong": "#ffffff", "muted": "#8490a4",
            "frame": "#3b4658", "key": "#7cc7ff", "ok": "#5fd38d", "warn": "#f2c14e",
            "bad": "#ff6b6b", "busy": "#6fb1ff",
        },
    ),
    _theme(
        "dynamicfs-light",
        dark=False,
        colours={
            "back": "#fbfbf8", "text": "#22272e", "strong": "#000000", "muted": "#5b6470",
            "frame": "#b6bcc6", "key": "#005fb8", "ok": "#1a7f37", "warn": "#8a5a00",
            "bad": "#c4001a", "busy": "#0550ae",
        },
    ),
    _theme(
        "dynamicfs-contrast",
        dark=True,
        colours={
            "back": "#000000", "text": "#ffffff", "strong": "#ffffff", "muted": "#d0d0d0",
            "frame": "#ffffff", "key": "#00ffff", "ok": "#00ff5f", "warn": "#ffff00",
            "bad": "#ff8080", "busy": "#5fd7ff",
        },
    ),
    _theme(
        "dynamicfs-deuteranopia",
        dark=True,
        colours={
            "back": "#11151c", "text": "#c8d0dc", "strong": "#ffffff", "muted": "#8490a4",
            "frame": "#3b4658", "key": "#d0d0ff", "ok": "#5aa9ff", "warn": "#f0e442",
            "bad": "#ff9d2e", "busy": "#a6c8ff",
        },
    ),
)  # fmt: skip
"""The first is the default. The last has no pair of red and green."""

_VARIABLES: Final = {
    Tone.TEXT: "tone-text",
    Tone.MUTED: "tone-muted",
    Tone.STRONG: "tone-strong",
    Tone.TITLE: "tone-key",
    Tone.OK: "state-ok",
    Tone.WARN: "state-warn",
    Tone.BAD: "state-bad",
    Tone.BUSY: "state-busy",
    Tone.KEY: "tone-key",
    Tone.ALERT: "state-bad",
    Tone.HERE: "tone-key",
}
_BOLD: Final = frozenset({Tone.STRONG, Tone.TITLE, Tone.KEY, Tone.ALERT, Tone.HERE})

Styles = Mapping[Tone, Style]


_MONOCHROME: Final = {Tone.WARN: "tone-strong", Tone.BAD: "tone-strong", Tone.OK: "tone-text"}
"""Grey of red is dark: without colours, what is bad must be bright instead."""


def tone_styles(variables: Mapping[str, str], *, monochrome: bool = False) -> Styles:
    """Return the style of each tone under a theme's *variables*.

    A theme that is not ours lacks our names; its foreground is used then.
    """
    fallback = variables.get("foreground", "#ffffff")
    names = {**_VARIABLES, **_MONOCHROME} if monochrome else _VARIABLES
    return {
        tone: Style(
            color=Color.parse(variables.get(name, fallback)).rich_color,
            bold=tone in _BOLD or (monochrome and tone is Tone.BAD),
            reverse=tone in (Tone.ALERT, Tone.HERE),
        )
        for tone, name in names.items()
    }
