"""An operator at the console of the demo, in a real terminal, seen as the operator sees it."""

from __future__ import annotations

import os
import random
import re
import signal
from pathlib import Path

import pytest

from engine.units import MIB
from tests.e2e.contents import Contents
from tests.e2e.demo_console import DemoConsole, demo_console
from tests.e2e.harness import wait_for, wait_for_death
from tests.e2e.terminal import LARGE, SMALL

HEAL_S = 120.0


def quit_by_keys(demo: DemoConsole) -> None:
    """Leave the console as an operator does; all must end well."""
    pid = demo.pid
    demo.screen.press("q")
    demo.screen.agree("quit")
    demo.screen.expect("EXIT=0")
    wait_for_death(pid)
    assert not demo.is_mounted()


def lose_a_disk(demo: DemoConsole) -> Contents:
    """Write some files, take a disk away, and open the page of the rebuild that waits."""
    contents = Contents(demo.mountpoint)
    source = random.Random(4)
    for number in range(4):
        contents.write(f"photo-{number}", source.randbytes(12 * MIB))
    demo.command("sync", str(demo.mountpoint))
    demo.take_away("d2")
    demo.screen.press("1")
    demo.screen.expect("DEGRADED")
    demo.screen.expect(r"d2 .*MISSING")
    demo.screen.press_for("3", r"starts in")
    return contents


def expect_healed(demo: DemoConsole, contents: Contents) -> None:
    """Wait for the end of the rebuild; nothing may be lost."""
    demo.screen.expect(
        r"100%.*(.|\n)*nothing to rebuild|nothing to rebuild(.|\n)*100%", limit_s=HEAL_S
    )
    # Exposure is counted anew twice a second.
    wait_for("nothing is degraded", lambda: not demo.view().exposure.degraded_extents)
    assert demo.view().exposure.lost_extents == 0
    assert contents.differing() == []
    assert demo.differing() == []


def test_a_lost_disk_is_told_and_its_rebuild_is_watched_to_the_end(tmp_path: Path) -> None:
    with demo_console(tmp_path, LARGE) as demo:
        contents = lose_a_disk(demo)
        assert contents.differing() == []

        demo.screen.press("B")
        demo.screen.agree("start rebuild")
        expect_healed(demo, contents)
        quit_by_keys(demo)


def test_a_rebuild_is_steered_by_keys_on_the_smallest_screen(tmp_path: Path) -> None:
    with demo_console(tmp_path, SMALL) as demo:
        contents = lose_a_disk(demo)
        screen = demo.screen
        screen.press("T")
        screen.answer("Limit of the rebuild", "2")
        screen.expect("at most 2.0 MiB/s")
        screen.press("B")
        screen.agree("start rebuild")
        screen.expect(r"running(.|\n)*limit 2.0MB/s(.|\n)*/photo-\d")

        screen.press_for("P", "paused by the operator: P resumes")
        assert demo.view().reconcile.paused
        screen.press_for("F", r"mode high")
        screen.press_for("+", r"limit 2.2MB/s")
        screen.press_for("P", "running")
        assert demo.view().reconcile.priority == "high"
        assert demo.view().reconcile.limit_bytes_s == int(2.2 * MIB)
        screen.press("T")
        screen.answer("Limit of the rebuild", "0")
        screen.expect("limit none")

        expect_healed(demo, contents)
        quit_by_keys(demo)


def test_a_disk_drained_by_keys_is_empty_by_what_json_says(tmp_path: Path) -> None:
    with demo_console(tmp_path, LARGE) as demo:
        wait_for("d3 has something", lambda: demo.disk("d3").fragment_count > 0)
        demo.screen.press_for("2", "Disk d1")
        demo.screen.press("j")
        demo.screen.press_for("j", "Disk d3")
        demo.screen.press_for("D", "Drain disk d3")
        demo.screen.agree("drain")
        demo.screen.expect(r"d3 .*DRAINING")

        wait_for("d3 is empty", lambda: demo.disk("d3").fragment_count == 0, limit_s=HEAL_S)
        assert demo.disk("d3").state == "draining"
        left = tmp_path / "disks" / "d3" / "fragments"
        wait_for("its files are deleted", lambda: not any(left.rglob("*.*.*")), limit_s=HEAL_S)
        assert demo.differing() == []
        quit_by_keys(demo)


def test_what_if_tells_the_loss_of_disks_and_changes_none(tmp_path: Path) -> None:
    with demo_console(tmp_path, LARGE) as demo:
        before = demo.view().disks
        demo.screen.press_for("7", "SIMULATION ONLY")
        one = demo.screen.press_for("Space", "verdict")
        two = demo.screen.press_for("b", r"\d+ of \d+ can be lost")

        assert "NO DATA LOSS" in one
        assert "1 more disk may fail" in one
        assert "15 of 15 can be lost without loss of data" in two
        assert [disk.state for disk in demo.view().disks] == [disk.state for disk in before]
        quit_by_keys(demo)


def test_closing_the_terminal_unmounts_and_keeps_all_files(tmp_path: Path) -> None:
    with demo_console(tmp_path, SMALL) as demo:
        pid = demo.pid
        demo.screen.close()

        wait_for_death(pid)
        assert not demo.is_mounted()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_signal_unmounts_and_leaves_a_sane_terminal(
    tmp_path: Path, number: signal.Signals
) -> None:
    with demo_console(tmp_path, SMALL) as demo:
        pid = demo.pid
        os.kill(pid, number)

        screen = demo.screen.expect(r"EXIT=\d+")
        wait_for_death(pid)
        assert not demo.is_mounted()
        assert re.search(r"(?<!-)icanon", screen), screen
        assert re.search(r"(?<!-)\becho ", screen), screen


def test_the_stop_key_does_not_freeze_the_clients_of_the_mount(tmp_path: Path) -> None:
    with demo_console(tmp_path, SMALL) as demo:
        os.kill(demo.pid, signal.SIGTSTP)

        assert demo.differing() == []
        demo.screen.press_for("7", "SIMULATION ONLY")
        quit_by_keys(demo)
