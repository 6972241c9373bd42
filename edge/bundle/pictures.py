"""Pictures for people and for later training: cut out, made smaller, encoded. What the network sees is in `preprocess.py`."""

from __future__ import annotations

import cv2
import numpy as np

from edge.types import Box, Image

KEPT_QUALITY = 92
"""JPEG quality of pictures that are trained on later: close to lossless for a classifier, a tenth of the size."""


def cut_out(pixels: Image, box: Box, border: int = 0) -> Image | None:
    """Return a copy of the box and `border` pixels around it, as far as they lie in the picture; None if nothing does.

    A copy, so that the whole frame can be freed.
    """
    top, left = max(box.y - border, 0), max(box.x - border, 0)
    view = pixels[top : max(box.y + box.height + border, 0), left : max(box.x + box.width + border, 0)]
    return view.copy() if view.size else None


def cut_square(pixels: Image, box: Box, margin: float) -> Image | None:
    """Return a copy of what the network is shown of the box: the square about it, grown by the margin on each side.

    Only as far as that lies in the picture (`prepare_crop` repeats the edge beyond it); None if nothing does.
    """
    larger = max(box.width, box.height)
    side = larger + 2 * round(larger * margin)
    return cut_out(pixels, Box((2 * box.x + box.width - side) // 2, (2 * box.y + box.height - side) // 2, side, side))


def shrink(pixels: Image, scale: float) -> Image:
    """Return the picture made smaller by means over areas; the same one for a scale of 1 or more."""
    if scale >= 1:
        return pixels
    size = (max(1, round(pixels.shape[1] * scale)), max(1, round(pixels.shape[0] * scale)))
    return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.uint8)


def thumbnail(pixels: Image, longest: int) -> Image:
    """Return the picture with its longer side at most `longest` pixels; a smaller one stays as it is."""
    return shrink(pixels, longest / max(pixels.shape[:2]))


def encode_jpeg(pixels: Image, quality: int = 95) -> bytes:
    """Return an RGB picture as a JPEG."""
    return _encode(pixels, ".jpg", cv2.IMWRITE_JPEG_QUALITY, quality)


def encode_png(pixels: Image) -> bytes:
    """Return an RGB picture as a PNG, without loss."""
    return _encode(pixels, ".png")


def _encode(pixels: Image, kind: str, *options: int) -> bytes:
    return cv2.imencode(kind, cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR), options)[1].tobytes()
