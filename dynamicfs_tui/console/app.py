"""The console's application: keys, dialogs, verbs in threads, and the way out."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Callable, Iterable
from functools import partial
from typing import ClassVar, Final

from textual import events
from textual.app import App, ComposeResult, SystemCommand
from textual.binding import Binding, BindingType
from textual.screen import Screen
from textual.worker import Worker, WorkerState

from dynamicfs_tui.console.actions import ACTIONS, MOVE, Action, find_action, key_name
from dynamicfs_tui.console.dialog import PlanDialog
from dynamicfs_tui.console.feed import ConsoleClock, Feed, MachineClock
from dynamicfs_tui.console.glyphs import ASCII, UNICODE, Glyphs
from dynamicfs_tui.console.help_screen import HelpScreen
from dynamicfs_tui.console.layout import TALL, WIDE
from dynamicfs_tui.console.overview import PANE_DRAWS, Overview
from dynamicfs_tui.console.palette import THEMES
from dynamicfs_tui.console.pane import LivePane
from dynamicfs_tui.console.plans import Plan, plan_quit
from dynamicfs_tui.console.scene import Scene
from dynamicfs_tui.console.text import safe
from dynamicfs_tui.console.verbs import VERBS, Target, Verb
from engine.status.control import PoolControl
from engine.status.views import HealthWord, PoolView

logger = logging.getLogger(__name__)

POLL_S: Final = 0.25
"""Between two views."""

STOP_SIGNALS: Final = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)

_HEALTH_ORDER: Final = tuple(HealthWord)


class ConsoleApp(App[str]):
    """Shows a pool and lets its operator act on it. The result is why it ended."""

    TITLE = "DynamicFS"
    CSS_PATH = "console.tcss"
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (100, "-normal"), (WIDE, "-wide")]
    VERTICAL_BREAKPOINTS = [(0, "-short"), (TALL, "-tall")]
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(
            ",".join(action.keys),
            f"act('{action.action_id}')",
            action.help,
            show=False,
            id=action.action_id,
        )
        for action in ACTIONS
    ]

    def __init__(
        self,
        control: PoolControl,
        *,
        clock: ConsoleClock | None = None,
        glyphs: Glyphs = UNICODE,
        read_only: bool = False,
        theme: str = THEMES[0].name,
        poll_s: float | None = POLL_S,
    ) -> None:
        """Prepare the console of *control*; with ``poll_s=None`` only ``tick`` polls."""
        super().__init__()
        self._control = control
        self._clock = clock or MachineClock()
        self._glyphs = glyphs
        self._read_only = read_only
        self._poll_s = poll_s
        self._feed = Feed(control)
        self._overview = Overview()
        self._selected_uuid = ""
        self._held: tuple[float, Scene] | None = None
        self._drawn: tuple[object, ...] = ()
        self._last_word: HealthWord | None = None
        self._on_signal: Callable[[signal.Signals], None] | None = None
        self._catches_signals = False
        self._handlers: Final[dict[str, Callable[[], None]]] = {
            "events": self._toggle_events,
            "zoom": self._toggle_zoom,
            "back": partial(self._zoom, ""),
            "hold": self._toggle_hold,
            "down": partial(self._move, 1),
            "up": partial(self._move, -1),
            "page_down": partial(self._move, 10),
            "page_up": partial(self._move, -10),
            "top": partial(self._move, -1_000_000),
            "bottom": partial(self._move, 1_000_000),
            "next_pane": lambda: self._focus_step(1),
            "previous_pane": lambda: self._focus_step(-1),
            "help": self._help,
            "palette": self.action_command_palette,
            "quit": self._ask_quit,
            **{
                f"pane_{number}": partial(self._go_to_pane, name)
                for number, name in enumerate(PANE_DRAWS, start=1)
            },
            **{name: partial(self._begin, find_action(name), verb) for name, verb in VERBS.items()},
        }
        self.animation_level = "none"
        for each in THEMES:
            self.register_theme(each)
        self.theme = theme

    # Life

    def get_theme_variable_defaults(self) -> dict[str, str]:
        return dict(THEMES[0].variables)

    def compose(self) -> ComposeResult:
        yield self._overview

    def catch_signals(self, on_signal: Callable[[signal.Signals], None] | None) -> None:
        """End cleanly on ``STOP_SIGNALS``, calling *on_signal* first. Before ``run``."""
        self._catches_signals, self._on_signal = True, on_signal

    def on_mount(self) -> None:
        if self._glyphs is ASCII:
            self.screen.add_class("-ascii")
        if self._catches_signals:
            loop = asyncio.get_running_loop()
            for number in STOP_SIGNALS:
                loop.add_signal_handler(number, self._stop_for, number)
            # Only now: the driver put its own handler in place when it was
            # made. A stopped process would freeze every client of the mount.
            signal.signal(signal.SIGTSTP, signal.SIG_IGN)
        self._overview.panes["disks"].focus()
        self.tick()
        if self._poll_s is not None:
            self.set_interval(self._poll_s, self.tick)

    def _stop_for(self, number: signal.Signals) -> None:
        if self._on_signal is not None:
            self._on_signal(number)
        self.exit(f"signal {number.name}")

    def on_resize(self, _event: events.Resize) -> None:
        self.call_after_refresh(self._redraw)

    # Drawing

    def tick(self) -> None:
        """Take a view and draw what changed. Never raises."""
        self._feed.poll()
        self._tell_when_worse()
        self._redraw()

    def _redraw(self) -> None:
        scene = self._scene()
        if scene is None:
            self._overview.show_notice(f"waiting for the pool\n{safe(self._feed.fault)}")
            return
        state = (
            self._feed.changes,
            scene.now_ns // 1_000_000_000,
            scene.selected_uuid,
            scene.held_s is None,
            self._overview.zoomed,
            self.size,
        )
        if state != self._drawn:
            self._drawn = state
            self._overview.show(scene)

    def _scene(self) -> Scene | None:
        feed = self._feed
        view, rates, held_s = feed.view, feed.rates, None
        if self._held is not None:
            since_s, held = self._held
            view, rates, held_s = held.view, held.rates, self._clock.monotonic_s() - since_s
        if view is None:
            return None
        if not any(disk.uuid == self._selected_uuid for disk in view.disks):
            self._selected_uuid = view.disks[0].uuid if view.disks else ""
        return Scene(
            view=view,
            rates=rates,
            glyphs=self._glyphs,
            now_ns=self._clock.now_ns(),
            selected_uuid=self._selected_uuid,
            read_only=self._read_only,
            held_s=held_s,
            fault=feed.fault,
        )

    def _tell_when_worse(self) -> None:
        view = self._feed.view
        if view is None:
            return
        word, before = view.verdict.word, self._last_word
        self._last_word = word
        if before is not None and _HEALTH_ORDER.index(word) > _HEALTH_ORDER.index(before):
            self._toast(f"{word.upper()}: {view.verdict.sentence}", bad=True)

    def _toast(self, text: str, *, bad: bool) -> None:
        self.notify(
            "\n".join(safe(row) for row in text.splitlines()),
            severity="error" if bad else "information",
            timeout=10 if bad else 5,
            markup=False,
        )

    # Keys that look

    def action_act(self, action_id: str) -> None:
        """Do what the key of *action_id* stands for, or say why not."""
        action = find_action(action_id)
        scene = self._scene()
        if action.changes_pool:
            if scene is None:
                return
            refusal = action.why_not(scene.view, scene.selected, read_only=self._read_only)
            if refusal:
                self._toast(f"{key_name(action.keys[0])} {action.title}: {refusal}", bad=True)
                return
        self._handlers[action_id]()
        self._redraw()

    def _move(self, rows: int) -> None:
        name = self._overview.focused_pane
        scene = self._scene()
        if name != "disks":
            self._overview.panes[name].scroll_rows(rows)
        elif scene is not None and scene.view.disks:
            uuids = [disk.uuid for disk in scene.view.disks]
            here = uuids.index(scene.selected_uuid)
            self._selected_uuid = uuids[max(0, min(len(uuids) - 1, here + rows))]

    def on_live_pane_row_clicked(self, message: LivePane.RowClicked) -> None:
        scene = self._scene()
        disks = scene.view.disks if scene else ()
        if message.pane is self._overview.panes["disks"] and message.row < len(disks):
            self._selected_uuid = disks[message.row].uuid
            self._redraw()

    def _go_to_pane(self, name: str) -> None:
        if self._overview.focused_pane == name:
            self._zoom("" if self._overview.zoomed == name else name)
        else:
            if self._overview.zoomed:
                self._zoom(name)
            self._overview.panes[name].focus()

    def _zoom(self, name: str) -> None:
        self._overview.zoom(name)

    def _toggle_zoom(self) -> None:
        self._zoom("" if self._overview.zoomed else self._overview.focused_pane)

    def _toggle_events(self) -> None:
        self._zoom("" if self._overview.zoomed == "events" else "events")

    def _focus_step(self, step: int) -> None:
        if step > 0:
            self.screen.focus_next()
        else:
            self.screen.focus_previous()

    def _toggle_hold(self) -> None:
        scene = self._scene()
        if self._held is not None:
            self._held = None
        elif scene is not None:
            self._held = (self._clock.monotonic_s(), scene)

    def _help(self) -> None:
        scene = self._scene()
        if scene is not None:
            self.push_screen(HelpScreen(scene))

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        for action in ACTIONS:
            if action.group != MOVE and action.action_id not in ("palette", "back"):
                name = f"{action.title}  ({key_name(action.keys[0])})"
                yield SystemCommand(name, action.help, partial(self.action_act, action.action_id))
        yield SystemCommand("theme", "Choose colours.", self.action_change_theme)
        yield SystemCommand("screenshot", "Save this screen as SVG.", self.deliver_screenshot)

    # Keys that act

    def _begin(self, action: Action, verb: Verb) -> None:
        self._held = None  # Nobody decides on an old picture.
        scene = self._scene()
        if scene is None:
            return
        target = scene.selected
        if verb.plan is None:
            self._run_verb(action, verb, target)
        else:
            plan = verb.plan(scene.view, target)
            self._ask(plan, partial(self._run_verb, action, verb, target))

    def _ask(self, plan: Plan, do: Callable[[], None]) -> None:
        def answered(confirmed: bool | None) -> None:  # noqa: FBT001 - Textual calls it so
            if confirmed:
                do()

        self.push_screen(PlanDialog(plan, clock=self._clock, glyphs=self._glyphs), answered)

    def _run_verb(self, action: Action, verb: Verb, target: Target) -> None:
        self.run_worker(
            partial(verb.call, self._control, target),
            name=action.title,
            group="verbs",
            thread=True,
            exit_on_error=False,
        )

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        worker = event.worker
        if worker.group != "verbs":
            return
        if event.state is WorkerState.SUCCESS:
            self._toast(str(worker.result), bad=False)
            self.tick()
        elif event.state is WorkerState.ERROR:
            error = worker.error
            logger.error("%s failed", worker.name, exc_info=error)
            self._toast(f"{worker.name}: {error or type(error).__name__}", bad=True)

    # The way out

    async def action_quit(self) -> None:
        self._ask_quit()

    def action_help_quit(self) -> None:
        self._toast("q quits, after a question", bad=False)

    def _ask_quit(self) -> None:
        if isinstance(self.screen, PlanDialog):
            return
        view: PoolView | None = self._feed.view
        if view is None:
            self.exit("quit")
        else:
            self._ask(plan_quit(view), partial(self.exit, "quit"))
