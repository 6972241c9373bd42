"""The work of the teaching thread: what was shown is kept, what the page asks for is done, and a process learns.

It alone waits for the disk: the page waits for its answers, and the vision thread for nothing.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from functools import partial
from queue import Empty, Full, Queue
from typing import TYPE_CHECKING, Any, Final

from edge.bundle.geometry import InputGeometry
from edge.clock import NS_PER_S
from edge.errors import SorterError, TeachingError
from edge.station.stops.control import StopSwitch
from edge.station.teaching.just_shown import JustShown
from edge.station.teaching.learner import Learner
from edge.station.teaching.lesson import THERE_BEFORE, Lesson, Taken
from edge.station.teaching.taught_place import TaughtPlace
from edge.teaching.report import FEWEST_ITEMS
from edge.teaching.turns import teaching_claimed
from edge.types import EventKind

if TYPE_CHECKING:
    from edge.station.teaching.assistant import Assistant

ABSENT_NS: Final = 10 * NS_PER_S
"""After so long without a sign of whoever teaches, the page is gone and the belt stops."""
_BUSY_S, _IDLE_S = 0.05, 0.5  # between two looks
_MOST_ASKED: Final = 16
HELD: Final = "Teaching has ended: the station was resumed, or something else stops it now. What was shown is kept."
ABSENT: Final = "Teaching has ended: the page that led it was gone. What was shown is kept."
BUSY: Final = "the station is learning, or installing what it learnt: wait until that is done"

Values = Mapping[str, str]
Answer = dict[str, Any]


@dataclass
class _Teacher:
    """Who teaches: the name, the mark of the page that leads, and when that last gave a sign of life."""

    name: str
    mark: str
    seen_at: int


class Classroom:
    """Answers what the page asks (`ask`), in a thread of its own (`run`)."""

    def __init__(
        self,
        place: TaughtPlace,
        lesson: Lesson,
        switch: StopSwitch,
        learner: Learner,
        assistant: Assistant | None = None,
    ) -> None:
        self._place, self._lesson, self._switch, self._learner = place, lesson, switch, learner
        self._assistant, self._clock = assistant, switch.clock
        self._started = f"{self._clock.now():x}"  # tells pictures of two runs apart
        self._asked: Queue[tuple[Future[Answer], Callable[[], Answer]]] = Queue(_MOST_ASKED)
        self._teacher: _Teacher | None = None
        self._claim = ExitStack()
        self._just_shown = JustShown(place.shown, self._clock)
        self._told = self._not_counted = self._installs_by = ""
        self._actions: Mapping[str, Callable[[str, Values], None]] = {
            "look": lambda by, values: None,
            "begin": self._begin,
            "choose": self._choose,
            "undo": self._undo,
            "end": lambda by, values: self._end(""),
            "learn": self._learn,
            "install": self._install,
            "forget": self._forget,
        }

    # -- for the page: any thread, and none waits ------------------------------------------------------------------

    def ask(self, action: str, by: str, values: Values) -> Future[Answer]:
        """Have something done in the person's name; the answer is how everything stands then, or a SorterError."""
        future: Future[Answer] = Future()
        try:
            self._asked.put_nowait((future, partial(self._do, action, by, dict(values))))
        except Full:
            future.set_exception(TeachingError("the station is busy with what was asked before: try again"))
        return future

    def stay(self, mark: str) -> bool:
        """Take a sign of life of the page that leads; False where it leads no longer."""
        teacher = self._teacher
        if teacher is None or not secrets.compare_digest(teacher.mark.encode(), mark.encode(errors="replace")):
            return False
        teacher.seen_at = self._clock.now()
        return True

    def picture(self, number: int) -> bytes | None:
        """Return the JPEG of an item that was just taken; None if it is none of the last ones."""
        return self._just_shown.picture(number)

    # -- the thread ------------------------------------------------------------------------------------------------

    def run(self, stop: threading.Event) -> None:
        """Work until `stop` is set."""
        try:
            while not stop.is_set():
                self.turn(_BUSY_S if self._teacher or self._learner.task else _IDLE_S)
        finally:
            self._end("")
            self._learner.end()

    def turn(self, wait_s: float) -> None:
        """Do what is due, then wait so long for what is asked, and do that."""
        self._keep_taken()
        self._watch()
        task = self._learner.task
        if self._learner.follow():
            self._told = self._learner.failure
            if task == "install" and not self._learner.failure:
                self._journal(f"What the station was taught was installed by {self._installs_by}.")
        with suppress(Empty):
            _answer(*self._asked.get(timeout=wait_s))

    def _do(self, action: str, by: str, values: Values) -> Answer:
        self._keep_taken()
        self._actions[action](by, values)
        teacher = self._teacher
        answer = self._place.describe() | {
            "teacher": "" if teacher is None else teacher.name,
            "showing": self._lesson.label,
            "told": self._told,
            "not_counted": self._not_counted,
            "recent": self._just_shown.describe(),
            "task": self._learner.task,
            "share": self._learner.share,
            "is_simulated": self._assistant is not None,
            "wanted": FEWEST_ITEMS,
            "started": self._started,
        }
        return answer | {"mark": teacher.mark} if action == "begin" and teacher is not None else answer

    def _keep_taken(self) -> None:
        with suppress(Empty):
            while True:
                self._keep(self._lesson.taken.get_nowait())

    def _keep(self, taken: Taken) -> None:
        if self._assistant is not None and taken.why_not != THERE_BEFORE:
            self._assistant.seen()
        self._told, self._not_counted = "", taken.why_not
        if taken.why_not:
            return
        try:
            self._just_shown.keep(taken)
        except TeachingError as error:
            self._told = str(error)

    def _watch(self) -> None:
        """End what nobody leads any more, and whose station is held by something else, or not at all."""
        teacher = self._teacher
        if teacher is None:
            return
        if not self._lesson.is_on:
            self._end(HELD)
        elif self._clock.now() - teacher.seen_at > ABSENT_NS:
            self._end(ABSENT)
        elif self._assistant is not None:
            self._assistant.show(self._lesson.label)

    # -- what is asked ---------------------------------------------------------------------------------------------

    def _begin(self, by: str, values: Values) -> None:
        teacher = self._teacher
        if self._learner.task:
            raise TeachingError(BUSY)
        if teacher is not None:
            raise TeachingError(f"{teacher.name} teaches it now")
        label, geometry = self._place.known(values.get("label", "")), self._place.base().manifest.geometry
        if not self._lesson.is_possible:
            raise TeachingError("the station can't be taught as it is now: what is wrong is said above")
        self._claim.enter_context(teaching_claimed(self._place.state_folder))
        if not self._switch.teach(by):
            self._claim.close()
            raise TeachingError(f"{self._switch.health.hold.paused_by} stopped the station: resume it first")
        self._just_shown.clear()
        self._journal(f"{by} began to teach the station: nothing is sorted.")
        self._teacher = _Teacher(by, secrets.token_urlsafe(18), self._clock.now())
        self._show(label, geometry)

    def _show(self, label: str, geometry: InputGeometry) -> None:
        self._told = self._not_counted = ""
        if self._assistant is not None:
            self._assistant.show(label)
        self._lesson.begin(label, geometry, self._clock.now())

    def _choose(self, by: str, values: Values) -> None:
        self._check_lead(values)
        self._show(self._place.known(values.get("label", "")), self._place.base().manifest.geometry)

    def _undo(self, by: str, values: Values) -> None:
        self._check_lead(values)
        self._just_shown.take_back()
        self._told = ""

    def _learn(self, by: str, values: Values) -> None:
        self._end_own(values)
        self._learner.begin("learn", by)

    def _install(self, by: str, values: Values) -> None:
        self._end_own(values)
        self._learner.begin("install", values.get("digest", ""))
        self._installs_by = by

    def _forget(self, by: str, values: Values) -> None:
        self._end_own(values)
        with teaching_claimed(self._place.state_folder):
            self._place.shown.forget(values.get("label", ""))
        self._journal(f"What was shown of {values.get('label', '')} was forgotten by {by}.")
        self._just_shown.clear()

    def _end_own(self, values: Values) -> None:
        """End what the page that asks leads itself, and refuse while another one leads."""
        if self._teacher is not None and not self.stay(values.get("mark", "")):
            raise TeachingError(f"{self._teacher.name} teaches it now")
        self._end("")
        self._told = ""

    def _check_lead(self, values: Values) -> None:
        if not (self._lesson.is_on and self.stay(values.get("mark", ""))):
            raise TeachingError("teaching has ended, or another page leads it: begin again")

    def _journal(self, text: str) -> None:
        self._switch.health.person_did(EventKind.TEACHING, text, self._clock.now())

    def _end(self, why: str) -> None:
        """Go back to being stopped; what was shown is kept."""
        self._lesson.end()
        self._keep_taken()
        if self._teacher is not None:
            self._journal(f"{self._teacher.name} teaches the station no longer.")
            self._teacher, self._told = None, why
            self._claim.close()
            if self._assistant is not None:
                self._assistant.leave()


def _answer(future: Future[Answer], do: Callable[[], Answer]) -> None:
    """Do what was asked for, unless nobody waits for it any more."""
    if future.set_running_or_notify_cancel():
        try:
            future.set_result(do())
        except SorterError as error:
            future.set_exception(error)
