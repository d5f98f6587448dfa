"""The settings file: what is accepted, what is refused by name, and what it does."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from dynamicfs_tui.console.app import ConsoleApp
from dynamicfs_tui.console.run import choose_settings, make_app
from dynamicfs_tui.console.screenshots import screen_text
from dynamicfs_tui.console.settings import (
    Settings,
    SettingsError,
    load_settings,
    parse_settings,
    settings_path,
)
from engine.clock import ManualClock
from tests.console.canned import CannedControl
from tests.console.canned_views import NOW_NS, healthy


def test_no_file_leaves_everything_as_it_is(tmp_path: Path) -> None:
    assert load_settings(tmp_path / "console.toml") == Settings()


def test_every_setting_is_read(tmp_path: Path) -> None:
    path = tmp_path / "console.toml"
    path.write_text(
        """
        theme = "dynamicfs-light"
        interval = 2
        ascii = true
        read_only = true
        [layout]
        page = "rebuild"
        pane = "work"
        [keys]
        "disk.drain" = "f8"
        "page.files" = ["6", "ctrl+f"]
        """,
        encoding="utf-8",
    )

    assert load_settings(path) == Settings(
        theme="dynamicfs-light",
        interval_s=2.0,
        ascii=True,
        read_only=True,
        page="rebuild",
        pane="work",
        keys={"disk.drain": ("f8",), "page.files": ("6", "ctrl+f")},
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("colour = 1", "colour: no such setting; there are theme"),
        ('theme = "pink"', "theme: 'pink' is not one of dynamicfs-dark"),
        ("theme = 3", "theme: must be text"),
        ("interval = 0.1", "interval: must be seconds from 0.25 to 10"),
        ("interval = true", "interval: must be seconds"),
        ("interval = nan", "interval: must be seconds"),
        ("ascii = 1", "ascii: must be true or false"),
        ("layout = 1", "layout: must be a table"),
        ('[layout]\npage = "moon"', "page: 'moon' is not one of overview"),
        ('[layout]\npane = "work"', "layout.pane: needs layout.page"),
        ('[layout]\nx = "work"', "layout.x: no such setting"),
        ('[keys]\n"disk.fly" = "f8"', "keys.disk.fly: no such action"),
        ('[keys]\n"disk.drain" = 8', "keys.disk.drain: must be a key"),
        ('[keys]\n"disk.drain" = []', "keys.disk.drain: must be a key"),
        ('[keys]\n"disk.drain" = ["a,b"]', "keys.disk.drain: 'a,b' is no key"),
        ('[keys]\n"disk.drain" = "q"', "keys: q would mean disk.drain and quit on the page"),
    ],
)
def test_what_cannot_be_meant_is_refused_by_its_name(text: str, words: str) -> None:
    with pytest.raises(SettingsError, match=words.replace("[", r"\[")):
        parse_settings(text)


def test_a_file_that_is_no_toml_says_file_and_line(tmp_path: Path) -> None:
    path = tmp_path / "console.toml"
    path.write_text("theme = \n", encoding="utf-8")

    with pytest.raises(SettingsError, match=r"console\.toml: .*line 1"):
        load_settings(path)


@pytest.mark.parametrize("content", [b"\xff\xfe", b"#" * 70_000], ids=["no text", "too large"])
def test_a_file_that_is_no_settings_file_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "console.toml"
    path.write_bytes(content)

    with pytest.raises(SettingsError, match=r"console\.toml"):
        load_settings(path)


def test_a_relative_home_of_settings_is_ignored() -> None:
    assert settings_path({"XDG_CONFIG_HOME": "here"}) == settings_path({})


def test_keys_and_start_page_of_the_settings_are_in_force() -> None:
    settings = parse_settings(
        '[layout]\npage = "tiers"\npane = "disks"\n[keys]\n"palette" = "f9"\n"quit" = "f7"'
    )
    app = ConsoleApp(
        CannedControl(healthy()),
        clock=ManualClock(NOW_NS),
        poll_s=None,
        keymap=settings.keys,
        start=(settings.page, settings.pane),
    )

    async def script() -> None:
        async with app.run_test(size=(120, 40)) as pilot:
            await pilot.pause()
            screen = screen_text(app)
            assert "F7 quit" in screen
            assert "F9 commands" in screen
            assert "Disks by tier" in screen
            assert "space used" not in screen
            await pilot.press("q")
            await pilot.pause()
            assert len(app.screen_stack) == 1
            await pilot.press("f7")
            await pilot.pause()
            assert len(app.screen_stack) == 2

    asyncio.run(script())


def test_a_pane_that_is_not_there_is_told_and_the_page_opens() -> None:
    app = ConsoleApp(
        CannedControl(healthy()), clock=ManualClock(NOW_NS), poll_s=None, start=("tiers", "moon")
    )

    async def script() -> None:
        async with app.run_test(size=(120, 40), notifications=True) as pilot:
            await pilot.pause()
            assert app.frame.page.page_name == "tiers"
            told = [toast.message for toast in app._notifications]
            assert "tiers has no pane moon; there are tiers, disks" in told[0]

    asyncio.run(script())


def test_the_environment_adds_to_the_file(tmp_path: Path) -> None:
    home = tmp_path / "dynamicfs"
    home.mkdir()
    (home / "console.toml").write_text('theme = "dynamicfs-contrast"', encoding="utf-8")
    environment = {"XDG_CONFIG_HOME": str(tmp_path), "DYNAMICFS_READONLY": "1"}

    chosen = choose_settings({**environment, "DYNAMICFS_ASCII": "1"})

    assert chosen == Settings(theme="dynamicfs-contrast", ascii=True, read_only=True)


def test_theme_symbols_refusal_and_pace_of_the_settings_are_in_force() -> None:
    settings = Settings(theme="dynamicfs-light", interval_s=7.0, ascii=True, read_only=True)
    control = CannedControl(healthy())
    app = make_app(control, settings)

    async def script() -> None:
        async with app.run_test(size=(120, 40)) as pilot:
            await pilot.pause()
            await pilot.press("5")
            await pilot.pause()
            assert app.theme == "dynamicfs-light"
            assert " RO " in screen_text(app)
            screen_text(app).encode("ascii")
            await pilot.press("4", "S")
            await pilot.pause()
            assert len(app.screen_stack) == 1

    asyncio.run(script())

    assert app.poll_s == 7.0
