"""The steps of a calibration: what each needs to be known before, what it makes worthless, and how it is measured."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from edge.clock import VirtualClock
from edge.config import Station
from edge.config.calibration.overlay import step_digest
from edge.config.calibration.record import Calibration
from edge.errors import CalibrationError
from edge.inference.thresholds import fitted
from edge.models.fit import check_fit
from edge.models.select import open_station_bundle
from edge.tools.calibrate.measure.followers import Source
from edge.tools.calibrate.operator.operator import Operator
from edge.tools.calibrate.operator.samples import Wanted, take_samples
from edge.tools.calibrate.rig import MeasurementRig
from edge.tools.calibrate.step_result import Outcome
from edge.tools.calibrate.steps.background import measure_background
from edge.tools.calibrate.steps.belt import measure_belt
from edge.tools.calibrate.steps.camera import CameraOptions, measure_camera, usual_speed
from edge.tools.calibrate.steps.diverters import measure_diverters
from edge.tools.calibrate.steps.sensors import measure_sensors
from edge.tools.calibrate.steps.thresholds import measure_thresholds, photos_needed, wanted_labels
from edge.tools.calibrate.steps.verify import known_labels, verify_real, verify_simulated

# Items to verify with where no number was given.
SIMULATED_ITEMS, REAL_ITEMS = 40, 12


@dataclass(frozen=True)
class Options:
    """What a person gave by option; see the functions that measure."""

    camera: CameraOptions = field(default_factory=CameraOptions)
    seconds: float = 20.0
    passes: int = 5
    source: Source = "sheet"
    repeats: int | None = None
    only: tuple[str, ...] = ()  # actuators or sensors
    jog: bool = False
    photos: Path | None = None
    purity: float = 0.95
    items: int | None = None
    labels: tuple[str, ...] = ()  # of the items that are asked for


@dataclass(frozen=True)
class StepContext:
    """What a step works with; `station` is as it was written, `known` what was measured by now, `stamp` names files."""

    station: Station
    rig: MeasurementRig
    operator: Operator
    known: Calibration
    options: Options
    stamp: str

    def digest(self, step: str, part: str = "") -> str:
        """Return the digest of the settings that a step depends on."""
        return step_digest(self.station, step, part)

    def parts(self, step: str, names: list[str]) -> dict[str, str]:
        """Return the digests of the parts that are to be measured."""
        if unknown := set(self.options.only) - set(names):
            raise CalibrationError(
                f"no {step} of that name: {', '.join(sorted(unknown))}; there are: {', '.join(names)}"
            )
        return {name: self.digest(step, name) for name in self.options.only or names}


@dataclass(frozen=True)
class CalibrationStep:
    """One step; `needs_camera`: it builds on the camera's, `outdates`: steps whose results are worthless after it."""

    run: Callable[[StepContext], Outcome]
    needs_camera: bool = False
    outdates: tuple[str, ...] = ("verify",)  # what was verified before was another station


def _camera(context: StepContext) -> Outcome:
    speed = usual_speed(context.rig.station)
    return measure_camera(context.rig, context.operator, context.digest("camera"), speed, context.options.camera)


def _background(context: StepContext) -> Outcome:
    geometry = open_station_bundle(context.station).manifest.geometry
    digest = context.digest("background")
    return measure_background(context.rig, context.operator, digest, geometry, context.options.seconds)


def _belt(context: StepContext) -> Outcome:
    options = context.options
    return measure_belt(context.rig, context.operator, context.digest("belt"), options.passes, options.source)


def _diverters(context: StepContext) -> Outcome:
    digests = context.parts("diverters", [actuator.name for actuator in context.station.actuators])
    return measure_diverters(context.rig, context.operator, digests, context.options.repeats, jog=context.options.jog)


def _sensors(context: StepContext) -> Outcome:
    return measure_sensors(
        context.rig, context.operator, context.parts("sensors", list(context.station.pins_by_text()))
    )


def _thresholds(context: StepContext) -> Outcome:
    station, operator, options = context.station, context.operator, context.options
    bundle = open_station_bundle(station)
    check_fit(bundle, station, options.purity)
    photos = options.photos
    if photos is None:
        labels = wanted_labels(station, bundle, options.labels)
        count = max(options.items or 0, photos_needed(options.purity))
        wanted = Wanted(labels, count, bundle.manifest.geometry, context.stamp)
        photos = take_samples(context.rig, operator, wanted, station.state_folder)
    return measure_thresholds(station, operator, context.digest("thresholds"), bundle, photos, options.purity)


def _verify(context: StepContext) -> Outcome:
    station, rig, operator, options = context.station, context.rig, context.operator, context.options
    bundle = fitted(open_station_bundle(station), context.known)
    check_fit(bundle, station)
    digest = context.digest("verify")
    if isinstance(rig.clock, VirtualClock):
        items = options.items or SIMULATED_ITEMS
        return verify_simulated(station, rig.station, bundle, operator, digest, items)
    labels = known_labels(rig.station, options.labels, options.items or REAL_ITEMS)
    return verify_real(rig, operator, context.known, bundle, digest, labels)


STEPS: Final[Mapping[str, CalibrationStep]] = {
    "camera": CalibrationStep(_camera, outdates=("verify", "background")),  # it may hang elsewhere now
    "background": CalibrationStep(_background, needs_camera=True),
    "belt": CalibrationStep(_belt, needs_camera=True),
    "diverters": CalibrationStep(_diverters),
    "sensors": CalibrationStep(_sensors),
    "thresholds": CalibrationStep(_thresholds),
    "verify": CalibrationStep(_verify, outdates=()),
}
