"""Verbs of a disk's life: drain, replace, remove, detach and attach, fail, what-if."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from dynamicfs_tui.cli.command import SentenceParser, Session, Verbs, add_json
from dynamicfs_tui.cli.connection import Connection, Owner, connect
from dynamicfs_tui.cli.consent import add_consent, has_agreed, require_consent, show_plan
from dynamicfs_tui.cli.disks import disk_name
from dynamicfs_tui.cli.durations import format_duration
from dynamicfs_tui.cli.gateway import Access
from dynamicfs_tui.cli.output import print_json, print_sentences
from dynamicfs_tui.cli.rebuild import WORKS_ITSELF
from dynamicfs_tui.cli.watching import watch
from engine.errors import EngineError, PoolError
from engine.model.disk import DiskState, Tier
from engine.status.answers import Judgement, WhatIfView
from engine.status.control import PoolControl
from engine.status.sentences import healed_sentence, more_may_fail
from engine.status.views import DiskView, ExitCode, PoolView
from engine.units import format_bytes

_DISK_HELP: Final = "a disk's name, the start of its UUID, or its path"

SETTLE_S: Final = 3.0
"""So long after its start a view shows whether work goes on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Task:
    """A verb with its plan: what is planned, and how it is done once agreed to."""

    verb: str
    act: Callable[[PoolControl, str, str], str]
    """Takes the control, the disk and the basis of the plan."""
    replacement: str = ""
    empties: bool = False
    """Whether the disk is emptied, which ``--wait`` waits for."""


def register(verbs: Verbs) -> None:
    """Add the verbs of this module."""
    drain = _add(verbs, "drain", run_drain, "move everything off a disk")
    add_wait(drain)
    replace = _add(verbs, "replace", run_replace, "put a new disk in the place of another")
    replace.add_argument("path", metavar="NEW", help="the directory of the new disk")
    replace.add_argument("--tier", choices=[*Tier], default="", help="its tier (as the old one's)")
    add_wait(replace)
    _add(verbs, "remove-disk", run_remove, "take an empty disk out of the pool")
    _add(verbs, "detach", run_detach, "let go of a disk for maintenance")
    fail = _add(verbs, "fail-disk", run_fail, "mark a disk failed and rebuild it")
    fail.add_argument("--force", action="store_true", help="also when its plan is blocked")

    health = _add(verbs, "set-disk-health", run_set_health, "set the state of a disk")
    health.add_argument("state", metavar="STATE", choices=[*DiskState], help=", ".join(DiskState))
    health.add_argument("--force", action="store_true", help="also when its plan is blocked")

    attach = verbs.add_for_pool("attach", run_attach, "take a detached disk back")
    attach.add_argument("disk", metavar="DISK", help=_DISK_HELP)
    attach.add_argument("path", metavar="PATH", nargs="?", default="", help="where it is now")
    add_json(attach)

    what_if = verbs.add_for_pool("what-if", run_what_if, "tell what the loss of disks would mean")
    what_if.add_argument("disks", metavar="DISK", nargs="+", help=_DISK_HELP)
    add_json(what_if)


def _add(
    verbs: Verbs, name: str, handler: Callable[[Session, Namespace], int], summary: str
) -> SentenceParser:
    verb = verbs.add_for_pool(name, handler, summary)
    verb.add_argument("disk", metavar="DISK", help=_DISK_HELP)
    add_consent(verb)
    add_json(verb)
    return verb


def add_wait(verb: SentenceParser) -> None:
    """Give *verb* the option to return only when its work is done."""
    verb.add_argument("--wait", action="store_true", help="return when nothing is left on it")


def run_drain(session: Session, arguments: Namespace) -> int:
    """Empty a disk."""
    task = _Task(
        verb="drain",
        act=lambda control, disk, basis: control.disks.drain(disk, basis),
        empties=True,
    )
    return _run(session, arguments, task)


