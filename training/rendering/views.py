"""Training views: what a camera over another surface, in another light, would have seen of a photographed object."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.bundle.preprocess import InputGeometry, prepare_crop
from edge.types import Image
from training.rendering.backgrounds import Generator, draw_background
from training.rendering.cameras import cheapen, move, recede
from training.rendering.wear import crush, soil

Mask = NDArray[np.uint8]


@dataclass(frozen=True)
class ViewSettings:
    """Shares of the kinds of views, and how strong light and colour change (0: not at all, 1: as on the worst belts)."""

    composite_share: float = 0.55
    plain_share: float = 0.12  # the photo whole, as the device would prepare it, only mirrored and turned
    strength: float = 1.0
    clutter_share: float = 0.15
    belt_share: float = 0.0
    partial_share: float = 0.0
    crush_share: float = 0.0
    dirt_share: float = 0.0
    motion_share: float = 0.0
    distant_share: float = 0.0
    camera_share: float = 0.0


@dataclass(frozen=True)
class Surroundings:
    """Real photos for backgrounds, and other objects (photo, mask) that may lie in the corner of a view."""

    photos: Sequence[Image]
    clutter: Sequence[tuple[Image, Mask]] = ()


def make_view(
    photo: Image,
    mask: Mask | None,
    geometry: InputGeometry,
    around: Surroundings,
    rng: Generator,
    settings: ViewSettings = ViewSettings(),
) -> Image:
    """Return one view, uint8 (height, width, 3), as `prepare_crop` would hand it to the network."""
    if settings.plain_share >= 1.0:
        return prepare_crop(photo, None, geometry)
    kind = rng.random()
    if kind < settings.plain_share:
        return _turned(prepare_crop(photo, None, geometry), rng)
    if _happens(rng, settings.crush_share):
        photo, mask = crush(photo, mask, rng)
    if kind < settings.plain_share + settings.composite_share and mask is not None:
        view = _composite(photo, mask, geometry.width, around, rng, settings)
    else:
        view = _cropped(photo, geometry, rng)
    view = _mirrored(view, rng)
    if _happens(rng, settings.dirt_share):
        view = soil(view, rng)
    return _seen(view, geometry.margin, rng, settings)


def _happens(rng: Generator, share: float) -> bool:
    """Whether chance has it; what never happens draws no number, so that all else stays as it was."""
    return share > 0 and rng.random() < share


def _seen(view: Image, margin: float, rng: Generator, settings: ViewSettings) -> Image:
    """What a camera makes of it."""
    if _happens(rng, settings.motion_share):
        view = move(view, rng)
    if _happens(rng, settings.distant_share):
        view = recede(view, rng, margin)
    view = _developed(view, rng, settings.strength)
    return cheapen(view, rng) if _happens(rng, settings.camera_share) else view


def whole_mask(photo: Image) -> Mask:
    """The mask of a photo that its object fills: a sheet of paper or board, an inch within the photo's outline."""
    height, width = photo.shape[:2]
    mask = np.zeros((height, width), np.uint8)
    rim_y, rim_x = round(0.08 * height), round(0.08 * width)
    mask[rim_y:-rim_y, rim_x:-rim_x] = 255
    return mask


def nothing_view(geometry: InputGeometry, around: Surroundings, rng: Generator, settings: ViewSettings) -> Image:
    """Return a view without an object."""
    ground = draw_background(rng, geometry.width, around.photos, settings.belt_share)
    return _seen(ground, geometry.margin, rng, settings)


def _cropped(photo: Image, geometry: InputGeometry, rng: Generator) -> Image:
    """A random part of the photo, turned by any angle; what lies outside repeats the photo's edge."""
    size = geometry.width
    height, width = photo.shape[:2]
    larger = max(height, width)
    scale = size / (larger * rng.uniform(0.55, 1.1))
    angle = rng.choice([0, 90, 180, 270]) + rng.uniform(-20, 20)
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), float(angle), scale)
    shift = rng.uniform(-0.15, 0.15, 2) * size
    matrix[:, 2] = matrix[:, 2] + np.array([size / 2 - width / 2, size / 2 - height / 2]) + shift
    return np.asarray(
        cv2.warpAffine(photo, matrix, (size, size), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE),
        dtype=np.uint8,
    )


def _composite(
    photo: Image, mask: Mask, size: int, around: Surroundings, rng: Generator, settings: ViewSettings
) -> Image:
    canvas = draw_background(rng, size, around.photos, settings.belt_share).astype(np.float32)
    if around.clutter and rng.random() < settings.clutter_share:
        other, other_mask = around.clutter[int(rng.integers(len(around.clutter)))]
        corner = rng.choice([-1.0, 1.0], 2) * rng.uniform(0.38, 0.6, 2)
        canvas = _pasted(canvas, other, other_mask, rng.uniform(0.25, 0.6), corner, rng)
    share = rng.uniform(0.45, 1.0) if rng.random() < 0.8 else rng.uniform(1.0, 1.5)
    shift = rng.uniform(-0.12, 0.12, 2)
    if _happens(rng, settings.partial_share):  # half of it is beyond the picture's edge
        shift[int(rng.integers(2))] = rng.choice([-1, 1]) * rng.uniform(0.3, 0.5)
    pasted = _pasted(canvas, photo, mask, share, shift, rng)
    return np.asarray(np.clip(pasted, 0, 255), dtype=np.uint8)


