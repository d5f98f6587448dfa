"""Which redundancy data gets, per pool, directory and file."""

from __future__ import annotations

from argparse import Namespace
from typing import Final

from dynamicfs_tui.cli.command import Session, Verbs, add_json
from dynamicfs_tui.cli.connection import connect
from dynamicfs_tui.cli.consent import show_plan
from dynamicfs_tui.cli.gateway import Access
from dynamicfs_tui.cli.output import print_json, print_sentences, print_table
from dynamicfs_tui.cli.pool_paths import path_within
from engine.status.views import ExitCode

POLICIES_SHOWN: Final = 1000
"""Files and directories with a policy of their own that are listed."""

_PATH_HELP = "a file or directory, on the mount or within the pool; without it the pool"


def register(verbs: Verbs) -> None:
    """Add the verbs of this module."""
    change = verbs.add_for_pool(
        "change-policy", run_change, "set the redundancy of the pool, a directory or a file"
    )
    change.add_argument("path", metavar="PATH", nargs="?", default="", help=_PATH_HELP)
    change.add_argument("policy", metavar="POLICY", help="rs:K+M, copies:N or inherit")
    change.add_argument(
        "--dry-run",
        action="store_true",
        help="only show what it would mean: 0 safe, 3 risky, 1 blocked",
    )
    add_json(change)
    status = verbs.add_for_pool(
        "policy-status", run_status, "tell which redundancy data gets, and who says so"
    )
    status.add_argument("path", metavar="PATH", nargs="?", default="", help=_PATH_HELP)
    add_json(status)


def run_change(session: Session, arguments: Namespace) -> int:
    """Set a policy; the engine refuses what the disks cannot hold."""
    with connect(session, arguments.pool, access=Access.READ_WRITE) as connection:
        path = arguments.path
        if path:
            path = path_within(path, connection.control.view().mountpoint)
        if arguments.dry_run:
            plan = connection.control.files.plan_redundancy(path, arguments.policy)
            return show_plan(session, arguments, plan)
        sentence = connection.control.files.set_redundancy(path, arguments.policy)
    print_sentences(session, arguments, [sentence])
    return ExitCode.FINE


def run_status(session: Session, arguments: Namespace) -> int:
    """Print the pool's policy and every other one, or that of one path."""
    with connect(session, arguments.pool, access=Access.READ_ONLY) as connection:
        view = connection.control.view()
        if arguments.path:
            path = path_within(arguments.path, view.mountpoint)
            place = connection.control.files.where(path)
            if arguments.json:
                shown = {"path": path, "redundancy": place.redundancy, "from": place.policy_from}
                print_json(session, shown)
            else:
                says = f"{path}: {place.redundancy}, says the {place.policy_from}"
                print(says, file=session.stdout)
            return ExitCode.FINE
        policies = connection.control.files.list_policies(POLICIES_SHOWN)
    if arguments.json:
        print_json(session, {"redundancy": view.redundancy, "policies": policies})
        return ExitCode.FINE
    print(f"the pool: {view.redundancy}, narrow={view.narrow}", file=session.stdout)
    if policies:
        rows = [
            (f"{one.path.rstrip('/')}/" if one.is_directory else one.path, one.redundancy)
            for one in policies
        ]
        print_table(session, ("path", "redundancy"), rows)
    return ExitCode.FINE