def run_replace(session: Session, arguments: Namespace) -> int:
    """Replace a disk, which may be gone."""
    path = str(Path(arguments.path).absolute())
    task = _Task(
        verb="replace",
        act=lambda control, disk, basis: control.disks.replace(
            disk, path, str(arguments.tier), basis
        ),
        replacement=path,
        empties=True,
    )
    return _run(session, arguments, task)


def run_remove(session: Session, arguments: Namespace) -> int:
    """Take a disk out of the pool."""
    task = _Task(verb="remove", act=lambda control, disk, basis: control.disks.remove(disk, basis))
    return _run(session, arguments, task)


def run_detach(session: Session, arguments: Namespace) -> int:
    """Let go of a disk."""
    task = _Task(verb="detach", act=lambda control, disk, basis: control.disks.detach(disk, basis))
    return _run(session, arguments, task)


def run_fail(session: Session, arguments: Namespace) -> int:
    """Set a disk's state to failed."""
    task = _Task(
        verb="fail",
        act=lambda control, disk, basis: control.set_disk_health(
            disk, DiskState.FAILED.value, basis, force=arguments.force
        ),
    )
    return _run(session, arguments, task)


def run_set_health(session: Session, arguments: Namespace) -> int:
    """Set a disk's state; those that move its data away are planned and asked about."""
    state = DiskState(arguments.state)
    if state is DiskState.FAILED:
        return run_fail(session, arguments)
    if state is DiskState.DRAINING:
        task = _Task(
            verb="drain",
            act=lambda control, disk, basis: control.set_disk_health(disk, state.value, basis),
        )
        return _run(session, arguments, task)
    with connect(session, arguments.pool, access=Access.READ_WRITE) as connection:
        sentence = connection.control.set_disk_health(disk_name(arguments.disk), state.value)
    print_sentences(session, arguments, [sentence])
    return ExitCode.FINE


def run_attach(session: Session, arguments: Namespace) -> int:
    """Take a disk back."""
    path = str(Path(arguments.path).absolute()) if arguments.path else ""
    with connect(session, arguments.pool, access=Access.READ_WRITE) as connection:
        sentence = connection.control.disks.attach(disk_name(arguments.disk), path)
    print_sentences(session, arguments, [sentence])
    return ExitCode.FINE


def _run(session: Session, arguments: Namespace, task: _Task) -> int:
    """Plan, show or ask, act, and wait where that was asked for."""
    require_consent(session, arguments)
    disk = disk_name(arguments.disk)
    access = Access.READ_ONLY if arguments.dry_run else Access.READ_WRITE
    with connect(session, arguments.pool, access=access) as connection:
        control = connection.control
        plan = control.disks.plan(task.verb, disk, task.replacement)
        if arguments.dry_run:
            return show_plan(session, arguments, plan)
        if plan.judgement is Judgement.BLOCKED and not getattr(arguments, "force", False):
            raise PoolError(f"{task.verb} {plan.disk} is blocked: {plan.reasons[0]}")
        if not has_agreed(session, arguments, plan):
            session.note("nothing was changed")
            return ExitCode.FAILED
        # By its UUID it stays the same disk, whatever happens to names and paths.
        known = {one.name: one.uuid for one in control.view().disks}
        uuid = known.get(plan.disk, disk)
        sentences = [task.act(control, uuid, plan.basis)]
        if task.empties:
            sentences += _see_through(session, arguments, connection, uuid)
    print_sentences(session, arguments, sentences)
    return ExitCode.FINE


def _see_through(
    session: Session, arguments: Namespace, connection: Connection, uuid: str
) -> list[str]:
    """Wait until the disk is empty, if that was asked for or this command does the work."""
    if not arguments.wait and connection.owner is Owner.OTHER:
        return []
    if not arguments.wait:
        session.note(WORKS_ITSELF)
    control = connection.control
    started = control.view()
    view = watch(
        session,
        control,
        lambda view: _is_empty(view, uuid) or _is_stuck(view, started.monotonic_s),
        lambda view: _progress(view, uuid),
    )
    if not _is_empty(view, uuid):
        raise EngineError(f"the disk is not empty yet: {_why_not(view)}")
    # What was moved is told as done only when it survives the loss of this machine.
    control.sync()
    left = _disk(view, uuid)
    return ["it has left the pool" if left is None else f"nothing is left on {left.name}"]


