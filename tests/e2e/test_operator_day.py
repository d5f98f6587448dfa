"""A console attached to a pool that another process serves: steer it, leave, it goes on."""

from __future__ import annotations

import random
from pathlib import Path

from engine.units import MIB
from tests.e2e.contents import Contents
from tests.e2e.harness import DYNAMICFS, LivePool, is_running
from tests.e2e.terminal import LARGE, terminal


def flip_a_byte(path: Path) -> None:
    """Let one byte of a fragment rot, as a failing medium would."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0x10
    path.write_bytes(bytes(data))


def test_damage_found_by_the_attached_consoles_scrub_is_named_and_mended_by_keys(
    pool: LivePool,
) -> None:
    contents = Contents(pool.mountpoint)
    contents.write("letter", random.Random(1).randbytes(6 * MIB))
    pool.sync()
    server = pool.server_pid
    flip_a_byte(pool.fragments()[0].path)

    with terminal() as screen:
        screen.start([*DYNAMICFS, "console", str(pool.pool_dir)], LARGE)
        screen.expect("DynamicFS live .*OK")
        screen.press_for("4", "never scrubbed")
        screen.press_for("S", "What to read")
        screen.press_until("Enter", r"start scrub \(y\)")
        screen.agree("start scrub")
        found = screen.expect("finished, 1 damaged")
        assert "/letter" in found

        screen.press_for("R", "What to read")
        screen.press_until("Enter", r"start scrub with repair \(y\)")
        screen.agree("start scrub with repair")
        screen.expect(r"finished(.*\n){1,3}.*repaired 1\b")
        screen.press("q")
        screen.agree("quit")
        screen.expect("EXIT=0")

    assert is_running(server)
    assert pool.server_pid == server
    assert contents.differing() == []
    assert pool.scrub().corrupt == 0
