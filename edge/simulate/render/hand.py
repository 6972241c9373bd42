"""What moves over a bin station: a hand that comes in from the side, and the plate when it turns away."""

from __future__ import annotations

from math import cos, sin
from typing import Final

import cv2
import numpy as np

from edge.simulate.render.exact import settled
from edge.types import Image

_SKIN: Final = (196, 152, 128)
_SLEEVE: Final = (52, 66, 92)


def draw_hand(picture: Image, place: tuple[float, float], angle: float) -> None:
    """Paint an arm that reaches in along an angle, with its fingertips at a place, in pixels."""
    scale = max(picture.shape[:2]) / 640
    tip = np.array(place)
    along = np.array([settled(cos(angle)), settled(sin(angle))])
    across = np.array([-along[1], along[0]])

    def stroke(begin: float, end: float, side: float, width: float, colour: tuple[int, int, int]) -> None:
        points = [tip + along * begin * scale + across * side * scale, tip + along * end * scale]
        first, last = (tuple(round(float(v)) for v in point) for point in points)
        cv2.line(picture, first, last, colour, round(width * scale), cv2.LINE_AA)

    stroke(150, 1400, 0, 120, _SLEEVE)
    stroke(60, 170, 0, 92, _SKIN)
    for side in (-34, -12, 12, 34):
        stroke(8, 70, side, 22, _SKIN)


def tilt_plate(picture: Image, tilt: float) -> None:
    """Turn the plate away from the lamp by a share; a dark gap opens at its lower edge."""
    cv2.convertScaleAbs(picture, dst=picture, alpha=1 - 0.45 * tilt)
    gap = round(picture.shape[0] * 0.25 * tilt)
    if gap:
        picture[-gap:] = (12, 12, 13)
