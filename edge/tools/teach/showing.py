"""Things are shown to a station label by label: seen by its own eyes, kept as its model gets them, and nothing is fired."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from edge.bundle.geometry import InputGeometry
from edge.bundle.preprocess import prepare_crop
from edge.clock import NS_PER_S
from edge.errors import TeachingError
from edge.sensing import build_trigger
from edge.teaching.plan import Wanted
from edge.teaching.shown import ShownItems, why_not_counted
from edge.tools.calibrate.operator.operator import Operator, Progress, Prompt
from edge.tools.calibrate.rig import MeasurementRig
from edge.tools.calibrate.steps.background import start_belt
from edge.transport import build_belt
from edge.types import Item

UNDO, SKIP, QUIT = "u", "s", "q"
KEYS: Final = f"Keys: {UNDO} takes the last one back, {SKIP} goes to the next label, {QUIT} stops here, to go on later."
PATIENCE_NS = 90 * NS_PER_S
"""After so long without an item a person is reminded, and nobody any longer waited for."""


@dataclass
class Showing:
    """One round at the station; `stamp` gives the present instant as names of files have it."""

    rig: MeasurementRig
    operator: Operator
    shown: ShownItems
    geometry: InputGeometry
    stamp: Callable[[], str]
    _taken: list[tuple[str, str]] = field(default_factory=list)

    def run(self, plan: Sequence[Wanted]) -> bool:
        """Ask for what is still missing, label by label; return False where the person will go on later.

        Raises:
            TeachingError: nothing came and nobody is there to ask, or pictures can't be kept.
            CalibrationError: the emergency stop is open, or there are no frames.
            CameraError: the camera is gone.
        """
        self.operator.ask(Prompt.EMPTY)
        start_belt(self.rig, self.operator)
        try:
            self._trigger = build_trigger(self.rig.station, build_belt(self.rig.station))
            for frame in self.rig.frames(5):
                self._trigger.observe(frame)
            return all(self._show(wanted) for wanted in plan)
        finally:
            self.rig.run_belt(on=False)

    def _show(self, wanted: Wanted) -> bool:
        """Take one label's items; return False where the person wants to stop."""
        label, operator = wanted.label, self.operator
        missing = wanted.items - len(self.shown.items(label))
        if missing <= 0:
            return True
        operator.ask(Prompt.THINGS_OF, f"{label}, {missing} of them")
        if operator.is_there:
            operator.say(KEYS if self.rig.station.belt else f"Nothing drops: take each out again by hand. {KEYS}")
        with operator.progress(label) as progress, operator.keys() as poll:
            self._count(wanted, progress)
            self._next(label)
            while len(self.shown.items(label)) < wanted.items:
                key = poll()[:1]
                if key in (SKIP, QUIT):
                    return key == SKIP
                if key == UNDO:
                    self._undo(wanted, progress)
                self._look(wanted, progress)
        return True

    def _look(self, wanted: Wanted, progress: Progress) -> None:
        """Take one frame in, and keep the item that it completes."""
        frame = self.rig.frame()
        items = self._trigger.observe(frame)
        if not items:
            self._wait(wanted.label)
            return
        if why := why_not_counted(items):
            self.operator.say(f"Not counted: {why}.")
        else:
            self._keep(wanted, items[0], progress)
        self._next(wanted.label)

    def _keep(self, wanted: Wanted, item: Item, progress: Progress) -> None:
        looks = [prepare_crop(crop.pixels, crop.box, self.geometry) for crop in item.crops]
        self._taken.append((wanted.label, self.shown.keep(wanted.label, self.stamp(), looks)))
        count = self._count(wanted, progress)
        self.operator.say(f"{wanted.label}: {count} of {wanted.items} ({_times(len(looks), 'look')} at this one)")

    def _undo(self, wanted: Wanted, progress: Progress) -> None:
        if not self._taken:
            self.operator.say("Nothing was shown in this round that could be taken back.")
            return
        label, item = self._taken.pop()
        self.shown.take_back(label, item)
        self.operator.say(f"Taken back: the last {label}; {len(self.shown.items(label))} are left of it.")
        self._count(wanted, progress)
        self._next(wanted.label)

    def _count(self, wanted: Wanted, progress: Progress) -> int:
        count = len(self.shown.items(wanted.label))
        progress(min(1.0, count / wanted.items))
        return count

    def _next(self, label: str) -> None:
        self._asked_at = self.rig.clock.now()
        self.operator.ask(Prompt.NEXT_ITEM, label)

    def _wait(self, label: str) -> None:
        if self.rig.clock.now() - self._asked_at < PATIENCE_NS:
            return
        told = (
            f"no further {label} was seen within {PATIENCE_NS // NS_PER_S} s: put one thing after the other through, with a "
            "gap between them; does the belt run, and does the thing pass under the camera?"
        )
        if not self.operator.is_there:
            raise TeachingError(told)
        self.operator.say(told[0].upper() + told[1:])
        self._next(label)


def _times(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"
