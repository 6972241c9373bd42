"""`sorter count`: how many items a recorded clip shows, when each crossed and how fast."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from edge.errors import ConfigError
from edge.system.logs import log_level
from edge.system.output import complain, say

if TYPE_CHECKING:
    from edge.tools.count.count import Count
    from edge.types import Box


def command(
    clip: Annotated[Path, typer.Argument(help="A video, a GIF, or a folder of frames.")],
    station: Annotated[
        Path | None,
        typer.Option(
            readable=False, help="Station file with region, belt and scale; unset: seen from the clip, in pixels."
        ),
    ] = None,
    kind: Annotated[
        Literal["conveyor", "bin"] | None,
        typer.Option(help="Without a station: what it is; unset: seen from the clip."),
    ] = None,
    direction: Annotated[
        Literal["right", "left", "down", "up"] | None,
        typer.Option(help="Where the belt goes; unset: seen from the clip."),
    ] = None,
    region: Annotated[str | None, typer.Option(help="X,Y,WIDTH,HEIGHT of the part to look at, pixels.")] = None,
    fps: Annotated[float, typer.Option(min=0.1, max=240, help="Frame rate of a folder of frames.")] = 30.0,
    video: Annotated[Path | None, typer.Option(help="Write an annotated clip (.mp4).")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of a table.")] = False,
) -> None:
    """Count the items of a recorded clip with the finding and following that a station runs."""
    from edge.config import Station, load_station
    from edge.tools.count.annotate import ClipWriter
    from edge.tools.count.count import count_items, describe_clip

    # A clip is read several times; what is damaged is said once, at the end.
    with log_level("edge.devices.camera", logging.ERROR):
        if station is None:
            chosen = describe_clip(clip, kind, direction, _parse_region(region), fps)
        else:
            camera = {"type": "folder" if clip.is_dir() else "video", "path": clip, "frames_per_s": fps}
            chosen = Station.model_validate(load_station(station).model_dump() | {"camera": camera})
        if video is None:
            count = count_items(chosen)
        else:
            with ClipWriter(video) as writer:
                count = count_items(chosen, writer.write)
    if count.passed_over:
        what = "photos" if clip.is_dir() else "frames"
        complain(
            f"{clip}: {count.passed_over} of {count.passed_over + count.frames} {what} can't be decoded and were passed "
            "over, so items may be missing: copy it again, or count what is left with care"
        )
    if as_json:
        say(json.dumps(_as_table(clip, count), indent=2))
    else:
        _print(clip, count)


def _parse_region(text: str | None) -> Box | None:
    from edge.types import Box

    if text is None:
        return None
    try:
        x, y, width, height = (int(part) for part in text.split(","))
    except ValueError:
        raise ConfigError(f"--region {text!r}: expected X,Y,WIDTH,HEIGHT in whole pixels, as in 0,40,640,400") from None
    if min(x, y) < 0 or min(width, height) < 32:
        raise ConfigError(f"--region {text!r}: expected a corner inside the picture and at least 32 x 32 pixels")
    return Box(x, y, width, height)


def _as_table(clip: Path, count: Count) -> dict[str, object]:
    station = count.station
    return {
        "clip": str(clip),
        "kind": station.kind,
        "direction": None if station.belt is None else station.belt.direction,
        "frames": count.frames,
        "frames_passed_over": count.passed_over,
        "count": len(count.items),
        "items": [
            {
                "item": item.item_id,
                "seconds": round(count.seconds(item), 4),
                "speed_mm_per_s": round(item.speed_mm_per_s, 1),
                "length_mm": round(item.length_mm, 1),
                "lane": item.lane,
                "concern": item.reject_reason,
                "box": None
                if not item.crops
                else [getattr(item.crops[0].in_frame, k) for k in ("x", "y", "width", "height")],
            }
            for item in count.items
        ],
    }


def _print(clip: Path, count: Count) -> None:
    from rich.table import Table

    from edge.system.terminal import Terminal

    belt = count.station.belt
    kind = "a bin station" if belt is None else f"a conveyor to the {belt.direction}"
    unit = "px" if count.station.name == "clip" else "mm"
    table = Table(
        title=f"{clip.name}: {len(count.items)} items in {count.frames} frames, as {kind}", title_justify="left"
    )
    for name in ("item", "at s", f"speed {unit}/s", f"length {unit}", "remark"):
        table.add_column(name, justify="left" if name == "remark" else "right")
    for item in count.items:
        numbers = (f"{count.seconds(item):.3f}", f"{item.speed_mm_per_s:.0f}", f"{item.length_mm:.0f}")
        table.add_row(
            str(item.item_id), *(numbers if belt is not None else (numbers[0], "-", "-")), item.reject_reason or ""
        )
    Terminal().print(table)