def _disk(view: PoolView, uuid: str) -> DiskView | None:
    return next((disk for disk in view.disks if disk.uuid == uuid), None)


def _is_empty(view: PoolView, uuid: str) -> bool:
    """Whether the disk left, or has nothing and waits for no replacement to end."""
    disk = _disk(view, uuid)
    if disk is None:
        return True
    return not disk.fragment_count and not view.reconcile.active and not disk.replaced_by


def _is_stuck(view: PoolView, started_s: float) -> bool:
    """Whether nothing goes on although work is left."""
    reconcile = view.reconcile
    held = reconcile.pending_items or reconcile.failed_items or reconcile.paused
    return view.monotonic_s > started_s + SETTLE_S and not reconcile.active and bool(held)


def _why_not(view: PoolView) -> str:
    if view.reconcile.paused:
        return "the rebuild is paused"
    reason = next((item.reason for item in view.reconcile.items if item.reason), "")
    return reason or view.reconcile.last_result or "no work goes on"


def _progress(view: PoolView, uuid: str) -> str:
    disk, reconcile = _disk(view, uuid), view.reconcile
    left = 0 if disk is None else disk.fragment_count
    return (
        f"{left} fragments left, {format_bytes(reconcile.rate_bytes_s)}/s, "
        f"{format_duration(reconcile.eta_s)} left"
    )


def run_what_if(session: Session, arguments: Namespace) -> int:
    """Print what losing disks would mean; 4 when data would be lost, 3 when it is exposed."""
    names = [disk_name(one) for one in arguments.disks]
    with connect(session, arguments.pool, access=Access.READ_ONLY) as connection:
        answer = connection.control.disks.what_if(names)
    if arguments.json:
        print_json(session, answer)
    else:
        _print_what_if(session, answer)
    if answer.lost_extents:
        return ExitCode.DATA_LOST
    return ExitCode.FINE if answer.judgement is Judgement.SAFE else ExitCode.DEGRADED


def _print_what_if(session: Session, answer: WhatIfView) -> None:
    lines = [f"without {', '.join(answer.disks)}: {answer.sentence}"]
    for what, extents, size, files in (
        ("lost", answer.lost_extents, answer.lost_bytes, answer.lost_files),
        ("exposed", answer.exposed_extents, answer.exposed_bytes, answer.exposed_files),
        ("degraded", answer.degraded_extents, answer.degraded_bytes, None),
        ("unaffected", answer.unaffected_extents, answer.unaffected_bytes, None),
    ):
        of = "" if files is None else f", {files} files"
        lines.append(f"  {what:<11} {format_bytes(size)} in {extents} extents{of}")
    room = "fits" if answer.fits else "does not fit"
    lines.append(
        f"  rebuild     {format_bytes(answer.rebuild_bytes)}, {room} on what is left"
        f" ({format_bytes(answer.free_bytes)} free), time: {format_duration(answer.rebuild_s)}"
    )
    if answer.may_fail_during >= 0:
        lines.append(f"  meanwhile   {more_may_fail(answer.may_fail_during)}")
    lines.append(f"  afterwards  {healed_sentence(answer)}")
    lines.append(f"  journals    {'writable' if answer.writable else 'read-only'}")
    lines += (f"  would lose  {path}" for path in answer.lost_paths)
    more = answer.lost_files - len(answer.lost_paths)
    if more > 0:
        lines.append(f"  and {more} more")
    if answer.advice:
        lines.append(f"  do: {answer.advice}")
    for line in lines:
        print(line, file=session.stdout)
