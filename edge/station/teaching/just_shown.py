"""The items of a lesson on their way to the disk, and the last ones as pictures: what a person may take back."""

from __future__ import annotations

from collections import deque
from typing import Any, Final, NamedTuple

from edge.bundle.pictures import encode_jpeg
from edge.clock import stamp_of
from edge.errors import TeachingError
from edge.interfaces import Clock
from edge.station.teaching.lesson import Taken
from edge.teaching.shown import ShownItems

_RECENT: Final = 12
_QUALITY: Final = 85


class _Kept(NamedTuple):
    number: int
    label: str
    item: str
    jpeg: bytes


class JustShown:
    """Keeps items, in one thread; any other may ask for a picture."""

    def __init__(self, shown: ShownItems, clock: Clock) -> None:
        self._shown, self._clock = shown, clock
        self._recent: deque[_Kept] = deque(maxlen=_RECENT)
        self._count = 0

    def keep(self, taken: Taken) -> None:
        """Keep an item that counts.

        Raises:
            TeachingError: the disk does not let us.
        """
        item = self._shown.keep(taken.label, stamp_of(self._clock.wall_time()), taken.looks)
        self._count += 1
        self._recent.append(_Kept(self._count, taken.label, item, encode_jpeg(taken.looks[0], _QUALITY)))

    def take_back(self) -> None:
        """Forget the last one.

        Raises:
            TeachingError: there is none any more, or the disk does not let us.
        """
        if not self._recent:
            raise TeachingError("nothing was shown just now that could be taken back")
        last = self._recent[-1]
        self._shown.take_back(last.label, last.item)
        self._recent.pop()

    def clear(self) -> None:
        """What was kept by now stays."""
        self._recent.clear()

    def picture(self, number: int) -> bytes | None:
        """Return an item's JPEG; None if it is none of the last ones."""
        return next((kept.jpeg for kept in tuple(self._recent) if kept.number == number), None)

    def describe(self) -> list[dict[str, Any]]:
        """Return the last ones, the newest first."""
        return [{"number": kept.number, "label": kept.label} for kept in reversed(self._recent)]
