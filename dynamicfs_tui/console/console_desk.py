"""The desk of the running console: questions, verbs in threads, pages, undo.

Everything that may take a while goes to a thread and comes back to the UI
thread with its answer or its error; no failure of the engine ends the console.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Final, TypeVar

from dynamicfs_tui.console.actions import actions_of
from dynamicfs_tui.console.dialog import PlanDialog
from dynamicfs_tui.console.dialog_keys import Outcome
from dynamicfs_tui.console.help_screen import HelpScreen
from dynamicfs_tui.console.jump_screen import JumpScreen
from dynamicfs_tui.console.page import Call, Page
from dynamicfs_tui.console.pane import surviving
from dynamicfs_tui.console.plans import (
    Plan,
    PoolHolder,
    busy_with,
    plan_leave,
    plan_quit,
    plan_refused,
    plan_waiting,
)
from dynamicfs_tui.console.presets import after
from dynamicfs_tui.console.question import Question
from dynamicfs_tui.console.question_dialog import QuestionDialog
from dynamicfs_tui.console.scene import Scene
from dynamicfs_tui.console.text import safe
from dynamicfs_tui.console.toasts import Toasts
from dynamicfs_tui.console.under_way import VIEWS_UNTIL_SEEN, UnderWay
from dynamicfs_tui.console.undo import UNDO_S, Undo
from engine.status.control import PoolControl
from engine.status.views import PoolView

if TYPE_CHECKING:
    from dynamicfs_tui.console.app import ConsoleApp

logger = logging.getLogger(__name__)

Answer = TypeVar("Answer")

_LEAVING: Final = "the console quits when nothing is under way any more"
_SO_FAR: Final = ("so far", f"{_LEAVING}; Cancel ends that")

BACK_MAX: Final = 32
"""Pages that are remembered for the way back."""


class ConsoleDesk:
    """Implements ``Desk`` for one ``ConsoleApp``. For the UI thread."""

    def __init__(self, app: ConsoleApp, control: PoolControl, *, holder: PoolHolder) -> None:
        self._app = app
        self._control = control
        self._holder = holder
        self._undo: Undo | None = None
        self._under_way = UnderWay()
        self._toasts = Toasts()
        self._leaves_when_idle = False
        self._trail: list[str] = []

    @property
    def scene(self) -> Scene:
        return self._app.need_scene()

    @property
    def page(self) -> Page:
        return self._app.frame.page

    @property
    def undo_title(self) -> str:
        """What ``u`` would take back now; empty when nothing."""
        undo = self._undo
        return undo.title if undo is not None and undo.is_open(self._now_s()) else ""

    @property
    def under_way(self) -> frozenset[str]:
        """Topics of actions whose last change is not seen in the newest view yet."""
        return self._under_way.topics(self._app.feed.views_taken)

    def _now_s(self) -> float:
        return self._app.clock.monotonic_s()

    # Verbs

    def act(self, title: str, call: Call, *, undo: Call | None = None, topic: str = "") -> None:
        def done(said: str) -> None:
            if undo is not None:
                until_s = self._now_s() + UNDO_S
                self._undo = Undo(title=title, call=undo, topic=topic, until_s=until_s)
            ended()
            self.tell(said if undo is None else f"{said}\nu takes it back")

        def refused(why: str) -> None:
            ended()
            self.tell(f"{title}: {why}", bad=True)

        def ended() -> None:
            self._under_way.end(topic, self._app.feed.views_asked)
            self._app.feed.hurry(VIEWS_UNTIL_SEEN)
            self._app.tick()

        self._under_way.begin(topic)
        self.fetch(title, call, done, failed=refused)

    def ask(self, plan: Plan, call: Call) -> None:
        def answered(outcome: Outcome | None) -> None:
            if outcome is Outcome.CONFIRMED:
                self.act(plan.title, call)

        self._app.push_screen(self._dialog(plan), answered)

    def propose(self, title: str, make: Callable[[PoolControl], Plan], call: Call) -> None:
        dialog = self._dialog(plan_waiting(title))
        self._push_proposal(dialog, title, make, call)
        self._errand(
            title,
            make,
            dialog.show_plan,
            lambda error: dialog.show_plan(plan_refused(title, _sentence(error))),
        )

    def _push_proposal(
        self, dialog: PlanDialog, title: str, make: Callable[[PoolControl], Plan], call: Call
    ) -> None:
        def answered(outcome: Outcome | None) -> None:
            if outcome is Outcome.CONFIRMED:
                self.fetch(
                    title, lambda control: _if_unchanged(control, agreed(), make, call), told
                )

        def agreed() -> Plan:
            return dialog.keys.plan

        def told(outcome: Plan | str) -> None:
            if isinstance(outcome, str):
                self.tell(outcome)
                self._app.tick()
            else:
                self._push_proposal(self._dialog(outcome), title, make, call)

        self._app.push_screen(dialog, answered)

    def _dialog(self, plan: Plan) -> PlanDialog:
        return PlanDialog(plan, clock=self._app.clock, glyphs=self._app.glyphs)

    def inquire(self, question: Question, then: Callable[[str], None]) -> None:
        def answered(text: str | None) -> None:
            if text is not None:
                then(text)

        self._app.push_screen(
            QuestionDialog(question, clock=self._app.clock, glyphs=self._app.glyphs), answered
        )

    def fetch(
        self,
        title: str,
        call: Callable[[PoolControl], Answer],
        then: Callable[[Answer], None],
        *,
        failed: Callable[[str], None] | None = None,
    ) -> None:
        def refused(error: Exception) -> None:
            if failed is not None:
                failed(_sentence(error))
            else:
                self.tell(f"{title}: {_sentence(error)}", bad=True)

        self._errand(title, call, then, refused)

    def _errand(
        self,
        title: str,
        call: Callable[[PoolControl], Answer],
        then: Callable[[Answer], None],
        failed: Callable[[Exception], None],
    ) -> None:
        async def run() -> None:
            try:
                answer = await asyncio.to_thread(call, self._control)
            except Exception as error:
                # Whatever a verb raises, the operator hears of it and goes on.
                logger.exception("%s failed", title)
                failed(error)
            else:
                with surviving("an answer could not be shown"):
                    then(answer)

        self._app.run_worker(run(), name=title, group="verbs", exit_on_error=False)

    def take_back(self) -> None:
        undo, self._undo = self._undo, None
        if undo is not None and undo.is_open(self._now_s()):
            self.act(f"undo {undo.title}", undo.call, topic=undo.topic)

    # Pages

    def go_to(self, name: str) -> None:
        here = self.page.page_name
        if name not in self._app.frame.pages:
            self.tell(f"there is no page {name}", bad=True)
        elif name != here:
            self._trail = [*self._trail, here][-BACK_MAX:]
            self._app.frame.open_page(name)
            self.redraw()

    def next_layout(self) -> None:
        page = self.page
        preset = after(page.page_name, page.zoomed)
        if page.zoomed:
            page.zoom("")
        self.go_to(preset.page)
        self.page.zoom(preset.pane)
        self.tell(f"layout: {preset.name}")
        self.redraw()

    def back(self) -> None:
        if not self.page.go_back() and self._trail:
            self._app.frame.open_page(self._trail.pop())
        self.redraw()

    def next_pane(self, step: int) -> None:
        if step > 0:
            self._app.screen.focus_next()
        else:
            self._app.screen.focus_previous()

    def jump(self) -> None:
        page = self.page

        def jumped(name: str | None) -> None:
            if name is not None:
                page.panes[name].focus()

        self._app.push_screen(JumpScreen(page.panes), jumped)

    def select_disk(self, uuid: str) -> None:
        self._app.selected_uuid = uuid
        self._app.redraw()

    def redraw(self) -> None:
        self._app.redraw(anew=True)

    def repaint(self) -> None:
        self._app.repaint()

    def toggle_hold(self) -> None:
        self._app.toggle_hold()

    def acknowledge(self) -> None:
        self._app.acknowledge()

    # Words

    def tell(self, text: str, *, bad: bool = False) -> None:
        now_s = self._now_s()
        shown = "\n".join(safe(row) for row in text.splitlines())
        # Textual has no way to change a message, so all are put up again.
        self._app.clear_notifications()
        for toast in self._toasts.add(shown, now_s, bad=bad):
            self._app.notify(
                toast.shown,
                severity="error" if toast.bad else "information",
                timeout=toast.until_s - now_s,
                markup=False,
            )

    def copy(self, text: str) -> None:
        self._app.copy_to_clipboard(text)
        self.tell(f"copied {text}")

    def open_help(self) -> None:
        self._app.push_screen(HelpScreen(self.scene, actions_of(self.page.page_name)))

    def open_palette(self) -> None:
        self._app.action_command_palette()

    def ask_to_quit(self) -> None:
        if not isinstance(self._app.screen, PlanDialog):
            ours = self._holder is PoolHolder.THIS_PROCESS
            plan = (plan_quit if ours else plan_leave)(self.scene.view)
            if self._leaves_when_idle:
                plan = replace(plan, facts=(*plan.facts, _SO_FAR))
            self._app.push_screen(self._dialog(plan), self._quit_if)

    def _quit_if(self, outcome: Outcome | None) -> None:
        was_leaving, self._leaves_when_idle = self._leaves_when_idle, outcome is Outcome.LATER
        if outcome is Outcome.CONFIRMED:
            self._app.exit("quit")
        elif self._leaves_when_idle:
            self.tell(f"{_LEAVING}: {', '.join(busy_with(self.scene.view))}\nq changes that")
        elif was_leaving:
            self.tell("the console stays")

    def leave_when_idle(self, view: PoolView) -> None:
        """End the console when that was asked for and nothing is under way any more."""
        if self._leaves_when_idle and not busy_with(view):
            self._app.exit("quit")


def _if_unchanged(
    control: PoolControl, agreed: Plan, make: Callable[[PoolControl], Plan], call: Call
) -> Plan | str:
    """Do what was agreed to, unless the pool's plan is another one now; then return that."""
    fresh = make(control)
    if fresh.basis == agreed.basis:
        return call(control)
    return replace(fresh, why=f"the plan changed meanwhile: {fresh.why}")


def _sentence(error: Exception) -> str:
    return str(error) or type(error).__name__
