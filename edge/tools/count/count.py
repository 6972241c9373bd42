"""Counts what a recorded clip shows, with or without a station that describes where it was taken."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, cast

from edge.clock import NS_PER_S, VirtualClock
from edge.config import Station
from edge.devices.camera import open_camera
from edge.errors import CameraError
from edge.interfaces import Camera, Sighting, Trigger
from edge.sensing import ConveyorTrigger, build_trigger
from edge.sensing.view import build_view
from edge.tools.count.survey import survey
from edge.transport import build_belt
from edge.types import Box, Frame, Item

# Of a station that nobody described: shares of the picture's area and of its extent along the belt.
MIN_ITEM, MERGE_GAP = 0.0012, 0.0125
FASTEST = 5000.0


@dataclass(frozen=True, slots=True)
class Count:
    """What was counted, the station it was counted with, and where on the clip's own time it starts (ns).

    `passed_over` frames (of a folder: files) could not be decoded, so what they showed may be missing.
    """

    items: tuple[Item, ...]
    station: Station
    frames: int
    passed_over: int
    started_at: int

    def seconds(self, item: Item) -> float:
        """Return when an item crossed (or came to rest), in seconds of the clip."""
        return (item.crossed_at - self.started_at) / NS_PER_S


Watch = Callable[[Frame, Sequence[Sighting], Sequence[Item]], None]


def count_items(station: Station, watch: Watch | None = None) -> Count:
    """Run a station's own finding and following over its recorded camera (video or folder), as fast as it goes.

    Where a polished rail shows items twice, the clip is looked at again with the rail known from its first picture on.

    Raises:
        CameraError: the clip can't be read, or the camera is not a recorded one.
    """
    trigger = _new_trigger(station)
    if not isinstance(trigger, ConveyorTrigger):
        return _count(station, trigger, watch)
    count = _count(station, trigger, watch=None)
    rails = trigger.mirrors.rails
    if watch is None and not rails:
        return count
    again = _new_trigger(station)
    if isinstance(again, ConveyorTrigger):
        again.mirrors.rails += rails
    return _count(station, again, watch)


def _new_trigger(station: Station) -> Trigger:
    return build_trigger(station, build_belt(station))


def _count(station: Station, trigger: Trigger, watch: Watch | None) -> Count:
    items: list[Item] = []
    frames, started_at = 0, 0
    with closing(_open(station)) as camera:
        while (frame := camera.read()) is not None:
            started_at = started_at or frame.captured_at
            frames += 1
            found = trigger.observe(frame)
            items += found
            if watch is not None:
                watch(frame, trigger.sightings(), found)
        return Count(tuple(items), station, frames, camera.passed_over, started_at)


def describe_clip(
    path: Path, kind: str | None, direction: str | None, region: Box | None, frames_per_s: float
) -> Station:
    """Return a station for a clip of which no more is known: one millimetre is a pixel, the rest is seen from the clip.

    Raises:
        CameraError: the clip can't be read.
    """
    table: dict[str, object] = {"name": "clip", "kind": "bin", "bins": [{"name": "residual"}]}
    table["camera"] = {"type": "folder" if path.is_dir() else "video", "path": path, "frames_per_s": frames_per_s}
    if region is not None:
        table["region"] = {"x": region.x, "y": region.y, "width": region.width, "height": region.height}
    still = Station.model_validate(table)
    first = next(_frames(still), None)
    if first is None:
        raise CameraError(f"{path}: it shows no picture")
    height, width = first.pixels.shape[:2]
    view = build_view(still.region, (width, height))
    table["sensing"] = {"min_item_mm2": MIN_ITEM * view.region.width * view.region.height}
    motion = None if kind == "bin" else survey(_frames(still), view.region)
    moves = motion is not None and motion.is_belt
    if kind == "bin" or (kind is None and direction is None and not moves):
        return Station.model_validate(table)
    way = direction or (motion.direction if motion is not None else "right")
    along = view.region.width if way in ("right", "left") else view.region.height
    speed = motion.speed if motion is not None and way == motion.direction else along / 2
    table["belt"] = {
        "speed_mm_per_s": min(max(speed, 1.0), FASTEST),
        "mm_per_pixel": 1.0,
        "direction": way,
        "merge_gap_mm": MERGE_GAP * along,
    }
    return Station.model_validate(table | {"kind": "conveyor"})


class Recorded(Camera, Protocol):
    """A recorded camera, which may be damaged."""

    @property
    def passed_over(self) -> int:
        """How many frames could not be decoded so far."""
        ...


def _open(station: Station) -> Recorded:
    if not station.camera.is_replayed:
        raise CameraError(f"expected a camera of type video or folder, got {station.camera.type}")
    return cast("Recorded", open_camera(station.camera, VirtualClock()))


def _frames(station: Station) -> Iterator[Frame]:
    with closing(_open(station)) as camera:
        while (frame := camera.read()) is not None:
            yield frame
