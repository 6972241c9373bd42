"""JPEGs for the browser, made on demand: nobody looks, nothing is encoded."""

from __future__ import annotations

from dataclasses import dataclass

from edge.bundle.pictures import encode_jpeg, shrink
from edge.clock import ms
from edge.interfaces import Clock, Sighting
from edge.status.live import LiveView
from edge.types import Image

BELT_WIDTH_PX = 640
BELT_QUALITY = 70
CROP_QUALITY = 80
# Ten pictures a second, however many people look.
BELT_INTERVAL_MS = 95


@dataclass(frozen=True, slots=True)
class BeltPicture:
    """One encoded frame; `size` is the width and height that the sightings' boxes refer to."""

    jpeg: bytes
    sequence: int
    size: tuple[int, int]
    sightings: tuple[Sighting, ...]


class BeltEncoder:
    """Encodes the newest frame at most every BELT_INTERVAL_MS; everyone who looks shares the result."""

    def __init__(self, live: LiveView, clock: Clock) -> None:
        self._live = live
        self._clock = clock
        self._last: BeltPicture | None = None
        self._encoded_at = 0

    def picture(self) -> BeltPicture | None:
        """Return the newest picture; None as long as there is none that can be shown."""
        newest, now = self._live.newest(), self._clock.now()
        if newest is None:
            return None
        last = self._last
        if last is not None and (last.sequence == newest.sequence or now - self._encoded_at < ms(BELT_INTERVAL_MS)):
            return last
        jpeg = to_jpeg(newest.picture, BELT_WIDTH_PX, BELT_QUALITY)
        if jpeg is not None:
            self._last = BeltPicture(jpeg, newest.sequence, newest.size, newest.sightings)
            self._encoded_at = now
        return self._last


def to_jpeg(pixels: Image, max_width: int, quality: int) -> bytes | None:
    """Return the RGB picture as a JPEG at most `max_width` wide; None if it is no picture at all."""
    if pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.size == 0:
        return None
    return encode_jpeg(shrink(pixels, max_width / pixels.shape[1]), quality)
