"""How many millimetres a pixel is, from the printed sheet in the picture."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.errors import CalibrationError
from edge.sensing.marker_sheet import board
from edge.types import Box, Image

# Two markers are 8 corners: the fewest that show a mistake in a homography's 8 numbers.
_MIN_MARKERS = 2
# Corners are found to about half a pixel; more than a whole one is a bent sheet.
_MAX_RESIDUAL_PIXELS = 1.0


@dataclass(frozen=True, slots=True)
class Scale:
    """What one or more pictures of the sheet say.

    Attributes:
        mm_per_pixel: at the middle of the region, geometric mean of along and across.
        spread: standard deviation over the pictures; of one picture 0.
        tilt_degrees: how the sheet lies in the picture, between -45 and 45.
        origin_mm: place on the sheet that is at the middle of the region; moves with the belt.
        beyond_mm: how far that place lies outside of the markers that were read; far out it is a guess.
        turn: rotation (2, 2), row by row, from the sheet's axes to the picture's.
        markers: how many were read.
        residual_mm: root mean square distance of the corners from where the fit has them.
    """

    mm_per_pixel: float
    spread: float
    tilt_degrees: float
    origin_mm: tuple[float, float]
    markers: int
    residual_mm: float
    beyond_mm: float = 0.0
    turn: tuple[float, float, float, float] = (1.0, 0.0, 0.0, 1.0)


def find_scale(picture: Image, region: Box) -> Scale:
    """Measure one picture, (height, width, 3), RGB.

    Raises:
        CalibrationError: there is no sheet in it, or it does not lie flat.
    """
    pixels, millimetres, markers = _find_corners(picture)
    if markers < _MIN_MARKERS:
        raise CalibrationError(
            f"the printed sheet is not in the picture (markers read: {markers}, at least {_MIN_MARKERS} are needed): "
            "lay it flat under the camera, face up, whole markers in view, evenly lit; "
            "print it with `sorter calibrate sheet`"
        )
    fit, _ = cv2.findHomography(pixels, millimetres, cv2.RANSAC, 1.0)
    if fit is None:
        raise CalibrationError("the sheet's markers don't lie in one plane: lay it flat")
    middle = np.array(region.centre)
    jacobian = _jacobian(np.asarray(fit, np.float64), middle)
    mm_per_pixel = math.sqrt(abs(float(np.linalg.det(jacobian))))
    fitted = cv2.perspectiveTransform(pixels[None], fit)[0]
    residual = float(np.sqrt(((fitted - millimetres) ** 2).sum(axis=1).mean()))
    if residual > _MAX_RESIDUAL_PIXELS * mm_per_pixel:
        raise CalibrationError(
            f"the sheet is bent, or the lens distorts: its markers are off by {residual:.1f} mm "
            f"(at most {_MAX_RESIDUAL_PIXELS * mm_per_pixel:.1f} mm): lay it flat in the middle of the view"
        )
    origin = cv2.perspectiveTransform(middle[None, None].astype(np.float64), fit)[0, 0]
    tilt = math.degrees(math.atan2(jacobian[1, 0], jacobian[0, 0]))
    return Scale(
        mm_per_pixel=mm_per_pixel,
        spread=0.0,
        tilt_degrees=(tilt + 45) % 90 - 45,
        origin_mm=(float(origin[0]), float(origin[1])),
        markers=markers,
        residual_mm=residual,
        beyond_mm=float(np.hypot(*(origin - np.clip(origin, millimetres.min(axis=0), millimetres.max(axis=0))))),
        turn=_turn(jacobian),
    )


def _turn(jacobian: NDArray[np.float64]) -> tuple[float, float, float, float]:
    """Return the rotation nearest to the inverse of d(mm)/d(pixel): its polar decomposition."""
    u, _, v = np.linalg.svd(np.linalg.inv(jacobian))
    a, b, c, d = (float(value) for value in (u @ v).ravel())
    return a, b, c, d


def shows_sheet(picture: Image) -> bool:
    """Say whether any marker of the sheet is in the picture."""
    return _find_corners(picture)[2] > 0


def combine(scales: Sequence[Scale]) -> Scale:
    """Return the median over several pictures, with its spread."""
    values = [scale.mm_per_pixel for scale in scales]
    return Scale(
        mm_per_pixel=float(np.median(values)),
        spread=float(np.std(values)),
        tilt_degrees=float(np.median([scale.tilt_degrees for scale in scales])),
        origin_mm=scales[-1].origin_mm,
        markers=min(scale.markers for scale in scales),
        residual_mm=max(scale.residual_mm for scale in scales),
        turn=scales[-1].turn,
    )


def scale_from_ruler(length_mm: float, length_pixels: float) -> float:
    """Return mm per pixel from one known length in the picture.

    Raises:
        CalibrationError: one of the lengths is not positive, or the line is too short to be exact.
    """
    if length_mm <= 0 or length_pixels < 50:
        raise CalibrationError(
            f"expected a length in mm above 0 over at least 50 pixels, got {length_mm:g} mm over {length_pixels:g} pixels"
        )
    return length_mm / length_pixels


def _find_corners(picture: Image) -> tuple[NDArray[np.float64], NDArray[np.float64], int]:
    """Return all corners read, in pixels and in millimetres of the sheet, (n, 2) each, and the number of markers."""
    grid = board()
    parameters = cv2.aruco.DetectorParameters()
    parameters.cornerRefinementMethod = cv2.aruco.CORNER_REFINE_SUBPIX
    parameters.cornerRefinementWinSize = 3
    detector = cv2.aruco.ArucoDetector(grid.getDictionary(), parameters)
    corners, ids, _ = detector.detectMarkers(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY))
    if ids is None:
        return np.empty((0, 2)), np.empty((0, 2)), 0
    places = {int(i): np.asarray(p, np.float64)[:, :2] for i, p in zip(grid.getIds(), grid.getObjPoints(), strict=True)}
    read = [
        (np.asarray(c, np.float64).reshape(4, 2), places[int(i)])
        for c, i in zip(corners, ids.ravel(), strict=True)
        if int(i) in places
    ]
    if not read:
        return np.empty((0, 2)), np.empty((0, 2)), 0
    return np.concatenate([c for c, _ in read]), np.concatenate([p for _, p in read]), len(read)


def _jacobian(fit: NDArray[np.float64], at: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return d(mm)/d(pixel), (2, 2), of a homography at a point: the quotient rule on its three rows."""
    x, y, w = fit @ np.array([at[0], at[1], 1.0])
    return np.array(
        [
            [(fit[0, 0] * w - fit[2, 0] * x) / w**2, (fit[0, 1] * w - fit[2, 1] * x) / w**2],
            [(fit[1, 0] * w - fit[2, 0] * y) / w**2, (fit[1, 1] * w - fit[2, 1] * y) / w**2],
        ]
    )
