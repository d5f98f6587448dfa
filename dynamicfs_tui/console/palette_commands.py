"""Commands of the palette that name an object: a disk, a path, a number.

They show up once something is typed: "drain d4", "where /vm/db.img", "limit 150".
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Final, cast

from textual.command import Hit, Hits, Provider

from dynamicfs_tui.console.action import Action
from dynamicfs_tui.console.actions import ACTIONS
from dynamicfs_tui.console.pages.files import FilesPage
from dynamicfs_tui.console.pages.what_if import WhatIfPage
from dynamicfs_tui.console.scene import Scene
from dynamicfs_tui.console.scrub_page_verbs import start_scrub
from dynamicfs_tui.console.text import safe
from dynamicfs_tui.console.work_verbs import parse_limit, set_limit
from engine.status.views import DiskView

if TYPE_CHECKING:
    from dynamicfs_tui.console.app import ConsoleApp

DISK_PREFIX: Final = "disk."

EXACT: Final = 1.0
"""Score of a command whose number or path was typed out."""

Command = tuple[str, str, Callable[[], None]]
"""What is shown and searched, its help, and what it does."""


class ObjectCommands(Provider):
    """Offers verbs together with what they are done to."""

    @property
    def _console(self) -> ConsoleApp:
        # Only this application has the provider among its commands.
        return cast("ConsoleApp", self.app)

    async def search(self, query: str) -> Hits:
        matcher = self.matcher(query)
        for text, help_text, run in (*self._of_disks(), *self._of_text(query)):
            score = EXACT if text == query else matcher.match(text)
            if score > 0:
                yield Hit(score, matcher.highlight(text), run, text=text, help=help_text)

    def _of_disks(self) -> Iterator[Command]:
        scene = self._console.desk.scene
        on_disks = [action for action in ACTIONS if action.action_id.startswith(DISK_PREFIX)]
        for disk in scene.view.disks:
            name = safe(disk.name)
            for action in on_disks:
                yield f"{action.title} {name}", action.help, partial(self._on_disk, action, disk)
            refused = scene.view.scrub.running or scene.read_only
            if not refused:
                yield (
                    f"scrub disk {name}",
                    "Read and check every fragment on it.",
                    partial(start_scrub, self._console.desk, f"disk {disk.name}", repair=False),
                )
            yield f"what if {name}", "What its loss would mean.", partial(self._what_if, disk)

    def _of_text(self, query: str) -> Iterator[Command]:
        verb, _space, rest = query.strip().partition(" ")
        rest = rest.strip()
        if verb == "where" and rest.startswith("/"):
            yield query, "On which disks this file is.", partial(self._where, rest)
        bytes_s = parse_limit(rest) if verb in ("limit", "throttle") else None
        if bytes_s is not None and not self._why_no_limit(self._console.desk.scene):
            text = "MiB/s at most for the rebuild; 0 takes the limit away."
            yield query, text, partial(set_limit, self._console.desk, bytes_s)

    def _why_no_limit(self, scene: Scene) -> str:
        limit = next(action for action in ACTIONS if action.action_id == "work.limit")
        return limit.why_not(scene)

    def _on_disk(self, action: Action, disk: DiskView) -> None:
        self._console.desk.select_disk(disk.uuid)
        self._console.run_action_at_home(action)

    def _what_if(self, disk: DiskView) -> None:
        desk = self._console.desk
        desk.go_to("what-if")
        page = desk.page
        if isinstance(page, WhatIfPage):
            page.simulate([disk.uuid])

    def _where(self, path: str) -> None:
        desk = self._console.desk
        desk.go_to("files")
        page = desk.page
        if isinstance(page, FilesPage):
            page.find(path)
