"""The lock around the metadata counts its holds, and waits as a re-entrant lock does."""

from __future__ import annotations

import threading

from engine.metadata.write_lock import WriteLock

WAIT_S = 10.0


def test_a_long_hold_is_seen_in_the_percentile_that_it_belongs_to() -> None:
    lock = WriteLock()
    for _ in range(98):
        with lock:
            pass
    with lock:
        threading.Event().wait(0.02)

    assert lock.holds() == 99
    assert lock.held_below_s(0.5) < 0.01
    assert 0.02 < lock.held_below_s(1.0) < 1


def test_another_thread_waits_until_the_outermost_hold_ends() -> None:
    lock, taken = WriteLock(), threading.Event()

    def take() -> None:
        with lock:
            taken.set()

    with lock:
        with lock:
            other = threading.Thread(target=take)
            other.start()
        assert not taken.wait(0.05)
    assert taken.wait(WAIT_S)
    other.join(WAIT_S)


def test_who_waits_for_a_condition_lets_others_in_however_deep_it_holds() -> None:
    lock = WriteLock()
    changed, told = lock.condition(), []

    def tell() -> None:
        with lock:
            told.append("by another")
            changed.notify_all()

    with lock, lock:
        threading.Thread(target=tell).start()
        assert changed.wait_for(lambda: told, WAIT_S)
        holds_inside = lock.holds()
    # The wait ended one hold, the other thread's was one, and the rest is still held.
    assert holds_inside == 2
    assert lock.holds() == 3
