"""What stands still before the camera, as one line of the calibration's file."""

from __future__ import annotations

import logging
from base64 import b64decode, b64encode
from dataclasses import replace

import numpy as np

from edge.config.calibration.record import Calibration
from edge.errors import CalibrationError
from edge.health.monitors.camera import StillView

log = logging.getLogger(__name__)


def pack_view(view: StillView) -> str:
    """Return a view as one line of text."""
    # An eighth of a grey level is less than any noise, and packs four times smaller.
    rounded = replace(view, pattern=np.asarray(np.round(view.pattern * 8) / 8, np.float32))
    return b64encode(rounded.to_bytes()).decode()


def stored_view(calibration: Calibration | None) -> StillView | None:
    """Return what stood still when a station was calibrated; None, with a warning, where that can't be read."""
    step = None if calibration is None else calibration.background
    if step is None or step.view is None:
        return None
    try:
        return unpack_view(step.view)
    except CalibrationError as error:
        log.warning("%s; what stands still is learnt anew: run `sorter calibrate background`", error)
        return None


def unpack_view(text: str) -> StillView:
    """Read what `pack_view` made.

    Raises:
        CalibrationError: it is something else.
    """
    try:
        return StillView.from_bytes(b64decode(text, validate=True))
    except ValueError as error:
        raise CalibrationError(f"the stored view of the camera is damaged ({error})") from None
