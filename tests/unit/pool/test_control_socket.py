"""Both ends of the control socket, over real sockets."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from engine import errors
from engine.errors import (
    EngineError,
    ExtentUnrecoverableError,
    PoolBusyError,
    PoolError,
    QuorumError,
    UsageError,
)
from engine.ids import ExtentId
from engine.pool.control_socket import ControlServer
from engine.pool.remote_control import RemoteControl, reach_owner
from engine.status.transport import describe_error, revive_error
from tests.control_stand_in import CannedControl, healthy_view


def _reach(pool_directory: Path, timeout_s: float = 20.0) -> RemoteControl:
    remote = reach_owner(pool_directory, timeout_s=timeout_s)
    assert remote is not None
    return remote


def test_every_verb_reaches_the_pool_with_its_arguments(
    serve: Callable[..., ControlServer], pool_directory: Path, control: CannedControl
) -> None:
    serve()

    with _reach(pool_directory) as remote:
        assert remote.view() == healthy_view()
        assert remote.start_scrub(repair=True) == "done: start_scrub repair=True"
        assert remote.stop_scrub() == "done: stop_scrub"
        assert remote.start_rebuild() == "done: start_rebuild"
        assert list(remote.probe_disks()) == ["disk-1: healthy", "disk-2: healthy"]
        assert remote.set_disk_health("disk-1", "failed") == "done: set_disk_health disk-1 failed"
        assert remote.add_disk("/d", "cold") == "done: add_disk /d cold"
        assert remote.sync() == "done: sync"
        assert list(remote.check()) == []
        assert list(remote.list_extents(2)) == list(CannedControl().list_extents(2))
        assert remote.metrics() == CannedControl().metrics()
        assert remote.mountpoint() == "mnt/here"


def test_a_relative_disk_path_means_the_directory_of_the_one_who_asks(
    serve: Callable[..., ControlServer], pool_directory: Path, control: CannedControl
) -> None:
    serve()

    with _reach(pool_directory) as remote:
        remote.add_disk("new", "hot")

    assert control.asked == [f"add_disk {os.getcwd()}/new hot"]


@pytest.mark.parametrize(
    "error", [UsageError("no such disk"), QuorumError("two of five answer"), PoolError("no")]
)
def test_an_error_comes_back_as_its_class_and_sentence(
    serve: Callable[..., ControlServer],
    pool_directory: Path,
    control: CannedControl,
    error: EngineError,
) -> None:
    serve()
    control.refusal = error

    with _reach(pool_directory) as remote:
        with pytest.raises(type(error)) as caught:
            remote.sync()
        control.refusal = None
        assert remote.sync() == "done: sync"

    assert type(caught.value) is type(error)
    assert str(caught.value) == str(error)


def _leaves() -> list[type[EngineError]]:
    found = [kind for kind in vars(errors).values() if isinstance(kind, type)]
    return [kind for kind in found if issubclass(kind, EngineError)]


@pytest.mark.parametrize("kind", _leaves())
def test_every_error_class_of_the_engine_survives_the_way(kind: type[EngineError]) -> None:
    if kind is ExtentUnrecoverableError:
        original: EngineError = ExtentUnrecoverableError(ExtentId(9), intact=3, needed=4)
    else:
        original = kind("a sentence")

    reply = describe_error(original)
    revived = revive_error(reply["error"], str(reply["sentence"]))

    assert isinstance(original, type(revived))
    assert type(revived) is not EngineError or kind is EngineError
    assert str(revived) == str(original)


def test_nobody_answers_where_no_process_has_the_pool(pool_directory: Path) -> None:
    assert reach_owner(pool_directory) is None
    assert reach_owner(pool_directory / "missing") is None


def test_the_socket_of_a_dead_process_is_replaced(
    serve: Callable[..., ControlServer], pool_directory: Path
) -> None:
    dead = socket.socket(socket.AF_UNIX)
    dead.bind(str(pool_directory / "control.sock"))
    dead.close()
    assert reach_owner(pool_directory) is None

    serve()

    with _reach(pool_directory) as remote:
        assert remote.mountpoint() == "mnt/here"


def test_the_socket_of_a_living_process_is_not_taken_away(
    serve: Callable[..., ControlServer], pool_directory: Path
) -> None:
    serve()

    with pytest.raises(PoolBusyError):
        serve()

    with _reach(pool_directory) as remote:
        assert remote.mountpoint() == "mnt/here"


def test_shutdown_answers_only_when_the_pool_is_closed(
    serve: Callable[..., ControlServer], pool_directory: Path
) -> None:
    begun, pool_closed = threading.Event(), threading.Event()

    def shutdown() -> str:
        begun.set()
        return "unmounted and closed"

    server = serve(shutdown)
    with _reach(pool_directory) as remote, ThreadPoolExecutor(1) as pool:
        answer = pool.submit(remote.shutdown)
        assert begun.wait(20)
        assert not answer.done()
        pool_closed.set()
        server.close()
        assert answer.result(20) == "unmounted and closed"

    assert not server.path.exists()
    assert reach_owner(pool_directory) is None


def test_a_refused_shutdown_says_why_and_goes_on_serving(
    serve: Callable[..., ControlServer], pool_directory: Path
) -> None:
    def shutdown() -> str:
        raise UsageError("mnt/here is in use")

    serve(shutdown)

    with _reach(pool_directory) as remote:
        with pytest.raises(UsageError, match="in use"):
            remote.shutdown()
        assert remote.sync() == "done: sync"


def test_a_pool_that_could_not_be_closed_is_not_reported_as_durable(
    serve: Callable[..., ControlServer], pool_directory: Path
) -> None:
    begun = threading.Event()

    def shutdown() -> str:
        begun.set()
        return "closed"

    server = serve(shutdown)
    with _reach(pool_directory) as remote, ThreadPoolExecutor(1) as pool:
        answer = pool.submit(remote.shutdown)
        assert begun.wait(20)
        server.close(failure=QuorumError("two of five journals answer"))
        with pytest.raises(QuorumError, match="two of five"):
            answer.result(20)


def test_an_owner_that_dies_is_an_error_and_not_an_answer(pool_directory: Path) -> None:
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(pool_directory / "control.sock"))
    listener.listen(1)

    with _reach(pool_directory) as remote:
        connection, _ = listener.accept()
        connection.close()
        listener.close()
        with pytest.raises(PoolBusyError, match="ended before it answered 'shutdown'"):
            remote.shutdown()


def test_an_owner_that_hangs_is_not_waited_for_without_end(pool_directory: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(pool_directory / "control.sock"))
        listener.listen(1)

        with (
            _reach(pool_directory, timeout_s=0.05) as remote,
            pytest.raises(PoolBusyError, match="did not answer 'view' in time"),
        ):
            remote.view()


def test_closing_twice_is_harmless(serve: Callable[..., ControlServer]) -> None:
    server = serve()

    server.close()
    server.close()

    assert not server.path.exists()
