"""The console's application: it polls, draws, hands keys to actions, and ends cleanly."""

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
from textual.timer import Timer

from dynamicfs_tui.console.action import MOVE, Action, key_name
from dynamicfs_tui.console.actions import ACTIONS, actions_of, find_action
from dynamicfs_tui.console.alarms import Alarms
from dynamicfs_tui.console.console_desk import ConsoleDesk
from dynamicfs_tui.console.feed import ConsoleClock, Feed, MachineClock
from dynamicfs_tui.console.frame import Frame
from dynamicfs_tui.console.glyphs import ASCII, UNICODE, Glyphs
from dynamicfs_tui.console.layout import TALL, WIDE
from dynamicfs_tui.console.palette import THEMES
from dynamicfs_tui.console.palette_commands import ObjectCommands
from dynamicfs_tui.console.plans import PoolHolder
from dynamicfs_tui.console.scene import NO_KEYMAP, Keymap, Scene
from dynamicfs_tui.console.text import safe
from engine.status.control import PoolControl
from engine.status.views import HealthWord, PoolView

logger = logging.getLogger(__name__)

POLL_S: Final = 0.25
"""Between two views."""

SETTLED_S: Final = 0.3
"""After the last change of size by so much, the whole screen is painted once more."""

STOP_SIGNALS: Final = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)

_HEALTH_ORDER: Final = tuple(HealthWord)


