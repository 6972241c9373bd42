"""A drawn conveyor for tests of finding and following: simple shapes on a textured belt, with exact truth."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np
from support.stations import BELT, make_station

from edge.clock import NS_PER_S, ms
from edge.config import Station
from edge.types import Frame, Image

WIDTH, HEIGHT = 320, 240
LINE = 0.6
START = NS_PER_S


def conveyor(speed: float = 200.0, **changes: Any) -> Station:
    """Return a conveyor with one millimetre per pixel; `belt` and other tables may be changed."""
    belt = {"speed_mm_per_s": speed, "mm_per_pixel": 1.0, "decision_line": LINE, **changes.pop("belt", {})}
    camera = changes.pop("camera", {"type": "folder", "path": ".", "width": WIDTH, "height": HEIGHT})
    return make_station(BELT, camera=camera, belt=belt, **changes)


@dataclass(frozen=True)
class Thing:
    """An item: its front reaches the view `enters` seconds after the start; sizes and places in pixels.

    `shade`: it is a shadow, which leaves this share of the light, instead of a colour.
    """

    enters: float
    across: float = 120.0
    length: float = 40.0
    width: float = 30.0
    colour: tuple[int, int, int] = (200, 170, 120)
    shade: float | None = None


@dataclass(frozen=True)
class Rail:
    """A polished rail from row `at` on, `height` rows of it: it shows what lies above it upside down, and darker."""

    at: int
    height: int = 60
    gain: float = 0.5
    own: float = 30.0


@dataclass
class MovingBelt:
    """Frames of things on a belt, moving right; `position` gives the way of the belt in pixels after some seconds."""

    things: Sequence[Thing]
    speed: float = 200.0
    frames_per_s: float = 30.0
    brightness: float = 100.0
    texture: float = 3.0
    noise: float = 1.5
    seed: int = 1
    gain: Callable[[float], float] = lambda seconds: 1.0
    position: Callable[[float], float] | None = None
    surface: Image | None = None
    rail: Rail | None = None
    _strip: Image = field(init=False)

    def __post_init__(self) -> None:
        rng = np.random.default_rng(self.seed)
        grain = cv2.GaussianBlur(rng.normal(0, 1, (HEIGHT, 4 * WIDTH)).astype(np.float32), (0, 0), 1.5)
        grey = self.brightness + self.texture * grain / grain.std()
        strip = np.repeat(np.clip(grey, 0, 255)[:, :, None], 3, axis=2).astype(np.uint8)
        self._strip = strip if self.surface is None else self.surface
        # Cut out somewhere else for each frame: drawing so many random numbers takes longer than all the rest.
        self._noise = rng.normal(0, self.noise, (HEIGHT + 16, WIDTH + 16, 3)).astype(np.float32)
        self._rng = rng

    def way(self, seconds: float) -> float:
        """Return how far the belt has moved, pixels."""
        return self.speed * seconds if self.position is None else self.position(seconds)

    def crossing(self, thing: Thing) -> int:
        """Return the instant at which a thing's middle meets the decision line, on a belt of steady speed."""
        return START + round((thing.enters + (LINE * WIDTH + thing.length / 2) / self.speed) * NS_PER_S)

    def picture(self, seconds: float) -> Image:
        """Return what the camera sees."""
        way = self.way(seconds)
        columns = (np.arange(WIDTH) - int(way)) % self._strip.shape[1]
        canvas = self._strip[:, columns].astype(np.float32)
        for thing in self.things:
            front = way - self.speed * thing.enters
            if -5 < front < WIDTH + thing.length + 5:
                self._draw(canvas, thing, front)
        if self.rail is not None:
            end = min(HEIGHT, self.rail.at + self.rail.height)
            above = canvas[2 * self.rail.at - end : self.rail.at][::-1].copy()
            canvas[self.rail.at : end] = self.rail.own + self.rail.gain * above
        canvas *= self.gain(seconds)
        y, x = self._rng.integers(0, 16, 2)
        canvas += self._noise[y : y + HEIGHT, x : x + WIDTH]
        return np.clip(canvas, 0, 255).astype(np.uint8)

    def frames(self, seconds: float, start: float = 0.0) -> Iterator[Frame]:
        """Give the frames of that many seconds."""
        for number in range(int(seconds * self.frames_per_s)):
            at = start + number / self.frames_per_s
            yield Frame(self.picture(at), START + round(at * NS_PER_S), number)

    def _draw(self, canvas: np.ndarray[Any, Any], thing: Thing, front: float) -> None:
        top, bottom = max(0, int(thing.across - thing.width / 2) - 20), int(thing.across + thing.width / 2) + 20
        rows = canvas[top:bottom]
        mask = np.zeros(rows.shape[:2], np.float32)
        corners = np.array(
            [[front - thing.length, thing.across - thing.width / 2], [front, thing.across + thing.width / 2]]
        )
        (x0, y0), (x1, y1) = corners - (0, top)
        outline = np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]])
        # Sixteenths of a pixel; OpenCV draws to the middle of the last pixel, hence the half.
        cv2.fillPoly(mask, [np.round((outline - 0.5) * 16).astype(np.int32)], 1.0, cv2.LINE_AA, 4)
        if thing.shade is not None:
            soft = cv2.GaussianBlur(mask, (0, 0), 4.0)[..., None]
            rows *= 1 - soft * (1 - thing.shade)
        else:
            rows *= 1 - mask[..., None]
            rows += mask[..., None] * np.float32(thing.colour)


def stop_and_go(speed: float, stop_at: float, go_at: float) -> Callable[[float], float]:
    """Return the way of a belt that stands still between two instants, in seconds."""

    def way(seconds: float) -> float:
        standing = min(max(0.0, seconds - stop_at), go_at - stop_at)
        return speed * (seconds - standing)

    return way


__all__ = ["HEIGHT", "LINE", "START", "WIDTH", "MovingBelt", "Rail", "Thing", "conveyor", "ms", "stop_and_go"]
