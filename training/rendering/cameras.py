"""What a camera over a belt makes of a view: blur of motion, few pixels, and all that cheap lenses and sensors add."""

from __future__ import annotations

import cv2
import numpy as np

from edge.types import Image

Generator = np.random.Generator


def move(view: Image, rng: Generator) -> Image:
    """Blur along any direction: a belt of 0.5 m/s under an exposure of 10 ms goes 12 pixels of 0.4 mm."""
    length = float(rng.uniform(4, 22))
    side = 2 * int(np.ceil(length / 2)) + 1
    kernel, angle = np.zeros((side, side), np.float32), rng.uniform(0, np.pi)
    reach = length / 2 * np.array([np.cos(angle), np.sin(angle)])
    ends = [tuple(np.round((side // 2 + sign * reach) * 16).astype(int).tolist()) for sign in (-1, 1)]
    cv2.line(kernel, ends[0], ends[1], 1.0, 1, cv2.LINE_AA, shift=4)
    return np.asarray(cv2.filter2D(view, -1, kernel / kernel.sum(), borderType=cv2.BORDER_REPLICATE), dtype=np.uint8)


def recede(view: Image, rng: Generator, margin: float) -> Image:
    """The item of 70 to 120 pixels that a camera high above a wide belt has of it, brought up to the input's size."""
    height, width = view.shape[:2]
    side = round(float(rng.uniform(70, 120)) * (1 + 2 * margin))
    small = np.asarray(cv2.resize(view, (side, side), interpolation=cv2.INTER_AREA), dtype=np.uint8)
    if rng.random() < 0.5:
        small = _compressed(small, int(rng.integers(45, 90)))
    return np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR), dtype=np.uint8)


def cheapen(view: Image, rng: Generator) -> Image:
    """A dark rim, a wrong white balance, another tone curve, blotches of colour, and JPEG."""
    height, width = view.shape[:2]
    y, x = (np.linspace(-1, 1, edge, dtype=np.float32) - rng.uniform(-0.4, 0.4) for edge in (height, width))
    rim = 1 - rng.uniform(0, 0.4) * np.minimum(np.square(y)[:, None] + np.square(x)[None], 2.0) / 2
    warm, green = rng.normal(0, 0.12), rng.normal(0, 0.05)
    balance = np.array([1 + warm, 1 + green, 1 - warm], np.float32)
    pixels = np.clip(view * rim[..., None] * balance, 0, 255) / 255
    pixels = np.power(pixels, float(np.exp(rng.normal(0, 0.25)))) * 255
    blotches = rng.normal(0, rng.uniform(0, 10), (28, 28, 3)).astype(np.float32)
    pixels = pixels + np.asarray(cv2.resize(blotches, (width, height), interpolation=cv2.INTER_LINEAR))
    return _compressed(np.asarray(np.clip(pixels, 0, 255), dtype=np.uint8), int(rng.integers(30, 90)))


def _compressed(view: Image, quality: int) -> Image:
    """As JPEG of this quality leaves it; the order of the channels is the encoder's business alone."""
    packed = cv2.imencode(".jpg", view[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    return np.ascontiguousarray(np.asarray(cv2.imdecode(packed, cv2.IMREAD_COLOR), dtype=np.uint8)[..., ::-1])
