"""Photos of items as this station sees them: asked for label by label, cut out as the model gets them, and kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edge.bundle.geometry import InputGeometry
from edge.bundle.pictures import encode_png
from edge.bundle.preprocess import prepare_crop
from edge.clock import NS_PER_S
from edge.errors import CalibrationError
from edge.interfaces import Trigger
from edge.sensing import build_trigger
from edge.system.files import write_atomically
from edge.tools.calibrate.operator.operator import Operator, Prompt
from edge.tools.calibrate.rig import MeasurementRig
from edge.tools.calibrate.steps.background import start_belt
from edge.transport import build_belt
from edge.types import Crop, Image

SAMPLES_FOLDER = "samples"
PATIENCE_S = 90.0


@dataclass(frozen=True)
class Wanted:
    """Which photos are to be taken: so many of each label, cut as a model wants them, under names with a stamp."""

    labels: Sequence[str]
    each: int
    geometry: InputGeometry
    stamp: str


def take_samples(rig: MeasurementRig, operator: Operator, wanted: Wanted, folder: Path) -> Path:
    """Ask for items label by label; return the folder with a folder of photos for each label.

    What is kept is exactly what the model gets. Photos from before stay and count too.

    Raises:
        CalibrationError: items did not come, or photos can't be kept.
    """
    operator.ask(Prompt.EMPTY)
    start_belt(rig, operator)
    try:
        trigger = build_trigger(rig.station, build_belt(rig.station))
        rig.frames(5)
        for label in wanted.labels:
            operator.ask(Prompt.ITEMS_OF, f"{label}, {wanted.each} of them")
            with operator.progress(f"Taking photos of {label}") as progress:
                for n in range(wanted.each):
                    crop = _next_crop(rig, operator, trigger, label)
                    photo = prepare_crop(crop.pixels, crop.box, wanted.geometry)
                    _keep(photo, folder / SAMPLES_FOLDER / label / f"{wanted.stamp}-{n + 1:03}.png")
                    progress((n + 1) / wanted.each)
    finally:
        rig.run_belt(on=False)
    return folder / SAMPLES_FOLDER


def _next_crop(rig: MeasurementRig, operator: Operator, trigger: Trigger, label: str) -> Crop:
    operator.ask(Prompt.NEXT_ITEM, label)
    since = rig.clock.now()
    for frame in rig.frames_for(PATIENCE_S):
        for item in trigger.observe(frame):
            if item.crops and item.reject_reason is None:
                return item.crops[0]
    waited_s = (rig.clock.now() - since) / NS_PER_S
    raise CalibrationError(
        f"no further {label} was seen within {waited_s:.0f} s: put one item after the other through, with a gap between them"
    )


def _keep(photo: Image, path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, encode_png(photo))
    except OSError as error:
        raise CalibrationError(
            f"{path}: photos can't be kept: {error.strerror}; the old calibration is unchanged"
        ) from None
