"""What a diverter in view looks like: an arm that swings in from the side of the belt."""

from __future__ import annotations

from math import cos, radians, sin
from typing import Final

import cv2
import numpy as np

from edge.simulate.render.exact import settled
from edge.types import Image

_SWING: Final = radians(55)
_COLOUR: Final = (206, 172, 46)
_THICK: Final = 0.14  # of its length
_SHIFT: Final = 4  # bits of sub-pixels


def draw_arm(window: Image, hinge_px: float, length_px: float, extension: float) -> None:
    """Paint an arm whose hinge is at the belt's edge `hinge_px` along it; it lies along the edge at extension 0."""
    angle = _SWING * extension
    along = np.array([settled(cos(angle)), settled(sin(angle))])
    across = np.array([-along[1], along[0]]) * length_px * _THICK
    hinge = np.array([hinge_px, 2.0])
    corners = np.array([hinge, hinge + along * length_px, hinge + along * length_px + across, hinge + across])
    points = np.rint(corners * (1 << _SHIFT)).astype(np.int32)
    cv2.fillConvexPoly(window, points, _COLOUR, cv2.LINE_AA, _SHIFT)
