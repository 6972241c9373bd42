"""What disturbances do to the camera's picture."""

from __future__ import annotations

from collections.abc import Callable
from math import sin

import cv2
import numpy as np

from edge.simulate.render.exact import multiply, settled
from edge.simulate.render.warp import turn_about, warped
from edge.simulate.world.faults import InjectedFault
from edge.types import Image

IsActive = Callable[[InjectedFault], bool]


def spoil(picture: Image, seconds: float, is_active: IsActive) -> Image:
    """Return the picture as a knocked camera or a shadow leaves it; the picture itself may be changed."""
    if is_active(InjectedFault.CAMERA_MOVED):
        picture = _moved(picture)
    if is_active(InjectedFault.SHADOW):
        _shade(picture, seconds)
    return picture


def gain_of(is_active: IsActive) -> float:
    """Return the factor on the brightness."""
    if is_active(InjectedFault.CAMERA_BLACK):
        return 0.0
    if is_active(InjectedFault.CAMERA_OVEREXPOSED):
        return 6.0
    return 0.72 if is_active(InjectedFault.LAMP_STEP) else 1.0


def _moved(picture: Image) -> Image:
    """Somebody knocked the camera: shifted by 5 % and turned by 4 degrees."""
    height, width = picture.shape[:2]
    turn = turn_about((width / 2, height / 2), 4.0)
    turn[:, 2] += (0.05 * width, 0.04 * height)
    return warped(picture, turn, (width, height), cv2.BORDER_REPLICATE)


def _shade(picture: Image, seconds: float) -> None:
    """A soft shadow, a third of the picture wide, that moves to and fro."""
    width = picture.shape[1]
    middle = width * (0.5 + 0.6 * settled(sin(seconds * 0.9)))
    reach = np.clip(1.3 - np.abs(np.arange(width) - middle) / (width / 6), 0, 1)
    light = np.rint(255 - 95 * reach).astype(np.uint8)
    whole = np.ascontiguousarray(np.broadcast_to(light[None, :, None], picture.shape))
    multiply(picture, whole, 1 / 255)
