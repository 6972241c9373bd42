"""Photo files to pixels, the same way for training, measuring and `sorter classify`."""

from __future__ import annotations

import io
import struct
import warnings
from pathlib import Path

import cv2
import numpy as np

from edge.errors import DatasetError
from edge.system.files import read_regular
from edge.types import Image

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff"})
"""Of files that are read."""
MOST_PIXELS = 120_000_000
"""The largest phones take 108 million; a file of some kilobytes can claim billions, and would take all memory."""

MOST_BYTES = 4 * MOST_PIXELS
"""A photo of so many pixels that is not even compressed."""

_BRANDS = {
    b"heic": "HEIC", b"heix": "HEIC", b"hevc": "HEIC", b"mif1": "HEIC", b"msf1": "HEIC", b"avif": "AVIF", b"avis": "AVIF",
}  # fmt: skip
_JPEG = b"\xff\xd8"
_ORIENTATION = 0x0112
_REDUCED = {
    1: cv2.IMREAD_COLOR, 2: cv2.IMREAD_REDUCED_COLOR_2, 4: cv2.IMREAD_REDUCED_COLOR_4, 8: cv2.IMREAD_REDUCED_COLOR_8,
}  # fmt: skip
_FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF")
_HOSTILE = (OSError, SyntaxError, ValueError, KeyError, TypeError, IndexError, OverflowError, struct.error)


class PhotoError(DatasetError):
    """A file is no photo that can be read."""


def load_photo(path: Path, *, follow: bool = True, at_least: int | None = None) -> Image:
    """Read a photo as uint8 (height, width, 3) RGB, turned the way its EXIF entry says; of an animation the first frame.

    Where other people may write the folder, `follow=False` refuses a link. Who needs no more than `at_least` pixels of the
    longer side gets a large JPEG by a half, a quarter or an eighth, in as much less memory and time: never less than that.

    Raises:
        PhotoError: the file can't be read, is no photo of a kind that is read, is cut off, or is larger than MOST_PIXELS.
    """
    content = _read(path, follow)
    size, orientation = _check(path, content)
    return _decode(path, content, orientation, 1 if at_least is None else _reduction(content, max(size), at_least))


def check_photo(path: Path) -> None:
    """Find out whether `load_photo` would refuse a file; of a JPEG without the time that decoding takes.

    Raises:
        PhotoError: it would; damage inside a JPEG, which shows in some of its pixels only, is not looked for.
    """
    content = _read(path)
    _, orientation = _check(path, content)
    if not content.startswith(_JPEG):
        _decode(path, content, orientation)


def _read(path: Path, follow: bool = True) -> bytes:
    try:
        return read_regular(path, MOST_BYTES, follow=follow)
    except OSError as error:
        raise PhotoError(f"{path}: can't read it ({error.strerror}): give the path of a photo") from None


def _reduction(content: bytes, longest: int, at_least: int) -> int:
    """By how much a picture can be smaller and still have so many pixels; other files than JPEG are decoded whole anyway."""
    return next((by for by in (8, 4, 2) if content.startswith(_JPEG) and longest // by >= at_least), 1)


def _decode(path: Path, content: bytes, orientation: int | None, reduction: int = 1) -> Image:
    try:
        pixels = _decode_webp(content) if orientation is not None else _decode_other(content, reduction)
    except (cv2.error, *_HOSTILE):
        pixels = None
    if pixels is None:
        raise PhotoError(f"{path}: the photo is damaged or cut off ({len(content)} bytes): copy it again")
    return np.ascontiguousarray(_turned(pixels, orientation or 1))


def _decode_other(content: bytes, reduction: int) -> Image | None:
    pixels = cv2.imdecode(np.frombuffer(content, np.uint8), _REDUCED[reduction])
    return None if pixels is None else np.asarray(cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB, dst=pixels), np.uint8)


def _decode_webp(content: bytes) -> Image:
    """By Pillow: not all versions of OpenCV read an animation, or turn what they read."""
    from PIL import Image as Pillow

    with warnings.catch_warnings(action="ignore"), Pillow.open(io.BytesIO(content), formats=("WEBP",)) as picture:
        return np.array(picture.convert("RGB"), np.uint8)


def _check(path: Path, content: bytes) -> tuple[tuple[int, int], int | None]:
    """Refuse what can't or must not be decoded; return width and height, and the EXIF orientation of a WebP, None for all else."""
    from PIL import Image as Pillow  # not needed to drive a station

    if not content:
        raise PhotoError(f"{path}: the file is empty (0 bytes): copy it again, or remove it")
    if (kind := _BRANDS.get(content[8:12])) and content[4:8] == b"ftyp":
        raise PhotoError(
            f"{path}: {kind} photos are not read: save it as JPEG (heif-convert {path.name} {path.stem}.jpg; on an iPhone: "
            "Settings, Camera, Formats, Most Compatible)"
        )
    if content.startswith(b"GIF8"):
        raise PhotoError(f"{path}: GIF files are not read: save the picture that you mean as PNG or JPEG")
    try:
        with warnings.catch_warnings(action="ignore"), Pillow.open(io.BytesIO(content), formats=_FORMATS) as picture:
            size = picture.size
            # OpenCV turns the others by itself.
            turned = picture.getexif().get(_ORIENTATION, 1) if picture.format == "WEBP" else None
    except Pillow.DecompressionBombError:
        size, turned = (MOST_PIXELS, MOST_PIXELS), None
    except _HOSTILE:
        raise PhotoError(f"{path}: expected a photo (JPEG, PNG, WebP, BMP, TIFF), got something else") from None
    if size[0] * size[1] > MOST_PIXELS:
        raise PhotoError(f"{path}: larger than {MOST_PIXELS // 10**6} million pixels: make the photo smaller")
    if content.startswith(_JPEG) and _is_cut_off(content):
        raise PhotoError(f"{path}: the JPEG is cut off ({len(content)} bytes): copy it again")
    return size, turned if turned is None or isinstance(turned, int) else 1


def _is_cut_off(content: bytes) -> bool:
    """Whether a JPEG's picture has no end, which OpenCV would fill with grey; a thumbnail before it has an end of its own."""
    at = 2
    while content[at : at + 1] == b"\xff" and content[at + 1 : at + 2] != b"\xda":
        at += 2 + int.from_bytes(content[at + 2 : at + 4])
    return b"\xff\xd9" not in content[at:]


def _turned(pixels: Image, orientation: int) -> Image:
    """Undo what an EXIF orientation says: the eight ways of EXIF 2.32, tag 0x0112; others are none."""
    if 5 <= orientation <= 8:
        pixels = pixels.transpose(1, 0, 2)
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return pixels
