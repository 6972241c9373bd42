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
from edge.simulate.belt import BeltScene
from edge.simulate.run import VirtualRun
from edge.types import Box, Decision, Frame, Image

Colour = tuple[int, int, int]

WIDTH: Final = 1280
HEIGHT: Final = 720
_PICTURE: Final = (24, 64, 800, 450)  # x, y, width, height of the room for the camera's picture
_PANEL_X: Final = 852
_LINE_Y: Final = 548
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


def _text(
    canvas: Image, words: str, x: float, y: float, colour: Colour = INK, size: float = 0.5, bold: int = 1
) -> None:
    cv2.putText(canvas, words, (round(x), round(y)), cv2.FONT_HERSHEY_SIMPLEX, size, colour, bold, cv2.LINE_AA)


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
        scene = self.run.rig.world.scene
        if isinstance(scene, BeltScene):
            self._draw_line(canvas, scene, frame.captured_at)
        return canvas

    def colour_of(self, bin_name: str) -> Colour:
        """The colour of a bin all over the page."""
        if bin_name == RESIDUAL:
            return DIM
        names = [b.name for b in self.station.bins if b.name != RESIDUAL]
        return _PALETTE[names.index(bin_name) % len(_PALETTE)] if bin_name in names else WRONG

    def _draw_title(self, canvas: Image, at: int) -> None:
        rig = self.run.rig
        seconds = (at - rig.world.started_at) / NS_PER_S
        _text(canvas, f"edge-sorter simulate   {self.station.name}", 24, 40, INK, 0.75, 2)
        landed = [item for item in rig.world.items if item.landed_in]
        rate = 60 * len(landed) / seconds if seconds > 1 else 0.0
        belt = "" if self.station.belt is None else f"{rig.world.surface.speed_at(at):.0f} mm/s   "
        state = str(rig.supervisor.health.state)
        _text(canvas, f"{seconds:7.2f} s   {belt}{rate:.0f} items/min   {state}", _PANEL_X, 40, DIM, 0.55)

    def _draw_picture(self, canvas: Image, frame: Frame) -> None:
        x, y, room_x, room_y = _PICTURE
        height, width = frame.pixels.shape[:2]
        scale = min(room_x / width, room_y / height)
        size = (round(width * scale), round(height * scale))
        x += (room_x - size[0]) // 2
        picture = np.asarray(cv2.resize(frame.pixels, size, interpolation=cv2.INTER_AREA), np.uint8)
        self._draw_decision_line(picture)
        for sighting in self.run.rig.line.trigger.sightings():
            self._draw_box(picture, sighting.box, scale, self.decided.get(sighting.item_id))
        canvas[y : y + size[1], x : x + size[0]] = picture
        cv2.rectangle(canvas, (x - 1, y - 1), (x + size[0], y + size[1]), (60, 64, 72), 1)

    def _draw_decision_line(self, picture: Image) -> None:
        scene = self.run.rig.world.scene
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
        words = f"{decision.label} {decision.score:.0%}" if decision.label else str(decision.reason)
        if decision.bin == RESIDUAL and decision.label:
            words += f" ({decision.reason})"
        (length, height), _ = cv2.getTextSize(words, cv2.FONT_HERSHEY_SIMPLEX, 0.48, 1)
        left = min(max(0, corners[0]), picture.shape[1] - length - 8)
        top = max(0, corners[1] - height - 9)
        cv2.rectangle(picture, (left, top), (left + length + 8, top + height + 8), colour, -1)
        _text(picture, words, left + 4, top + height + 3, (14, 16, 20), 0.48)

    def _draw_bins(self, canvas: Image) -> None:
        items = [item for item in self.run.rig.world.items if item.landed_at]
        now = self.run.rig.clock.now()
        row = min(64, 440 // len(self.station.bins))
        for n, where in enumerate(self.station.bins):
            y = 64 + n * row
            landed = [item for item in items if item.landed_in == where.name and item.landed_at <= now]
            right = sum(self.station.route(item.label).name == where.name for item in landed)
            colour = self.colour_of(where.name)
            cv2.rectangle(canvas, (_PANEL_X, y), (_PANEL_X + 404, y + row - 8), (30, 33, 39), -1)
            cv2.rectangle(canvas, (_PANEL_X, y), (_PANEL_X + 6, y + row - 8), colour, -1)
            _text(canvas, where.name, _PANEL_X + 18, y + 22, colour, 0.6, 1)
            share = f"{right / len(landed):.0%} right" if landed else ""
            _text(canvas, f"{len(landed)}", _PANEL_X + 150, y + 22, INK, 0.6, 2)
            _text(canvas, share, _PANEL_X + 205, y + 22, DIM, 0.5)
            if landed and row >= 40:
                last = landed[-1]
                good = self.station.route(last.label).name == where.name
                fresh = now - last.landed_at < _KEEP_NS
                _text(
                    canvas, last.label, _PANEL_X + 18, y + row - 15, (RIGHT if good else WRONG) if fresh else DIM, 0.42
                )

    def _draw_line(self, canvas: Image, scene: BeltScene, at: int) -> None:
        """The whole line from above: items with the colour of their true bin, flaps as they really stand."""
        end = max((gate.distance_mm for gate in scene.gates), default=scene.view.along_mm) + 150
        left, right, top, bottom = 24, WIDTH - 24, _LINE_Y, _LINE_Y + 76
        per_mm = (right - left) / end

        def x_of(mm: float) -> int:
            return round(left + mm * per_mm)

        cv2.rectangle(canvas, (left, top), (right, bottom), (40, 43, 49), -1)
        cv2.rectangle(canvas, (left, top), (x_of(scene.view.along_mm), bottom), (52, 57, 66), -1)
        _text(canvas, "camera", left + 6, top + 15, DIM, 0.42)
        cv2.line(canvas, (x_of(scene.view.line_mm), top), (x_of(scene.view.line_mm), bottom), (250, 210, 70), 1)
        moved = scene.motion.position(at)
        for gate in scene.gates:
            self._draw_gate(canvas, x_of(gate.distance_mm), (top, bottom), scene, gate.bin, at)
        for rider in scene.riders:
            front = moved - rider.front_mm
            where = self.station.route(rider.truth.label).name
            y = top + 8 + (bottom - top - 16) * (rider.top_px + rider.sprite.width / 2) / scene.view.across_px
            half = max(3, round(rider.truth.width_mm * (bottom - top) / scene.view.across_mm / 2))
            first = (max(left, x_of(front - rider.truth.length_mm)), round(y) - half)
            last = (x_of(front), round(y) + half)
            if last[0] > left:
                cv2.rectangle(canvas, first, last, self.colour_of(where), -1)
        _text(
            canvas,
            "items in the colour of the bin that they belong in; flaps as they stand",
            left,
            bottom + 72,
            DIM,
            0.42,
        )

    def _draw_gate(
        self, canvas: Image, x: int, edges: tuple[int, int], scene: BeltScene, bin_name: str, at: int
    ) -> None:
        top, bottom = edges
        gate = next(g for g in scene.gates if g.bin == bin_name)
        out = scene.flaps[gate.actuator].extension(gate.position, at)
        colour = self.colour_of(bin_name)
        angle = out * 0.95
        tip = (round(x + 74 * np.sin(angle) * 0.8), round(bottom - 74 * (1 - np.cos(angle)) - 70 * out * 0.45))
        hinge = (x - 30, top)
        closed = (x + 34, top)
        end = (round(closed[0] + (tip[0] - closed[0]) * out), round(top + (bottom - 4 - top) * out))
        cv2.line(canvas, hinge, end, colour, 4, cv2.LINE_AA)
        cv2.rectangle(canvas, (x - 30, bottom + 6), (x + 44, bottom + 40), colour, 1 if out < 0.5 else -1)
        _text(canvas, bin_name, x - 26, bottom + 54, colour, 0.42)


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
    run.on_frame = clip.on_frame
    try:
        yield clip
    finally:
        writer.release()
