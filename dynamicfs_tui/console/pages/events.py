"""Page 8: what happened and what operators did, with the state of the audit trail."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, TypeVar

from dynamicfs_tui.console.action import SHOW, Action
from dynamicfs_tui.console.export import export
from dynamicfs_tui.console.live_table import LiveTable
from dynamicfs_tui.console.log_lines import Facet, LogRow, LogStatus, log_table, merge
from dynamicfs_tui.console.page import Desk, Page
from dynamicfs_tui.console.page_spec import PageSpec
from dynamicfs_tui.console.scene import Scene
from engine.status.answers import AuditView
from engine.status.views import EventView, Severity
from engine.units import NS_PER_S

EVENTS_MAX: Final = 2_000
"""Events that are kept here; the pool keeps more."""

AUDIT_MAX: Final = 500
AUDIT_EVERY_S: Final = 3.0
"""Between two looks at the audit trail while the page is seen."""

AGAIN_S: Final = 60.0
"""How much later it is tried again when that was refused: each refusal is logged."""

Choice = TypeVar("Choice", Facet, Severity)


class EventsPage(Page):
    """The timeline; its end is followed until the operator leaves it."""

    def __init__(self, desk: Desk) -> None:
        self._events: dict[int, EventView] = {}
        self._audit: tuple[AuditView, ...] = ()
        self._facet = Facet.ALL
        self._least = Severity.INFO
        self._chain = ""
        self._chain_holds = True
        self._faults: dict[str, str] = {}
        self._began = False
        self._fetching: set[str] = set()
        self._audit_due_ns = 0
        self._left_at = ""
        self._rows: tuple[LogRow, ...] = ()
        self._merged: tuple[object, ...] = ()
        self._table = LiveTable(log_table(lambda _scene: self._rows, self._status), id="events")
        super().__init__(desk, "events", {"events": self._table})

    def _status(self) -> LogStatus:
        return LogStatus(
            facet=self._facet,
            least=self._least,
            audit_lines=len(self._audit),
            chain=self._chain,
            chain_holds=self._chain_holds,
            fault=" ".join(self._faults.values()),
            newer=self._newer(),
        )

    def _newer(self) -> int:
        if not self._left_at:
            return 0
        keys = [row.key for row in self._rows]
        return len(keys) - 1 - keys.index(self._left_at) if self._left_at in keys else 0

    def show(self, scene: Scene) -> None:
        if self.display:
            self._collect(scene)
            self._follow()
        super().show(scene)

    def _follow(self) -> None:
        """Take new rows in; a cursor that was on the last row stays on the last row."""
        end = self._rows[-1].key if self._rows else ""
        following = self._table.cursor_key in ("", end) or not end
        self._merge()
        if following:
            self._left_at = ""
            if self._rows:
                self._table.set_cursor(self._rows[-1].key)
        elif not self._left_at:
            self._left_at = end

    # Where rows come from

    def _collect(self, scene: Scene) -> None:
        news = scene.view.events
        last = max(self._events, default=0)
        if news and not self._began:
            self._began = True
            self._fetch_events(max(0, news[-1].sequence - EVENTS_MAX))
            self.verify_chain()
        elif news and news[0].sequence > last + 1:
            self._fetch_events(last)
        self._keep(news)
        if scene.now_ns >= self._audit_due_ns:
            self._audit_due_ns = scene.now_ns + int(AUDIT_EVERY_S * NS_PER_S)
            self._fetch_audit()

    def _keep(self, news: Sequence[EventView]) -> None:
        fresh = {event.sequence: event for event in news if event.sequence not in self._events}
        if fresh:
            every = {**self._events, **fresh}
            self._events = {number: every[number] for number in sorted(every)[-EVENTS_MAX:]}

    def _fetch_events(self, after: int) -> None:
        self._fetch(
            "events", lambda c: c.journal.events_since(after, EVENTS_MAX), self._keep
        )  # fmt: skip

    def _fetch_audit(self) -> None:
        def keep(lines: Sequence[AuditView]) -> None:
            self._audit = tuple(lines)

        self._fetch("audit", lambda control: control.journal.audit(AUDIT_MAX), keep)

    def verify_chain(self) -> None:
        """Let the pool check that no line of the audit trail was changed or taken out."""

        def take(said: str) -> None:
            self._chain, self._chain_holds = said, True

        self._fetch("chain", lambda control: control.journal.verify_audit(), take)

    def _fetch(self, what: str, call: Callable[..., object], take: Callable[..., None]) -> None:
        """Ask for *what* unless that is on its way; what is refused is said above the table."""
        if what in self._fetching:
            return
        self._fetching.add(what)

        def taken(answer: object) -> None:
            self._fetching.discard(what)
            self._faults.pop(what, None)
            take(answer)
            self.desk.redraw()

        def refused(why: str) -> None:
            self._fetching.discard(what)
            if what == "chain":
                self._chain, self._chain_holds = why, False
            else:
                self._faults[what] = f"{what}: {why}"
                self._audit_due_ns += int(AGAIN_S * NS_PER_S)
            self.desk.redraw()

        self.desk.fetch(what, call, taken, failed=refused)

    def _merge(self) -> None:
        """Make the rows, when something of what they are made from is new."""
        state = (self._events, self._audit, self._facet, self._least)
        if len(self._merged) == len(state) and all(
            new is old for new, old in zip(state, self._merged, strict=True)
        ):
            return
        self._merged = state
        self._rows = tuple(
            merge(tuple(self._events.values()), self._audit, self._facet, self._least)
        )

    # What keys do

    def next_facet(self) -> None:
        """Show the next part: all, alerts, operator, engine."""
        self._facet = _after(self._facet, tuple(Facet))
        self.desk.redraw()

    def next_severity(self) -> None:
        """Leave out what is less loud than the next severity."""
        self._least = _after(self._least, tuple(Severity))
        self.desk.redraw()

    def export_rows(self) -> None:
        """Write the rows that are shown to a file."""
        export(self.desk, "events", self._rows)

    def enter(self) -> None:
        """Open the disk that a row is about; else enlarge the pane."""
        row = self._table.cursor_row
        disks = self.desk.scene.view.disks
        named = [] if row is None else [disk for disk in disks if disk.name == row.source]
        if named:
            self.desk.select_disk(named[0].uuid)
            self.desk.go_to("disks")
        else:
            super().enter()
            self.desk.redraw()

    def on_live_table_cursor_moved(self, _message: LiveTable.CursorMoved) -> None:
        self.desk.redraw()


def _after(choice: Choice, every: Sequence[Choice]) -> Choice:
    return every[(every.index(choice) + 1) % len(every)]


def _on_page(do: Callable[[EventsPage], None]) -> Callable[[Desk], None]:
    def run(desk: Desk) -> None:
        page = desk.page
        if isinstance(page, EventsPage):
            do(page)

    return run


FACET: Final = Action(
    action_id="events.facet", keys=("f",), title="facet", group=SHOW, footer=4,
    run=_on_page(lambda page: page.next_facet()),
    help="Next facet: all, alerts, operator, engine.",
)  # fmt: skip

SEVERITY: Final = Action(
    action_id="events.severity", keys=("s",), title="severity", group=SHOW, footer=5,
    run=_on_page(lambda page: page.next_severity()),
    help="Leave out what is less severe: info, warning, error, critical.",
)  # fmt: skip

VERIFY: Final = Action(
    action_id="events.verify", keys=("v",), title="verify chain", group=SHOW, footer=6,
    run=_on_page(lambda page: page.verify_chain()),
    help="Check that no line of the audit trail was changed or taken out.",
)  # fmt: skip

EXPORT: Final = Action(
    action_id="events.export", keys=("x",), title="export", group=SHOW, footer=7,
    run=_on_page(lambda page: page.export_rows()),
    help="Write the rows to a file, as JSON.",
)  # fmt: skip


def badge(scene: Scene) -> str:
    """Return how many critical events nobody acknowledged."""
    return f"({len(scene.alarms)}!)" if scene.alarms else ""


SPEC: Final = PageSpec(
    name="events",
    number=8,
    title="Events",
    short="Ev",
    purpose="what happened and who did what, the newest last.",
    make=EventsPage,
    badge=badge,
    actions=(FACET, SEVERITY, VERIFY, EXPORT),
)
