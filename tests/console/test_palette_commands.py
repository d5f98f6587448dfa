"""The palette's commands with objects, and jump mode."""

from __future__ import annotations

from textual.command import DiscoveryHit, Hit

from dynamicfs_tui.console.palette_commands import ObjectCommands
from engine.units import MIB
from tests.console.canned_places import full_control
from tests.console.driving import Driver, drive


async def choose(driver: Driver, query: str, text: str) -> None:
    """Type *query* into the palette and take the command *text*."""
    provider = ObjectCommands(driver.app.screen)
    hits = [hit async for hit in provider.search(query)]
    chosen = next(hit for hit in hits if hit.text == text)
    assert isinstance(chosen, (Hit, DiscoveryHit))
    chosen.command()
    await driver.pilot.pause()
    await driver.wait_for_verbs()


def test_a_verb_is_found_with_its_disk_and_asks_for_that_disk() -> None:
    control = full_control()

    async def script(driver: Driver) -> None:
        await choose(driver, "drain d1", "drain d1")
        assert driver.app.selected_uuid == control.view().disks[1].uuid

    drive(control, script)

    assert [call[:3] for call in control.calls if call[0] == "disks.plan"] == [
        ("disks.plan", "drain", control.view().disks[1].uuid)
    ]


def test_the_loss_of_a_disk_is_simulated_by_name() -> None:
    control = full_control()

    async def script(driver: Driver) -> None:
        await choose(driver, "what d4", "what if d4")
        assert driver.app.frame.page.page_name == "what-if"

    drive(control, script)

    assert ("disks.what_if", (control.view().disks[4].uuid,)) in control.calls


def test_a_path_is_found_and_a_limit_set_as_typed() -> None:
    control = full_control()

    async def script(driver: Driver) -> None:
        await choose(driver, "where /vm/db.img", "where /vm/db.img")
        assert driver.app.frame.page.page_name == "files"
        await choose(driver, "limit 150", "limit 150")

    drive(control, script)

    assert ("files.where", "/vm/db.img") in control.calls
    assert ("work.limit", 150 * MIB) in control.calls


def test_a_console_that_is_read_only_sets_no_limit() -> None:
    async def script(driver: Driver) -> None:
        provider = ObjectCommands(driver.app.screen)
        assert [hit async for hit in provider.search("limit 150")] == []

    drive(full_control(), script, read_only=True)


def test_a_letter_of_jump_mode_moves_the_focus_to_its_pane() -> None:
    async def script(driver: Driver) -> None:
        await driver.press("4", "apostrophe", "d")
        assert driver.app.frame.page.focused_name == "runs"
        await driver.press("apostrophe", "escape")
        assert driver.app.frame.page.focused_name == "runs"

    drive(full_control(), script)
