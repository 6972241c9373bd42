"""Calibrating a station: which steps are due, running them on what is known so far, and keeping the result."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from edge.bundle.pictures import encode_jpeg
from edge.clock import stamp_of
from edge.config import Station
from edge.config.calibration.files import save_calibration
from edge.config.calibration.overlay import apply_calibration, without_stale
from edge.config.calibration.record import Calibration
from edge.errors import CalibrationError
from edge.system.files import write_atomically
from edge.tools.calibrate.operator.operator import Operator
from edge.tools.calibrate.report import needed_steps, step_state
from edge.tools.calibrate.rig import MeasurementRig
from edge.tools.calibrate.step_result import Outcome
from edge.tools.calibrate.steps.table import STEPS, CalibrationStep, Options, StepContext
from edge.types import Image

PICTURES_FOLDER = "calibration-pictures"


@dataclass
class CalibrationSession:
    """Steps at one station; `calibration` is what is known so far, and nothing is written before `save`."""

    written: Station
    rig: MeasurementRig
    operator: Operator
    calibration: Calibration
    options: Options = field(default_factory=Options)
    steps: Mapping[str, CalibrationStep] = field(default_factory=lambda: STEPS)
    pictures: dict[str, Image] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)

    @classmethod
    def begin(
        cls, written: Station, rig: MeasurementRig, operator: Operator, old: Calibration | None, options: Options
    ) -> CalibrationSession:
        """Take up what still holds of the old calibration."""
        kept = Calibration(station=written.name) if old is None else without_stale(written, old)
        if old is not None and old.station != written.name:
            operator.say(f"What was measured here belongs to station {old.station}: everything is measured anew.")
        if kept.camera is not None and kept.camera.identity != rig.identity:
            operator.say(f"This is another camera ({rig.identity}): what was measured in pictures is measured anew.")
            kept = kept.with_values(**dict.fromkeys(("camera", "background", "thresholds", "verify")))
        return cls(written, rig, operator, kept, options)

    def all_steps(self) -> list[str]:
        """Return the steps that the station needs."""
        # Without photos of this station the model's own thresholds are the best there is.
        left_out = {"thresholds"} if self.options.photos is None else set()
        if self.rig.world is None and not self.operator.is_there:
            left_out.add("verify")  # somebody has to put the items in
        return [step for step in needed_steps(self.written) if step not in left_out]

    def due(self) -> list[str]:
        """Return those of them that are missing, incomplete or were stale."""
        return [step for step in self.all_steps() if step_state(self.written, self.calibration, step) != "done"]

    def run(self, step: str, wall_time: float) -> Outcome:
        """Measure one step on top of what is known; `wall_time` dates it.

        Raises:
            CalibrationError: what is wrong at the station, or in which order to go.
        """
        base = self.calibration.with_values(camera=None) if step == "camera" else self.calibration
        if self.steps[step].needs_camera and base.camera is None:
            raise CalibrationError(f"the step {step} builds on the camera's: run `sorter calibrate camera` first")
        self.rig.use(apply_calibration(self.written, base))
        context = StepContext(
            self.written, self.rig, self.operator, self.calibration, self.options, stamp_of(wall_time)
        )
        try:
            outcome = self.steps[step].run(context)
        except ValidationError as error:
            told = "; ".join(f"{'.'.join(map(str, p['loc']))} = {p['input']!r}: {p['msg']}" for p in error.errors())
            raise CalibrationError(f"{step}: what was measured is out of range ({told}); nothing was kept") from None
        finally:
            self.rig.run_belt(on=False)
        date = datetime.fromtimestamp(wall_time, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        self.accept(step, outcome.changes, date)
        self.pictures |= outcome.pictures
        self.files |= outcome.files
        return outcome

    def accept(self, step: str, changes: Mapping[str, Any], date: str) -> None:
        """Take over what a step has measured, and drop what that makes worthless."""
        dated = {key: self._dated(key, value, date) for key, value in changes.items()}
        self.calibration = self.calibration.with_values(**{**self._outdated_by(step), **dated})

    def _outdated_by(self, step: str) -> dict[str, None]:
        """Return what a new measurement makes worthless."""
        outdated = list(self.steps[step].outdates)
        belt = self.calibration.belt
        if step == "camera" and belt is not None and belt.measured_from == "items":
            outdated.append("belt")  # by pictures of the old scale
        return dict.fromkeys(outdated)

    def save(self, wall_time: float) -> tuple[Path, Path | None]:
        """Write the calibration, and the pictures that belong to it; return where they are."""
        folder = self.written.state_folder
        stamp = stamp_of(wall_time)
        album = self._save_album(folder / PICTURES_FOLDER / stamp) if self.pictures or self.files else None
        return save_calibration(folder, self.calibration, stamp), album

    def _save_album(self, folder: Path) -> Path:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for name, picture in self.pictures.items():
                write_atomically(folder / f"{name}.jpg", encode_jpeg(picture))
            for name, text in self.files.items():
                write_atomically(folder / name, text.encode())
        except OSError as error:
            raise CalibrationError(
                f"{folder}: pictures can't be written: {error.strerror}; the old calibration is unchanged"
            ) from None
        return folder

    def _dated(self, key: str, value: Any, date: str) -> Any:
        """Put the date in; parts that were not measured this time stay."""
        if isinstance(value, dict):
            before = getattr(self.calibration, key)
            return before | {name: part.with_values(measured_at=date) for name, part in value.items()}
        return value.with_values(measured_at=date)
