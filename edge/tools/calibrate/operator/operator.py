"""What calibrating and teaching ask of a person, and the simulated one who does it to the simulated world."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from enum import StrEnum
from typing import Final, Protocol

from edge.config import Station
from edge.errors import CalibrationError
from edge.simulate.world.faults import InjectedFault
from edge.simulate.world.hand import Hand
from edge.simulate.world.world import World


class Prompt(StrEnum):
    """One thing to be done by hand."""

    EMPTY = "empty"
    SHEET_UNDER_CAMERA = "sheet-under-camera"
    PAPER = "paper"
    SHEET_RIDES = "sheet-rides"
    ITEMS = "items"
    ONE_ITEM = "one-item"
    BELT_ON = "belt-on"
    BELT_OFF = "belt-off"
    ACTIVATE = "activate"
    CLEAR = "clear"
    KNOWN_ITEM = "known-item"
    ITEM_LIES = "item-lies"
    ITEMS_OF = "items-of"
    THINGS_OF = "things-of"
    NEXT_ITEM = "next-item"


PROMPTS: Final[dict[Prompt, str]] = {
    Prompt.EMPTY: "Take everything off: nothing may lie under the camera, no item and no sheet.",
    Prompt.SHEET_UNDER_CAMERA: "Lay the printed sheet flat under the middle of the camera, face up. The belt stands still.",
    Prompt.PAPER: "Lay white paper flat under the middle of the camera: what is white shall look white.",
    Prompt.SHEET_RIDES: "Lay the printed sheet flat on the belt where it comes into view, and let the belt carry it through.",
    Prompt.ITEMS: "Put some items through, one after the other, as in daily work.",
    Prompt.ONE_ITEM: "Lay one item on the belt before it comes into view, nothing else.",
    Prompt.BELT_ON: "Switch the belt on.",
    Prompt.BELT_OFF: "Switch the belt off.",
    Prompt.ACTIVATE: "Activate the sensor now, and keep it so",
    Prompt.CLEAR: "Let go of the sensor again",
    Prompt.KNOWN_ITEM: "Put in one item",
    Prompt.ITEMS_OF: "Have the next items ready, and take away all others; then put them through one after the other",
    Prompt.THINGS_OF: "Put things of one label through, one after the other, with a gap between them, another thing each time",
    Prompt.NEXT_ITEM: "The next one",
    Prompt.ITEM_LIES: "Lay one item where items are put, and take your hand away.",
}


NOBODY: Final = "nobody is there to answer: run it at a terminal, without --yes and --json"


class Progress(Protocol):
    """A bar from 0 to 1."""

    def __call__(self, share: float) -> None: ...


class Show(Protocol):
    """A line of levels that changes in place."""

    def __call__(self, levels: Mapping[str, bool]) -> None: ...


class Operator(Protocol):
    """Who stands at the station."""

    @property
    def is_there(self) -> bool:
        """Whether somebody can answer."""
        ...

    def ask(self, prompt: Prompt, subject: str = "") -> None:
        """Ask for something and return when it is done."""
        ...

    def warn(self, text: str) -> None:
        """Say that something will move; return when the person has agreed.

        Raises:
            CalibrationError: they have not.
        """
        ...

    def progress(self, title: str) -> AbstractContextManager[Progress]:
        """Show how far a measurement has come."""
        ...

    def watching(self, title: str) -> AbstractContextManager[Show]:
        """Show levels as they change; what is asked meanwhile stands above them."""
        ...

    def say(self, text: str) -> None:
        """Tell something."""
        ...

    def key(self) -> str:
        """Wait for one key and return what it sends.

        Raises:
            CalibrationError: nobody is there.
        """
        ...

    def keys(self) -> AbstractContextManager[Callable[[], str]]:
        """Give what returns the key that was pressed since its last call, "" if none was; it waits for none."""
        ...

    def choose(self, question: str, answers: Sequence[str]) -> str:
        """Ask for one of several answers; Enter alone is the first.

        Raises:
            CalibrationError: nobody is there.
        """
        ...


class Onlooker:
    """Agrees to everything and sees nothing: for unattended runs, where all is prepared, and for tests."""

    @property
    def is_there(self) -> bool:
        return False

    def ask(self, prompt: Prompt, subject: str = "") -> None:
        """Everything is prepared."""

    def warn(self, text: str) -> None:
        """Agree."""

    @contextmanager
    def progress(self, title: str) -> Iterator[Progress]:
        yield lambda share: None

    @contextmanager
    def watching(self, title: str) -> Iterator[Show]:
        yield lambda levels: None

    def say(self, text: str) -> None:
        """Nobody listens."""

    def key(self) -> str:
        raise CalibrationError(NOBODY)

    @contextmanager
    def keys(self) -> Iterator[Callable[[], str]]:
        yield lambda: ""

    def choose(self, question: str, answers: Sequence[str]) -> str:
        raise CalibrationError(NOBODY)


class SimulatedOperator:
    """Does in the simulated world what is asked for, after `shown` has been told of it."""

    def __init__(self, world: World, shown: Operator) -> None:
        self._world, self._hand, self._shown = world, Hand(world), shown

    @property
    def is_there(self) -> bool:
        return self._shown.is_there

    def ask(self, prompt: Prompt, subject: str = "") -> None:
        self._shown.ask(prompt, subject)
        station, hand = self._world.station, self._hand
        if prompt is Prompt.EMPTY:
            hand.clear()
        elif prompt in (Prompt.SHEET_UNDER_CAMERA, Prompt.PAPER):
            hand.clear()
            hand.lay_paper(_middle(station), rides=False, turn_degrees=2.0)
        elif prompt is Prompt.SHEET_RIDES:
            hand.clear()
            hand.lay_paper(_upstream(station), rides=True, turn_degrees=1.0)
        elif prompt is Prompt.ITEMS:
            hand.feed()
        elif prompt is Prompt.ONE_ITEM:
            hand.clear()
            hand.put()
        elif prompt in (Prompt.KNOWN_ITEM, Prompt.ITEM_LIES, Prompt.NEXT_ITEM):
            if prompt is Prompt.NEXT_ITEM and station.belt is None:
                hand.clear()  # nothing drops meanwhile
            hand.put(subject.partition(",")[0])
        elif prompt in (Prompt.BELT_ON, Prompt.BELT_OFF):
            self._world.disturb(InjectedFault.BELT_STOPPED, active=prompt is Prompt.BELT_OFF)
        elif prompt in (Prompt.ACTIVATE, Prompt.CLEAR):
            hand.touch(station.pins_by_text()[subject], active=prompt is Prompt.ACTIVATE)

    def warn(self, text: str) -> None:
        self._shown.warn(text)

    def progress(self, title: str) -> AbstractContextManager[Progress]:
        return self._shown.progress(title)

    def watching(self, title: str) -> AbstractContextManager[Show]:
        return self._shown.watching(title)

    def say(self, text: str) -> None:
        self._shown.say(text)

    def key(self) -> str:
        return self._shown.key()

    def keys(self) -> AbstractContextManager[Callable[[], str]]:
        return self._shown.keys()

    def choose(self, question: str, answers: Sequence[str]) -> str:
        return self._shown.choose(question, answers)


def _middle(station: Station) -> tuple[float, float]:
    region, camera = station.region, station.camera
    width, height = region.width or camera.width - region.x, region.height or camera.height - region.y
    return (region.x + width / 2) / camera.width, (region.y + height / 2) / camera.height


def _upstream(station: Station) -> tuple[float, float]:
    """Where things come into view, half of the sheet still outside."""
    x, y = _middle(station)
    direction = "right" if station.belt is None else station.belt.direction
    return {"right": (0.0, y), "left": (1.0, y), "down": (x, 0.0), "up": (x, 1.0)}[direction]


__all__ = ["NOBODY", "PROMPTS", "Onlooker", "Operator", "Progress", "Prompt", "Show", "SimulatedOperator"]
