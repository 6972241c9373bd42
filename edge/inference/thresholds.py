"""The thresholds of a bundle as they are at one station."""

from __future__ import annotations

from dataclasses import replace

from edge.bundle.archive import Bundle
from edge.config.calibration.record import Calibration


def fitted(bundle: Bundle, calibration: Calibration | None) -> Bundle:
    """Return a bundle with the thresholds that were fitted for it on site; unchanged if there are none for it."""
    step = None if calibration is None else calibration.thresholds
    if step is None or step.bundle != bundle.digest:
        return bundle
    own = bundle.manifest.thresholds
    known = {label: step.minimum_score.get(label, score) for label, score in own.minimum_score.items()}
    update = {"temperature": step.temperature, "minimum_score": known, "purity": step.purity}
    # Only a copy of what was checked keeps the members' digests; the thresholds are checked like the bundle's own.
    thresholds = type(own).model_validate(own.model_dump() | update)
    return replace(bundle, manifest=bundle.manifest.model_copy(update={"thresholds": thresholds}))
