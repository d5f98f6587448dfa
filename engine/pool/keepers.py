"""Threads that keep an open pool going: groups, disks, maintenance."""

from __future__ import annotations

import threading
from collections.abc import Callable

from engine.limits import BUILDER_OPEN_S, GROUP_S_MAX, PROBE_S
from engine.pool.assembly import Engine
from engine.pool.turn_errors import REST_S, TurnErrors

TICK_S = 0.2
"""How often groups and builders are looked at when nothing presses."""

IDLE_S = 1.0
"""How long maintenance rests when it found nothing to do."""


class Keeper:
    """One daemon thread that calls *turn* until it is stopped.

    *turn* returns how many seconds to rest, which *wake* ends. An error is an
    event, not the end of the thread: the next turn tries again, behind a rest
    that nothing ends but a stop. What woke the turn may still be set.
    """

    def __init__(
        self, name: str, engine: Engine, turn: Callable[[], float], wake: threading.Event
    ) -> None:
        self._engine = engine
        self._turn = turn
        self._wake = wake
        self._stopping = threading.Event()
        self._errors = TurnErrors(name, engine.base.events)
        self._expected_s = engine.base.clock.monotonic_s()
        self.name = name
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self, timeout_s: float) -> None:
        """End after the present turn, waiting at most *timeout_s*."""
        self._stopping.set()
        self._wake.set()
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join(timeout_s)

    @property
    def late_s(self) -> float:
        """Seconds since this thread should have begun the turn it is in, or waits for."""
        return max(0.0, self._engine.base.clock.monotonic_s() - self._expected_s)

    def _run(self) -> None:
        while not self._stopping.is_set():
            rest_s, ends_rest = REST_S, self._stopping
            try:
                rest_s = self._turn()
                ends_rest = self._wake
                self._errors.clear()
            except Exception as error:  # the thread that commits or repairs must not die
                self._errors.note(error)
            self._expected_s = self._engine.base.clock.monotonic_s() + max(0.0, rest_s)
            if rest_s > 0 and not self._stopping.is_set():
                ends_rest.wait(rest_s)


def group_turn(engine: Engine) -> float:
    """Freeze builders and commit groups at their age or bound."""
    store, committer = engine.base.store, engine.committer
    if committer is None or store.stopped:
        store.pressure.clear()  # It wakes this thread; nothing is left to press for.
        return IDLE_S
    with store.lock:
        engine.pending.freeze_older_than(BUILDER_OPEN_S)
        due = store.pressure.is_set() or store.dirty_age_s() >= GROUP_S_MAX
        generation = store.open_generation
    if due:
        store.pressure.clear()
        committer.commit(generation)
    if engine.wal.wanted.is_set():
        engine.wal.checkpoint()
    return TICK_S


def probe_turn(engine: Engine, probe: Callable[[], object]) -> float:
    """Look at every disk, and take over how much room there is."""
    try:
        probe()
        engine.measure_space()
    finally:
        # What was reported meanwhile, also by these very calls, is looked into at the
        # next turn: a disk that answers with errors must not be asked without a rest.
        engine.base.disks.probe_wanted.clear()
    return PROBE_S
