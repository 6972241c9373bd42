"""The step `background`: how the empty place looks, and how well items stand out from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge.bundle.geometry import InputGeometry
from edge.clock import NS_PER_S
from edge.config.calibration.record import BackgroundStep
from edge.errors import CalibrationError
from edge.interfaces import Trigger
from edge.sensing import build_trigger
from edge.sensing.still_view import StillView, learn_view, pack_view, small_grey
from edge.sensing.view import build_view
from edge.tools.calibrate.operator.operator import Operator, Prompt
from edge.tools.calibrate.rig import MeasurementRig
from edge.tools.calibrate.step_result import Outcome
from edge.transport import build_belt
from edge.types import Box, Crop, Image, Item

# Every so many frames one is kept for the statistics.
KEEP_EVERY = 5
VIEW_EVERY = 2
ITEMS_WANTED = 5
LEAST_ITEMS_S = 30.0
# Shares of the pixels that the model has for an item: from one on no more can be seen of it, and under the other far fewer
# items are sure (on a simulated belt recovery was 61 % with 0.87, 54 % with 0.55 and 49 % with 0.44: docs/figures.md).
PLENTY, LEAST = 0.85, 0.5
# Items that stand out by fewer standard deviations than this are missed or cut short now and then.
LEAST_SEPARABILITY = 5.0


@dataclass(frozen=True)
class _Empty:
    """The empty place over some seconds.

    Attributes:
        last: the newest picture.
        deviation: standard deviation of a pixel over time, median over the view, grey levels.
        false_items: items seen although there were none.
        still: what stands still before the camera; None: too few pictures to tell.
    """

    last: Image
    deviation: float
    false_items: int
    still: StillView | None


def measure_background(
    rig: MeasurementRig, operator: Operator, digest: str, geometry: InputGeometry, seconds: float = 20.0
) -> Outcome:
    """Watch the empty belt with the product's own eyes, then some items; `geometry` is that of what the model is shown.

    Raises:
        CalibrationError: something lies there or moves although it should be empty, or no item came.
    """
    operator.ask(Prompt.EMPTY)
    start_belt(rig, operator)
    trigger = build_trigger(rig.station, build_belt(rig.station))
    empty = _watch_empty(rig, operator, trigger, seconds)
    operator.ask(Prompt.ITEMS)
    items_seconds = max(LEAST_ITEMS_S, seconds)
    found = _watch_items(rig, operator, trigger, items_seconds)
    rig.run_belt(on=False)
    crops = [item.crops[0] for item in found if item.crops]
    if not crops:
        raise CalibrationError(
            f"no item was seen within {items_seconds:g} s: put items through the view, check that the belt runs, "
            "or raise sensing.sensitivity"
        )
    separability = _separability(crops, empty.last, max(empty.deviation, 0.5))
    step = BackgroundStep(
        measured_at="", of=digest, seconds=seconds, separability=separability, false_items=empty.false_items,
        item_pixels=float(np.median([max(crop.box.width, crop.box.height) for crop in crops])),
        view=None if empty.still is None else pack_view(empty.still),
    )  # fmt: skip
    lines = [
        f"The empty place was watched for {seconds:g} s; {_count(step.false_items)} seen there.",
        f"Items differ from it by {separability:.0f} times its own changes ({len(crops)} items looked at).",
        _pixels_line(step, _room(geometry)),
    ]
    if empty.still is not None and empty.still.is_telling:
        lines.append("What stands still around it was learnt: a camera that is moved will be noticed.")
    warnings = _warnings(step, empty.still, _room(geometry))
    return Outcome({"background": step}, tuple(lines), warnings, {"background": empty.last, "item": crops[-1].pixels})


def start_belt(rig: MeasurementRig, operator: Operator) -> None:
    """Let the belt run, after a warning; nothing where there is none."""
    if rig.station.belt is None:
        return
    operator.warn("The belt will run.")
    if not rig.has_relay:
        operator.ask(Prompt.BELT_ON)
    rig.run_belt(on=True)


def _watch_empty(rig: MeasurementRig, operator: Operator, trigger: Trigger, seconds: float) -> _Empty:
    belt = rig.station.belt
    view = build_view(rig.station.region, rig.size, "right" if belt is None else belt.direction)
    kept: list[Image] = []
    small: list[NDArray[np.float32]] = []
    false_items = 0
    last = rig.frame()
    with operator.progress(f"Watching the empty place for {seconds:g} s") as progress:
        first_at = last.captured_at
        for n, frame in enumerate(rig.frames_for(seconds)):
            false_items += len(trigger.observe(frame))
            last = frame
            if n % KEEP_EVERY == 0:
                kept.append(view.shrink(frame))
            if n % VIEW_EVERY == 0:
                small.append(small_grey(frame.smallest))
            progress(min(1.0, (frame.captured_at - first_at) / NS_PER_S / seconds))
    deviation = float(np.median(np.std(np.array(kept, np.float32), axis=0)))
    return _Empty(last.pixels, deviation, false_items, learn_view(small))


def _watch_items(rig: MeasurementRig, operator: Operator, trigger: Trigger, seconds: float) -> list[Item]:
    found: list[Item] = []
    with operator.progress("Watching some items") as progress:
        for frame in rig.frames_for(seconds):
            found += trigger.observe(frame)
            progress(min(1.0, len(found) / ITEMS_WANTED))
            if len(found) >= ITEMS_WANTED:
                break
    return found


def _separability(crops: Sequence[Crop], empty: Image, deviation: float) -> float:
    """Return the distance of the least distinct item from the background, in standard deviations."""
    return min(_distance(crop, empty) for crop in crops) / deviation


def _distance(crop: Crop, empty: Image) -> float:
    """Return by how many grey levels the middle of an item differs from the empty place: the upper quartile."""
    usual = np.median(empty[_middle(crop.in_frame)].reshape(-1, 3), axis=0)
    off = np.abs(crop.pixels[_middle(crop.box)].astype(np.float32) - usual).max(axis=2)
    return float(np.percentile(off, 75))


def _middle(box: Box) -> tuple[slice, slice]:
    """Return rows and columns of what lies inside a box, a fifth away from its sides."""
    return (
        slice(box.y + box.height // 5, box.y + box.height - box.height // 5),
        slice(box.x + box.width // 5, box.x + box.width - box.width // 5),
    )


def _room(geometry: InputGeometry) -> float:
    """Return how long an item is in what the model is shown, pixels."""
    return geometry.width / (1 + 2 * geometry.margin)


def _pixels_line(step: BackgroundStep, room: float) -> str:
    share = (step.item_pixels or 0) / room
    verdict = (
        "enough" if share >= PLENTY else "enough, though more would make it surer" if share >= LEAST else "too few"
    )
    return f"An item is {step.item_pixels:.0f} pixels long, and the model can make use of {room:.0f}: {verdict}."


def _count(items: int) -> str:
    return "nothing was" if items == 0 else "1 item was" if items == 1 else f"{items} items were"


def _warnings(step: BackgroundStep, still: StillView | None, room: float) -> tuple[str, ...]:
    found = []
    if still is None:
        found.append(
            "It was watched too briefly to learn what stands still around it; that is learnt at each start instead: "
            "--seconds 20 keeps it."
        )
    elif not still.is_telling:
        found.append(
            "Nothing with a pattern stands still in the picture (rails, screws, an edge): a camera that is moved can't be "
            "noticed. Let the picture reach a little beyond the belt; the region stays on the belt."
        )
    if step.false_items:
        found.append(
            f"{_count(step.false_items).capitalize()} seen although it was empty: clean the belt, keep people and their "
            "shadows out of the view, keep rails and other shining edges out of the region (not out of the picture), or "
            "lower sensing.sensitivity."
        )
    if step.separability < LEAST_SEPARABILITY:
        found.append(
            f"Items hardly stand out ({step.separability:.1f} deviations, expected at least {LEAST_SEPARABILITY:g}): "
            "use a belt of another colour, or more even light."
        )
    if step.item_pixels is not None and step.item_pixels < LEAST * room:
        found.append(
            f"Items are too small in the picture for the model to be sure of many of them: {step.item_pixels:.0f} pixels, "
            f"expected at least {LEAST * room:.0f}. Bring the camera closer, or raise camera.width and "
            "camera.height: finding items takes no longer in a large picture."
        )
    return tuple(found)
