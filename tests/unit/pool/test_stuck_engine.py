"""An engine that is held still answers through its socket, with the age of what it shows."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from engine.clock import ManualClock
from engine.pool.control_socket import ControlServer
from engine.pool.keepers import Keeper, group_turn
from engine.pool.pool import Pool
from engine.pool.remote_control import RemoteControl, reach_owner
from engine.pool.verbs import PoolVerbs
from engine.status.codes import Code
from engine.status.verdict import STUCK_S, stuck_thread
from tests.memory_engine import MemoryEngine
from tests.unit.pool.directory_pool import Place

ANSWER_S = 20.0
"""Far above the second that a view may take, far below for ever."""


@pytest.fixture
def pool(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pool]:
    place = Place(tmp_path_factory.mktemp("stuck"))
    place.create()
    with Pool(place.pool_dir) as pool:
        yield pool


@contextmanager
def served(pool: Pool) -> Iterator[RemoteControl]:
    verbs = PoolVerbs(pool, mountpoint=str)
    server = ControlServer(verbs, pool.pool_dir, mountpoint=str, shutdown=str)
    server.start()
    try:
        remote = reach_owner(pool.pool_dir, timeout_s=ANSWER_S)
        assert remote is not None
        with remote:
            yield remote
    finally:
        server.close()


@contextmanager
def held(lock: AbstractContextManager[object]) -> Iterator[None]:
    """Let another thread hold *lock* meanwhile."""
    taken, enough = threading.Event(), threading.Event()

    def hold() -> None:
        with lock:
            taken.set()
            enough.wait(ANSWER_S)

    holder = threading.Thread(target=hold)
    holder.start()
    taken.wait(ANSWER_S)
    try:
        yield
    finally:
        enough.set()
        holder.join()


def test_a_view_does_not_wait_for_the_write_lock(pool: Pool) -> None:
    with served(pool) as remote:
        before = remote.view()

        with held(pool.engine.base.store.lock):
            shown = remote.view()
            remote.metrics()

    assert shown.monotonic_s > before.monotonic_s
    assert Code.ENGINE_STUCK not in {one.code for one in shown.conditions}


def test_a_view_that_cannot_be_taken_is_the_last_one_with_its_age(pool: Pool) -> None:
    # A leaf lock that every view needs, held as a bug or a stopped thread would hold it.
    with served(pool) as remote:
        before = remote.view()

        with held(pool.engine.base.disks._lock):
            shown = remote.view()

        assert remote.view().monotonic_s > before.monotonic_s
    assert shown.verdict.code == Code.ENGINE_STUCK
    assert shown.heartbeat_s >= 1.0
    assert shown.generation == before.generation
    assert [disk.name for disk in shown.disks] == [disk.name for disk in before.disks]


def test_a_thread_of_the_program_that_is_late_is_an_engine_that_is_stuck(pool: Pool) -> None:
    pool.watch("fuse-dispatcher", lambda: 12.0)

    with served(pool) as remote, held(pool.engine.base.store.lock):
        shown = remote.view()

    assert dict(shown.heartbeats)["fuse-dispatcher"] == 12.0
    assert (shown.verdict.code, shown.verdict.subject) == (Code.ENGINE_STUCK, "fuse-dispatcher")
    assert shown.verdict.sentence == "The engine's fuse-dispatcher has not moved for 12 s."


def test_threads_of_an_open_pool_keep_turning(pool: Pool) -> None:
    names = set(pool.heartbeats())

    assert {"group-timer", "probe", "figures", "maintenance", "events"} <= names
    assert max(pool.heartbeats().values()) < STUCK_S


def test_a_write_lock_that_is_never_given_back_is_an_engine_that_is_stuck(tmp_path: Path) -> None:
    clock = ManualClock()
    memory = MemoryEngine(tmp_path, clock=clock)
    engine = memory.engine
    keeper = Keeper("group-timer", engine, lambda: group_turn(engine), engine.base.store.pressure)

    with held(engine.base.store.lock):
        keeper.start()
        clock.advance(STUCK_S)
        early = stuck_thread({keeper.name: keeper.late_s})
        clock.advance(1.0)
        late = stuck_thread({keeper.name: keeper.late_s})

    keeper.stop(ANSWER_S)
    memory.close()
    assert early is None
    assert late == ("group-timer", STUCK_S + 1.0)


def test_a_thread_that_has_turned_is_not_late_for_turns_long_past(tmp_path: Path) -> None:
    clock = ManualClock()
    memory = MemoryEngine(tmp_path, clock=clock)
    turns = threading.Semaphore(0)

    def turn() -> float:
        turns.release()
        return 3.0

    always = threading.Event()
    always.set()
    keeper = Keeper("quick", memory.engine, turn, always)
    clock.advance(100.0)
    keeper.start()
    try:
        # When the second turn has begun, the first one has been noted.
        assert turns.acquire(timeout=ANSWER_S)
        assert turns.acquire(timeout=ANSWER_S)
        assert keeper.late_s == 0.0
    finally:
        keeper.stop(ANSWER_S)
        memory.close()