class ConsoleApp(App[str]):
    """Shows a pool and lets its operator act on it. The result is why it ended."""

    TITLE = "DynamicFS"
    CSS_PATH = "console.tcss"
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (100, "-normal"), (WIDE, "-wide")]
    VERTICAL_BREAKPOINTS = [(0, "-short"), (TALL, "-tall")]
    COMMANDS = App.COMMANDS | {ObjectCommands}
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
        take_view: Callable[[], PoolView] | None = None,
        holder: PoolHolder = PoolHolder.THIS_PROCESS,
        keymap: Keymap = NO_KEYMAP,
        start: tuple[str, str] = ("", ""),
    ) -> None:
        """Prepare the console of *control*; with ``poll_s=None`` only ``tick`` polls.

        *start* is the page seen first, and the pane of it that is enlarged.

        *take_view* is where views come from when *control* answers one request
        at a time: a slow verb must not make the picture old.
        """
        super().__init__()
        self.clock: Final = clock or MachineClock()
        self.glyphs: Final = glyphs
        self.selected_uuid = ""
        self._uuids: list[str] = []
        self._read_only = read_only
        self.poll_s: Final = poll_s
        self._chosen_keys = keymap
        self._start = start
        self.feed: Final = Feed(take_view or control.view, clock=self.clock)
        self.desk: Final = ConsoleDesk(self, control, holder=holder)
        self.frame: Final = Frame(self.desk)
        self._alarms = Alarms()
        self._held: tuple[float, Scene] | None = None
        self._drawn: tuple[object, ...] = ()
        self._last_word: HealthWord | None = None
        self._on_signal: Callable[[signal.Signals], None] | None = None
        self._catches_signals = False
        self._settling: Timer | None = None
        self.animation_level = "none"
        for each in THEMES:
            self.register_theme(each)
        self.theme = theme

    # Life

    def get_theme_variable_defaults(self) -> dict[str, str]:
        return dict(THEMES[0].variables)

    def compose(self) -> ComposeResult:
        yield self.frame

    def catch_signals(self, on_signal: Callable[[signal.Signals], None] | None) -> None:
        """End cleanly on ``STOP_SIGNALS``, calling *on_signal* first. Before ``run``."""
        self._catches_signals, self._on_signal = True, on_signal

    def on_mount(self) -> None:
        if self.glyphs is ASCII:
            self.screen.add_class("-ascii")
        if self._catches_signals:
            loop = asyncio.get_running_loop()
            for number in STOP_SIGNALS:
                loop.add_signal_handler(number, self._stop_for, number)
            # Only now: the driver put its own handler in place when it was
            # made. A stopped process would freeze every client of the mount.
            signal.signal(signal.SIGTSTP, signal.SIG_IGN)
        self.set_keymap({action: ",".join(keys) for action, keys in self._chosen_keys.items()})
        self._open_start()
        self.tick()
        if self.poll_s is not None:
            self.feed.start(self.poll_s)
            self.set_interval(self.poll_s, self.tick)

    def _open_start(self) -> None:
        name, pane = self._start
        self.frame.open_page(name or self.frame.page.page_name)
        page = self.frame.page
        if pane in page.panes:
            page.zoom(pane)
        elif pane:
            known = ", ".join(page.panes)
            self.desk.tell(f"layout.pane: {name} has no pane {pane}; there are {known}", bad=True)

    def on_unmount(self) -> None:
        self.feed.stop()

    def _stop_for(self, number: signal.Signals) -> None:
        if self._on_signal is not None:
            self._on_signal(number)
        self.exit(f"signal {number.name}")

    def on_resize(self, _event: events.Resize) -> None:
        self.call_after_refresh(self.redraw)
        # Textual ignores a size it knows already. But a terminal that was made
        # smaller and larger again meanwhile, faster than we looked, has cut off
        # rows and columns that Textual believes to be there.
        if self._settling is not None:
            self._settling.stop()
        self._settling = self.set_timer(SETTLED_S, self.repaint)

    def repaint(self) -> None:
        """Paint every cell of the terminal, whatever may be on it."""
        for screen in self.screen_stack[-1:]:  # None is left while the console ends.
            screen.refresh()

    # Drawing

    def tick(self) -> None:
        """Take the newest view and draw what changed. Never raises."""
        self.feed.poll()
        if self.feed.view is not None and self._alarms.observe(self.feed.view.events):
            self.bell()
        self._tell_when_worse()
        if self.feed.view is not None and not self.feed.fault:
            self.desk.leave_when_idle(self.feed.view)
        self.redraw()

    def redraw(self, *, anew: bool = False) -> None:
        """Draw when there is something new, or *anew* in any case."""
        scene = self._scene()
        if scene is None:
            self.frame.show_notice(f"waiting for the pool\n{safe(self.feed.fault)}")
            return
        state = (
            self.feed.changes,
            scene.now_ns // 1_000_000_000,
            scene.selected_uuid,
            scene.held_s is None,
            scene.page,
            scene.crumb,
            scene.undo,
            len(scene.alarms),
            self.size,
        )
        if anew or state != self._drawn:
            self._drawn = state
            self.frame.show(scene)

    def need_scene(self) -> Scene:
        """Return what is on the screen; only for actions, which run when there is a view."""
        scene = self._scene()
        if scene is None:
            raise RuntimeError("no view was taken yet")
        return scene

    def _scene(self) -> Scene | None:
        feed = self.feed
        view, rates, held_s = feed.view, feed.rates, None
        if self._held is not None:
            since_s, held = self._held
            view, rates, held_s = held.view, held.rates, self.clock.monotonic_s() - since_s
        if view is None:
            return None
        self._keep_selection([disk.uuid for disk in view.disks])
        page = self.frame.page
        return Scene(
            view=view,
            rates=rates,
            glyphs=self.glyphs,
            now_ns=self.clock.now_ns(),
            selected_uuid=self.selected_uuid,
            read_only=self._read_only,
            held_s=held_s,
            fault=feed.fault,
            stale_s=feed.stale_s,
            page=page.page_name,
            crumb=page.crumb(view),
            alarms=self._alarms.open,
            keymap=self._chosen_keys,
            undo=self.desk.undo_title,
            under_way=self.desk.under_way,
        )

    def _keep_selection(self, uuids: list[str]) -> None:
        """Select the next disk when the selected one has left."""
        before, self._uuids = self._uuids, uuids
        if self.selected_uuid not in uuids:
            place = before.index(self.selected_uuid) if self.selected_uuid in before else 0
            self.selected_uuid = uuids[min(place, len(uuids) - 1)] if uuids else ""

    def _tell_when_worse(self) -> None:
        view = self.feed.view
        if view is None:
            return
        word, before = view.verdict.word, self._last_word
        self._last_word = word
        if before is not None and _HEALTH_ORDER.index(word) > _HEALTH_ORDER.index(before):
            self.desk.tell(f"{word.upper()}: {view.verdict.sentence}", bad=True)

    def toggle_hold(self) -> None:
        """Hold the display, or let it go on."""
        scene = self._scene()
        if self._held is not None:
            self._held = None
        elif scene is not None:
            self._held = (self.clock.monotonic_s(), scene)

    def acknowledge(self) -> None:
        """Take the alarms off the screen."""
        self._alarms.acknowledge()
        self.redraw()

    # Keys

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Say which keys work on this page: one key may mean another thing on another."""
        if action == "act":
            here = actions_of(self.frame.page.page_name)
            return any(each.action_id == parameters[0] for each in here)
        return super().check_action(action, parameters)

    def action_act(self, action_id: str) -> None:
        """Do what the key of *action_id* stands for, or say why not."""
        action = find_action(action_id)
        if action.changes_pool:
            self._held = None  # Nobody decides on an old picture.
            self.feed.poll()
        scene = self._scene()
        if scene is None:
            if action_id == "quit":
                self.exit("quit")
            return
        refusal = action.why_not(scene)
        if refusal:
            self.desk.tell(
                f"{key_name(action.keys_in(scene)[0])} {action.title}: {refusal}", bad=True
            )
            return
        action.run(self.desk)
        self.redraw()

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        for action in ACTIONS:
            if action.group != MOVE and action.action_id not in ("palette", "back", "enter"):
                keys = self._chosen_keys.get(action.action_id, action.keys)
                name = f"{action.title}  ({key_name(keys[0])})"
                yield SystemCommand(name, action.help, partial(self.run_action_at_home, action))
        yield SystemCommand("theme", "Choose colours.", self.action_change_theme)
        yield SystemCommand("screenshot", "Save this screen as SVG.", self.deliver_screenshot)

    def run_action_at_home(self, action: Action) -> None:
        """Run *action* as the palette does, on a page where it is at home."""
        if action not in actions_of(self.frame.page.page_name):
            home = next(n for n in self.frame.pages if action in actions_of(n))
            self.desk.go_to(home)
        self.action_act(action.action_id)

    # The way out

    async def action_quit(self) -> None:
        self.action_act("quit")

    def action_help_quit(self) -> None:
        self.desk.tell("q quits, after a question")
