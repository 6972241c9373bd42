"""Photo files to pixels, the same way for training, measuring and `sorter classify`."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from edge.errors import SorterError
from edge.types import Image

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff"})


class PhotoError(SorterError):
    """A file is no photo that can be read."""


def load_photo(path: Path) -> Image:
    """Read a photo as uint8 (height, width, 3) RGB, turned the way its EXIF entry says.

    Raises:
        PhotoError: the file can't be read, is no picture, or is cut off.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise PhotoError(f"{path}: can't read it ({error.strerror}): give the path of a photo") from None
    # OpenCV fills what is missing of a JPEG with grey and only warns.
    if content.startswith(b"\xff\xd8") and b"\xff\xd9" not in content[2:]:
        raise PhotoError(f"{path}: the JPEG is cut off ({len(content)} bytes): copy it again")
    try:
        pixels = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR) if content else None
    except cv2.error:
        pixels = None
    if pixels is None:
        raise PhotoError(f"{path}: expected a photo (JPEG, PNG, WebP, BMP, TIFF), got something else")
    return cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB)  # type: ignore[return-value]


def find_photos(paths: list[Path]) -> list[Path]:
    """Files as they are; of a folder all photos in it and below, in order of their names.

    Raises:
        PhotoError: a path does not exist, or a folder holds no photos.
    """
    found: list[Path] = []
    for path in paths:
        if not path.is_dir():
            found.append(path)
            continue
        inside = sorted(p for p in path.rglob("*") if p.suffix.lower() in SUFFIXES and p.is_file())
        if not inside:
            raise PhotoError(f"{path}: the folder holds no photos ({', '.join(sorted(SUFFIXES))})")
        found.extend(inside)
    return found