def _pasted(
    canvas: np.ndarray, photo: Image, mask: Mask, share: float, shift: np.ndarray, rng: Generator
) -> np.ndarray:
    """Lay the object on the canvas, its longer side `share` of the canvas, turned, tilted, with a shadow."""
    size = canvas.shape[0]
    left, top, width, height = cv2.boundingRect((mask > 127).astype(np.uint8))
    if width == 0:
        return canvas
    scale = size * share / max(width, height)
    angle = rng.uniform(0, 360) if rng.random() < 0.7 else 90.0 * rng.integers(4)
    centre = (left + width / 2, top + height / 2)
    matrix = cv2.getRotationMatrix2D(centre, float(angle), scale)
    matrix[:, :2] = matrix[:, :2] @ np.diag(rng.uniform(0.85, 1.18, 2))
    matrix[:, 2] = np.array([size / 2, size / 2]) + shift * size - matrix[:, :2] @ np.array(centre)
    interpolation = cv2.INTER_AREA if scale < 0.7 else cv2.INTER_LINEAR
    warped = cv2.warpAffine(photo, matrix, (size, size), flags=interpolation, borderMode=cv2.BORDER_REPLICATE)
    warped_mask = cv2.warpAffine(mask, matrix, (size, size), flags=cv2.INTER_LINEAR)
    alpha = np.asarray(warped_mask, dtype=np.float32) / np.float32(255.0)
    if rng.random() < 0.65:
        offset = rng.integers(-14, 15, 2)
        moved = np.roll(alpha, (int(offset[0]), int(offset[1])), (0, 1))
        shadow = np.asarray(cv2.GaussianBlur(moved, (0, 0), float(rng.uniform(2, 12))))
        canvas = canvas * (1 - shadow[..., None] * rng.uniform(0.15, 0.65))
    soft = np.asarray(cv2.GaussianBlur(alpha, (0, 0), 0.7))[..., None]
    # The board's light is baked into the object; another surface throws another amount of it.
    lit = np.asarray(warped, dtype=np.float32) * rng.uniform(0.65, 1.2) * rng.uniform(0.92, 1.08, 3)
    return np.asarray(lit * soft + canvas * (1 - soft))


def _turned(view: Image, rng: Generator) -> Image:
    """One of the square's eight symmetries."""
    return _mirrored(np.ascontiguousarray(np.rot90(view, int(rng.integers(4)))), rng)


def _mirrored(view: Image, rng: Generator) -> Image:
    return np.ascontiguousarray(view[:, ::-1]) if rng.random() < 0.5 else view


def _developed(view: Image, rng: Generator, strength: float) -> Image:
    """Light, colour cast, saturation, contrast, uneven light, blur, motion, fewer pixels, sensor noise."""
    pixels: np.ndarray = view.astype(np.float32)
    s = strength
    pixels = pixels * (np.exp(rng.normal(0, 0.22 * s)) * np.exp(rng.normal(0, 0.06 * s, 3))).astype(np.float32)
    grey = pixels.mean(axis=2, keepdims=True)
    pixels = grey + (pixels - grey) * rng.uniform(1 - 0.5 * s, 1 + 0.4 * s)
    mean = pixels.mean()
    pixels = mean + (pixels - mean) * rng.uniform(1 - 0.35 * s, 1 + 0.35 * s)
    if rng.random() < 0.3:
        height, width = view.shape[:2]
        slope = np.linspace(-1, 1, width, dtype=np.float32)[None, :, None] * rng.uniform(-0.3, 0.3) * s
        pixels = pixels * (1 + np.rot90(np.broadcast_to(slope, (height, width, 1)), int(rng.integers(4))))
    if rng.random() < 0.35:
        pixels = _softened(pixels, rng)
    pixels = pixels + rng.normal(0, rng.uniform(0, 6 * s), view.shape)
    return np.asarray(np.clip(pixels, 0, 255), dtype=np.uint8)


def _softened(pixels: np.ndarray, rng: Generator) -> np.ndarray:
    kind = rng.integers(3)
    height, width = pixels.shape[:2]
    if kind == 0:
        return np.asarray(cv2.GaussianBlur(pixels, (0, 0), float(rng.uniform(0.6, 2.0))))
    if kind == 1:
        length = int(rng.integers(3, 12))
        kernel = np.full((1, length), 1.0 / length, np.float32)
        return np.asarray(cv2.filter2D(pixels, -1, kernel if rng.random() < 0.5 else kernel.T))
    side = int(rng.integers(70, 190))
    small = cv2.resize(pixels, (side, side), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR))
