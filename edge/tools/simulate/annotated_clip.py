"""An annotated clip of a simulated run: the camera's picture, the whole line from above, the bins and the counts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from edge.clock import NS_PER_S
from edge.config import RESIDUAL, Station
from edge.errors import ConfigError
from edge.line import Outcome
from edge.simulate.world.belt import BeltScene
from edge.simulate.world.truth import TrueItem
from edge.tools.simulate.virtual_run import VirtualRun
from edge.types import Box, Decision, Frame, Image, Reason

Colour = tuple[int, int, int]

WIDTH: Final = 1280
HEIGHT: Final = 720
_PICTURE: Final = (24, 64, 800, 450)  # x, y, width, height of the room for the camera's picture
_PANEL_X: Final = 852
_LINE_Y: Final = 548
_LINE_HEIGHT: Final = 76
_FPS_MOST: Final = 30.0
_KEEP_NS: Final = 6 * NS_PER_S  # a landed item stays this long in the panel

BACK: Final[Colour] = (18, 20, 24)
INK: Final[Colour] = (232, 234, 238)
DIM: Final[Colour] = (136, 142, 152)
RIGHT: Final[Colour] = (92, 200, 120)
WRONG: Final[Colour] = (236, 92, 84)
_PALETTE: Final[tuple[Colour, ...]] = (
    (90, 169, 230), (240, 178, 70), (226, 226, 220), (196, 148, 98),
    (96, 210, 190), (140, 196, 84), (186, 142, 230), (230, 130, 170),
)  # fmt: skip


@dataclass(frozen=True)
class Pen:
    """How words look."""

    colour: Colour = INK
    size: float = 0.5
    bold: int = 1


def _text(canvas: Image, words: str, x: float, y: float, pen: Pen) -> None:
    at = (round(x), round(y))
    cv2.putText(canvas, words, at, cv2.FONT_HERSHEY_SIMPLEX, pen.size, pen.colour, pen.bold, cv2.LINE_AA)


def _words(decision: Decision) -> str:
    if not decision.label:
        return str(decision.reason)
    unsorted = decision.reason not in (Reason.SORTED, Reason.RESIDUAL_LABEL)
    return f"{decision.label} {decision.score:.0%}" + (f" ({decision.reason})" if unsorted else "")


def _blank() -> Image:
    canvas = np.empty((HEIGHT, WIDTH, 3), np.uint8)
    canvas[:] = BACK
    return canvas


@dataclass
class Clip:
    """Draws one page for each frame; `write` takes it.

    `decided` holds the decision of each item that is still to be seen in the camera's picture.
    """

    station: Station
    run: VirtualRun
    writer: cv2.VideoWriter
    every: int
    decided: dict[int, Decision] = field(default_factory=dict)
    _count: int = 0

    def on_frame(self, frame: Frame, outcomes: Sequence[Outcome]) -> None:
        """Take a frame and what came of it."""
        for outcome in outcomes:
            self.decided[outcome.item.item_id] = outcome.decision
        while len(self.decided) > 64:
            self.decided.pop(next(iter(self.decided)))
        self._count += 1
        if self._count % self.every == 0:
            self.writer.write(cv2.cvtColor(self.page(frame), cv2.COLOR_RGB2BGR))

    def page(self, frame: Frame) -> Image:
        """Draw one page, (HEIGHT, WIDTH, 3), RGB."""
        canvas = _blank()
        self._draw_title(canvas, frame.captured_at)
        self._draw_picture(canvas, frame)
        self._draw_bins(canvas)
        scene = self.run.world.scene
        if isinstance(scene, BeltScene):
            self._draw_line(canvas, scene, frame.captured_at)
        else:
            self._draw_decisions(canvas)
        return canvas

    def colour_of(self, bin_name: str) -> Colour:
        """The colour of a bin all over the page."""
        if bin_name == RESIDUAL:
            return DIM
        names = [b.name for b in self.station.bins if b.name != RESIDUAL]
        return _PALETTE[names.index(bin_name) % len(_PALETTE)] if bin_name in names else WRONG

    def _draw_title(self, canvas: Image, at: int) -> None:
        world = self.run.world
        seconds = (at - world.started_at) / NS_PER_S
        _text(canvas, f"edge-sorter simulate   {self.station.name}", 24, 40, Pen(INK, 0.75, 2))
        landed = [item for item in world.items if item.landed_in]
        rate = 60 * len(landed) / seconds if seconds > 1 else 0.0
        belt = "" if self.station.belt is None else f"{world.surface.speed_at(at):.0f} mm/s   "
        state = str(self.run.station.health.state)
        _text(canvas, f"{seconds:7.2f} s   {belt}{rate:.0f} items/min   {state}", _PANEL_X, 40, Pen(DIM, 0.55))

    def _draw_picture(self, canvas: Image, frame: Frame) -> None:
        x, y, room_x, room_y = _PICTURE
        height, width = frame.pixels.shape[:2]
        scale = min(room_x / width, room_y / height)
        size = (round(width * scale), round(height * scale))
        x += (room_x - size[0]) // 2
        picture = np.asarray(cv2.resize(frame.pixels, size, interpolation=cv2.INTER_AREA), np.uint8)
        self._draw_decision_line(picture)
        for sighting in self.run.station.line.trigger.sightings():
            self._draw_box(picture, sighting.box, scale, self.decided.get(sighting.item_id))
        canvas[y : y + size[1], x : x + size[0]] = picture
        cv2.rectangle(canvas, (x - 1, y - 1), (x + size[0], y + size[1]), (60, 64, 72), 1)

    def _draw_decision_line(self, picture: Image) -> None:
        scene = self.run.world.scene
        if not isinstance(scene, BeltScene):
            return
        view, (height, width) = scene.view, picture.shape[:2]
        share = view.line_mm / view.along_mm
        share = 1 - share if view.direction in ("left", "up") else share
        ends = ((share, 0.0), (share, 1.0)) if view.direction in ("right", "left") else ((0.0, share), (1.0, share))
        first, last = ((round(a * width), round(b * height)) for a, b in ends)
        cv2.line(picture, first, last, (250, 210, 70), 1, cv2.LINE_AA)

    def _draw_box(self, picture: Image, box: Box, scale: float, decision: Decision | None) -> None:
        colour = INK if decision is None else self.colour_of(decision.bin)
        corners = [round(v * scale) for v in (box.x, box.y, box.x + box.width, box.y + box.height)]
        cv2.rectangle(picture, (corners[0], corners[1]), (corners[2], corners[3]), colour, 2, cv2.LINE_AA)
        if decision is None:
            return
        words = _words(decision)
        (length, height), _ = cv2.getTextSize(words, cv2.FONT_HERSHEY_SIMPLEX, 0.48, 1)
        left = min(max(0, corners[0]), picture.shape[1] - length - 8)
        top = max(0, corners[1] - height - 9)
        cv2.rectangle(picture, (left, top), (left + length + 8, top + height + 8), colour, -1)
        _text(picture, words, left + 4, top + height + 3, Pen((14, 16, 20), 0.48))

    def _draw_decisions(self, canvas: Image) -> None:
        """The latest decisions of a bin station, the newest on top."""
        for n, decision in enumerate(reversed(list(self.decided.values())[-5:])):
            words = f"{decision.item_id}: {_words(decision)} -> {decision.bin}"
            _text(canvas, words, 24, _LINE_Y + 26 * n, Pen(self.colour_of(decision.bin), 0.55))

    def _draw_bins(self, canvas: Image) -> None:
        now = self.run.clock.now()
        landed = [item for item in self.run.world.items if 0 < item.landed_at <= now]
        row = min(64, 440 // len(self.station.bins))
        for n, where in enumerate(self.station.bins):
            here = [item for item in landed if item.landed_in == where.name]
            self._draw_bin(canvas, where.name, here, (64 + n * row, row), now)

    def _draw_bin(self, canvas: Image, name: str, landed: list[TrueItem], place: tuple[int, int], now: int) -> None:
        """One row of the panel: how many fell in, how many of them are right, and the last one's true label."""
        (y, height), x, colour = place, _PANEL_X, self.colour_of(name)
        right = [self.station.route(item.label).name == name for item in landed]
        cv2.rectangle(canvas, (x, y), (x + 404, y + height - 8), (30, 33, 39), -1)
        cv2.rectangle(canvas, (x, y), (x + 6, y + height - 8), colour, -1)
        _text(canvas, name, x + 18, y + 22, Pen(colour, 0.6))
        _text(canvas, str(len(landed)), x + 150, y + 22, Pen(INK, 0.6, 2))
        if landed:
            _text(canvas, f"{sum(right) / len(landed):.0%} right", x + 205, y + 22, Pen(DIM))
        if landed and height >= 40:
            fresh = now - landed[-1].landed_at < _KEEP_NS
            shade = (RIGHT if right[-1] else WRONG) if fresh else DIM
            _text(canvas, landed[-1].label, x + 18, y + height - 15, Pen(shade, 0.42))

    def _draw_line(self, canvas: Image, scene: BeltScene, at: int) -> None:
        """The whole line from above: items with the colour of their true bin, flaps as they really stand."""
        end = max((gate.distance_mm for gate in scene.gates), default=scene.view.along_mm) + 150
        left, right, top, bottom = 24, WIDTH - 24, _LINE_Y, _LINE_Y + _LINE_HEIGHT
        per_mm = (right - left) / end
        seen, line = round(left + scene.view.along_mm * per_mm), round(left + scene.view.line_mm * per_mm)
        cv2.rectangle(canvas, (left, top), (right, bottom), (40, 43, 49), -1)
        cv2.rectangle(canvas, (left, top), (seen, bottom), (52, 57, 66), -1)
        _text(canvas, "camera", left + 6, top + 15, Pen(DIM, 0.42))
        cv2.line(canvas, (line, top), (line, bottom), (250, 210, 70), 1)
        moved = scene.motion.position(at)
        for item in scene.on_belt:
            front = moved - item.front_mm
            y = top + _LINE_HEIGHT * (item.top_px + item.sprite.width / 2) / scene.view.across_px
            half = max(3, round(item.truth.width_mm * _LINE_HEIGHT / scene.view.across_mm / 2))
            first = (max(left, round(left + (front - item.truth.length_mm) * per_mm)), round(y) - half)
            last = (round(left + front * per_mm), round(y) + half)
            if last[0] > left:
                cv2.rectangle(canvas, first, last, self.colour_of(self.station.route(item.truth.label).name), -1)
        for gate in scene.gates:
            out = scene.flaps[gate.actuator].extension(gate.position, at)
            self._draw_gate(canvas, round(left + gate.distance_mm * per_mm), gate.bin, out)
        words = "the line from above: items in the colour of the bin they belong in, flaps as they really stand"
        _text(canvas, words, left, bottom + 76, Pen(DIM, 0.42))

    def _draw_gate(self, canvas: Image, x: int, bin_name: str, out: float) -> None:
        """A flap, hinged at the belt's far edge, and the bin on the near side that it leads to."""
        colour, bottom = self.colour_of(bin_name), _LINE_Y + _LINE_HEIGHT
        angle, length = out * 0.95, _LINE_HEIGHT * 1.2
        tip = (round(x - 32 + length * np.cos(angle)), round(_LINE_Y + length * np.sin(angle)))
        cv2.line(canvas, (x - 32, _LINE_Y), tip, colour, 4, cv2.LINE_AA)
        cv2.rectangle(canvas, (x - 30, bottom + 6), (x + 60, bottom + 40), colour, 1 if out < 0.5 else -1)
        _text(canvas, bin_name, x - 26, bottom + 56, Pen(colour, 0.42))


@contextmanager
def open_clip(path: Path, station: Station, run: VirtualRun) -> Iterator[Clip]:
    """Record a run into an .mp4 until the block ends, at most 30 pages a second.

    Raises:
        ConfigError: the file can't be written.
    """
    rate = station.camera.frames_per_s
    every = max(1, round(rate / _FPS_MOST))
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), rate / every, (WIDTH, HEIGHT))
    if not writer.isOpened():
        raise ConfigError(
            f"{path}: can't be written as a video; expected a name ending in .mp4 in a folder that exists"
        )
    clip = Clip(station, run, writer, every)
    try:
        yield clip
    finally:
        writer.release()
