"""The operator's settings: ``$XDG_CONFIG_HOME/dynamicfs/console.toml``.

Everything in it is optional::

    theme = "dynamicfs-light"      # one of the themes of the console
    interval = 1.0                 # seconds between two pictures, 0.25 to 10
    ascii = true                   # no symbols beyond ASCII
    read_only = true               # refuse every change

    [layout]
    page = "rebuild"               # seen first
    pane = "work"                  # and this pane of it enlarged

    [keys]                         # replaces all keys of that action
    "disk.drain" = "f8"
    "page.files" = ["6", "ctrl+f"]

What is not understood is refused by its name, never guessed.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from dynamicfs_tui.console.actions import ACTIONS, actions_of
from dynamicfs_tui.console.pages import PAGES
from dynamicfs_tui.console.palette import THEMES
from dynamicfs_tui.console.scene import NO_KEYMAP, Keymap
from engine.errors import UsageError

INTERVAL_MIN_S: Final = 0.25
INTERVAL_MAX_S: Final = 10.0

FILE_SIZE_MAX: Final = 64 * 1024
"""Bytes of a settings file; more is no settings file."""


class SettingsError(UsageError):
    """The settings file says something that cannot be meant; the console did not start."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What an operator wants of the console; ``None`` and empty leave it as it is."""

    theme: str = ""
    interval_s: float | None = None
    ascii: bool = False
    read_only: bool = False
    page: str = ""
    pane: str = ""
    """The pane of *page* that is enlarged at first."""
    keys: Keymap = field(default_factory=lambda: NO_KEYMAP)


def settings_path(environment: Mapping[str, str]) -> Path:
    """Return where the settings are.

    >>> str(settings_path({"XDG_CONFIG_HOME": "/etc/xdg"}))
    '/etc/xdg/dynamicfs/console.toml'
    """
    home = environment.get("XDG_CONFIG_HOME", "")
    # The specification of these variables wants relative paths ignored.
    base = Path(home) if home.startswith("/") else Path.home() / ".config"
    return base / "dynamicfs" / "console.toml"


def load_settings(path: Path) -> Settings:
    """Return what the file at *path* says; without a file nothing is said.

    Raises:
        SettingsError: it cannot be read, is no TOML, or says what cannot be meant.
    """
    try:
        with path.open("rb") as file:
            text = file.read(FILE_SIZE_MAX + 1)
    except FileNotFoundError:
        return Settings()
    except OSError as error:
        raise SettingsError(f"{path}: {error.strerror or error}") from error
    if len(text) > FILE_SIZE_MAX:
        raise SettingsError(f"{path}: more than {FILE_SIZE_MAX} bytes is no settings file")
    try:
        return parse_settings(text.decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, SettingsError) as error:
        raise SettingsError(f"{path}: {error}") from error


def parse_settings(text: str) -> Settings:
    """Return what *text* says.

    Raises:
        SettingsError: it says what cannot be meant; the sentence names the setting.
        tomllib.TOMLDecodeError: it is no TOML; the sentence names line and column.
    """
    table: Mapping[str, object] = tomllib.loads(text)
    _refuse_unknown("", table, ("theme", "interval", "ascii", "read_only", "layout", "keys"))
    layout = _table(table, "layout")
    _refuse_unknown("layout.", layout, ("page", "pane"))
    page = _choice(layout, "page", tuple(spec.name for spec in PAGES))
    pane = _text(layout, "pane")
    if pane and not page:
        raise SettingsError("layout.pane: needs layout.page beside it")
    return Settings(
        theme=_choice(table, "theme", tuple(theme.name for theme in THEMES)),
        interval_s=_interval(table),
        ascii=_flag(table, "ascii"),
        read_only=_flag(table, "read_only"),
        page=page,
        pane=pane,
        keys=_keymap(_table(table, "keys")),
    )


def _refuse_unknown(prefix: str, table: Mapping[str, object], known: tuple[str, ...]) -> None:
    for name in table:
        if name not in known:
            raise SettingsError(f"{prefix}{name}: no such setting; there are {', '.join(known)}")


def _table(table: Mapping[str, object], name: str) -> Mapping[str, object]:
    value = table.get(name, {})
    if not isinstance(value, dict):
        raise SettingsError(f"{name}: must be a table, [{name}]")
    return value


def _text(table: Mapping[str, object], name: str) -> str:
    value = table.get(name, "")
    if not isinstance(value, str):
        raise SettingsError(f"{name}: must be text in quotes")
    return value


def _choice(table: Mapping[str, object], name: str, known: tuple[str, ...]) -> str:
    value = _text(table, name)
    if value and value not in known:
        raise SettingsError(f"{name}: {value!r} is not one of {', '.join(known)}")
    return value


def _flag(table: Mapping[str, object], name: str) -> bool:
    value = table.get(name, False)
    if not isinstance(value, bool):
        raise SettingsError(f"{name}: must be true or false")
    return value


def _interval(table: Mapping[str, object]) -> float | None:
    value = table.get("interval")
    if value is None:
        return None
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not number or not INTERVAL_MIN_S <= float(str(value)) <= INTERVAL_MAX_S:
        raise SettingsError(
            f"interval: must be seconds from {INTERVAL_MIN_S:g} to {INTERVAL_MAX_S:g}"
        )
    return float(str(value))


def _keymap(table: Mapping[str, object]) -> Keymap:
    known = {action.action_id for action in ACTIONS}
    keymap: dict[str, tuple[str, ...]] = {}
    for action_id, value in table.items():
        if action_id not in known:
            raise SettingsError(f"keys.{action_id}: no such action; the help has their names")
        keys = [value] if isinstance(value, str) else value
        if not isinstance(keys, list) or not keys:
            raise SettingsError(f"keys.{action_id}: must be a key, or a list of keys")
        for key in keys:
            if not isinstance(key, str) or not key or "," in key:
                raise SettingsError(f"keys.{action_id}: {key!r} is no key")
        keymap[action_id] = tuple(str(key) for key in keys)
    _refuse_clashes(keymap)
    return keymap


def _refuse_clashes(keymap: Keymap) -> None:
    """Refuse a key that would mean two things on one page."""
    for spec in PAGES:
        owners: dict[str, str] = {}
        for action in actions_of(spec.name):
            for key in keymap.get(action.action_id, action.keys):
                other = owners.setdefault(key, action.action_id)
                if other != action.action_id:
                    raise SettingsError(
                        f"keys: {key} would mean {other} and {action.action_id}"
                        f" on the page {spec.name}"
                    )
