"""What a format says of pictures, the same for all of them: a picture, a class's name, a region of it."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

SHOWN = 3  # of what was passed over for one reason


@dataclass(frozen=True)
class Region:
    """Where a thing lies: in pixels, or if `relative` in fractions of the picture's sides.

    `size` is the width and height, in pixels, of the picture that it was drawn on, where the format says so.
    """

    left: float
    top: float
    right: float
    bottom: float
    relative: bool = False
    size: tuple[int, int] | None = None

    @property
    def is_finite(self) -> bool:
        return all(map(math.isfinite, (self.left, self.top, self.right, self.bottom)))

    @classmethod
    def around(
        cls, points: Iterable[tuple[float, float]], relative: bool, size: tuple[int, int] | None = None
    ) -> Region:
        """The region around points, of which there is at least one."""
        across, down = zip(*points, strict=True)
        return cls(min(across), min(down), max(across), max(down), relative, size)


@dataclass(frozen=True)
class Entry:
    """One labelled thing; without a region it is the whole picture.

    Attributes:
        picture: its file.
        name: the class, as the format's author called it.
        where: the file and line or entry that says so.
        item: what all pictures of one thing or scene share; empty if the format does not say it.
        source: the station or camera that it is from; empty if the format does not say it.
    """

    picture: Path
    name: str
    where: str
    region: Region | None = None
    item: str = ""
    source: str = ""


@dataclass
class PassedOver:
    """What could not be taken, by reason, and where each was."""

    places: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    def add(self, reason: str, where: str) -> None:
        self.places[reason].append(where)

    def lines(self) -> list[str]:
        """One line a reason: how many there are, and where the first are."""
        return [f"{reason}: {len(places)} ({_first(places)})" for reason, places in self.places.items()]


def _first(places: Sequence[str]) -> str:
    more = f"; and {len(places) - SHOWN} more" if len(places) > SHOWN else ""
    return "; ".join(places[:SHOWN]) + more


@dataclass
class Found:
    """All that was read; `licence` and `origin` are empty where the format does not say them.

    `classes` are those that the format lists, whether a picture is of them or not.
    """

    entries: list[Entry] = field(default_factory=list)
    classes: set[str] = field(default_factory=set)
    passed_over: PassedOver = field(default_factory=PassedOver)
    licence: str = ""
    origin: str = ""

    def add_terms(self, licences: Iterable[str], origin: str) -> None:
        """Add what a file says of its licence and origin; all licences hold, and the first origin."""
        known = filter(None, [*self.licence.split("; "), *licences])
        self.licence = "; ".join(dict.fromkeys(known))
        self.origin = self.origin or origin


@dataclass(frozen=True)
class ExportedPhoto:
    """A photo that is to be written: its name in the folder `images`, and its item's box (left, top, right, bottom).

    `file` is its content, which is moved to where the format has it.

    Without a box the item fills the photo. `size` is its width and height; all in pixels.
    """

    name: str
    file: Path
    label: str
    size: tuple[int, int]
    box: tuple[int, int, int, int] | None = None
    item: str = ""

    @property
    def outline(self) -> tuple[int, int, int, int]:
        """The box, or that of the whole photo."""
        return self.box or (0, 0, *self.size)


@dataclass(frozen=True)
class Terms:
    """Under which licence photos may be passed on, and where they are from."""

    licence: str = ""
    origin: str = ""
