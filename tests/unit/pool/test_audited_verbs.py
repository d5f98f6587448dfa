"""Every verb that changes something leaves one line, whoever gives it and however it ends."""

from __future__ import annotations

import inspect
import os
import pwd
import subprocess
import sys
from pathlib import Path

import pytest

from engine.clock import ManualClock
from engine.errors import ReadOnlyError, UsageError
from engine.observe.events import EventLog
from engine.pool.actor import Actor, acting_as, current_actor, describe_actor
from engine.pool.audit import AuditTrail
from engine.pool.audited import LOOKING, POOL_VERBS, AuditedVerbs, note_judgement
from engine.pool.control_socket import ControlServer
from engine.pool.remote_control import reach_owner
from engine.status.answers import AuditView
from engine.status.control import PoolControl
from engine.status.facets import FACETS, verbs_of
from tests.control_stand_in import CannedControl
from tests.repo.sources import ROOT

OF_FACETS = [f"{name}.{verb}" for name, facet in FACETS.items() for verb in verbs_of(facet)]
OF_POOL = verbs_of(PoolControl)
US = pwd.getpwuid(os.geteuid()).pw_name


class Scene:
    """A canned control under audit."""

    def __init__(self, directory: Path) -> None:
        self.control = CannedControl()
        self.clock = ManualClock()
        self.trail = AuditTrail(directory / "audit.log", self.clock)
        self.events = EventLog(self.clock)
        self.audited = AuditedVerbs(self.trail, self.events, self.clock)
        self.audited.watch(self.control, {name: getattr(self.control, name) for name in FACETS})

    def give(self, name: str) -> None:
        """Call a verb with plain arguments of the right kinds."""
        target: object = self.control
        facet, _, verb = name.rpartition(".")
        if facet:
            target = getattr(self.control, facet)
        call = getattr(target, verb)
        values = {"str": "d1", "int": 3, "bool": True, "Sequence[str]": ("d1",)}
        signature = inspect.signature(call)
        given = {
            one.name: values[str(one.annotation)]
            for one in signature.parameters.values()
            if one.default is inspect.Parameter.empty
        }
        call(**given)

    def lines(self) -> list[AuditView]:
        return self.trail.newest(100)


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


@pytest.mark.parametrize("name", [one for one in OF_FACETS if one not in LOOKING])
def test_every_changing_verb_of_a_facet_leaves_one_line(scene: Scene, name: str) -> None:
    scene.give(name)

    assert [line.verb for line in scene.lines()] == [name]
    assert scene.lines()[0].user == US


@pytest.mark.parametrize("name", POOL_VERBS)
def test_every_changing_verb_of_the_pool_leaves_one_line(scene: Scene, name: str) -> None:
    scene.give(name)

    assert [line.verb for line in scene.lines()] == [name]


@pytest.mark.parametrize("name", sorted(LOOKING))
def test_looking_leaves_no_line(scene: Scene, name: str) -> None:
    scene.give(name)
    scene.control.view()

    assert scene.lines() == []


def test_the_list_of_verbs_that_look_names_verbs_that_exist() -> None:
    assert {*OF_FACETS, *OF_POOL} >= LOOKING
    assert set(POOL_VERBS) >= {"set_disk_health", "add_disk", "start_rebuild", "start_scrub"}


def test_a_line_has_arguments_result_and_duration(scene: Scene) -> None:
    def slow(disk: str, *, hard: bool) -> str:
        scene.clock.advance(2.5)
        note_judgement("RISKY")
        return f"{disk} is gone"

    scene.audited.recorded("disks.lose", slow)("d1", hard=True)

    line = scene.lines()[0]
    assert (line.arguments, line.result, line.duration_s) == ("d1 hard=True", "d1 is gone", 2.5)
    assert line.judgement == "RISKY"


def test_a_refusal_is_recorded_with_its_sentence_and_still_raised(scene: Scene) -> None:
    scene.control.refusal = ReadOnlyError("the pool is read-only")

    with pytest.raises(ReadOnlyError):
        scene.control.work.pause()

    assert scene.lines()[0].result == "ReadOnlyError: the pool is read-only"


def test_a_bug_is_recorded_too(scene: Scene) -> None:
    def broken() -> str:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        scene.audited.recorded("work.pause", broken)()

    assert "not foreseen" in scene.lines()[0].result


def test_a_verb_made_of_another_is_one_line(scene: Scene) -> None:
    inner = scene.audited.recorded("scrubs.start", lambda: "started")
    outer = scene.audited.recorded("start_scrub", inner)

    outer()
    outer()

    assert [line.verb for line in scene.lines()] == ["start_scrub", "start_scrub"]


def test_what_the_trail_cannot_take_is_an_event(tmp_path: Path) -> None:
    scene = Scene(tmp_path / "missing")

    scene.control.work.pause()

    assert scene.trail.problem == "No such file or directory"
    assert ["work.pause" in event.text for event in scene.events.since(0)] == [True]


ASK = (
    "import sys; from pathlib import Path; from engine.pool.remote_control import reach_owner;"
    "remote = reach_owner(Path(sys.argv[1])); remote.work.pause()"
)


def test_the_one_who_asks_through_the_socket_is_named_with_the_terminal(
    scene: Scene, pool_directory: Path
) -> None:
    server = ControlServer(scene.control, pool_directory, mountpoint=str, shutdown=str)
    server.start()
    ours, theirs = os.openpty()
    try:
        command = [sys.executable, "-c", ASK, str(pool_directory)]
        subprocess.run(command, stdin=theirs, cwd=ROOT, timeout=60, check=True, capture_output=True)
        terminal = os.ttyname(theirs)
    finally:
        server.close()
        os.close(ours)
        os.close(theirs)

    assert [(line.verb, line.user, line.terminal) for line in scene.lines()] == [
        ("work.pause", US, terminal)
    ]


def test_a_refusal_through_the_socket_is_recorded_there(scene: Scene, pool_directory: Path) -> None:
    server = ControlServer(scene.control, pool_directory, mountpoint=str, shutdown=str)
    server.start()
    try:
        remote = reach_owner(pool_directory)
        assert remote is not None
        with remote, pytest.raises(UsageError):
            remote.set_disk_health("nowhere", "failed")
    finally:
        server.close()

    line = scene.lines()[0]
    assert line.verb == "set_disk_health"
    assert line.arguments == "disk=nowhere state=failed basis= force=False"
    assert line.result.startswith("UsageError: ")


def test_a_verb_belongs_to_whoever_it_is_acted_for(scene: Scene) -> None:
    with acting_as(Actor(user="olga", process=1, terminal="/dev/pts/7")):
        scene.control.work.resume()
    scene.control.work.pause()

    told = [(line.user, line.terminal) for line in scene.lines()]
    assert told[0] == ("olga", "/dev/pts/7")
    assert told[1][0] == US


def test_a_process_that_is_gone_has_no_terminal_and_a_number_no_name() -> None:
    actor = describe_actor(user_id=3_999_999_999, process=2**22 + 1)

    assert (actor.user, actor.terminal) == ("3999999999", "")
    assert current_actor().process == os.getpid()
