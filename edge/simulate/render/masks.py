"""Masks of cut-outs that were made before: cutting one photo out takes a fifth of a second.

The shipped photos bring theirs along (`NAME.mask.png` beside `NAME.jpg`); others are kept in the user's
cache folder, which may be deleted at any time.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from functools import cache
from pathlib import Path

import cv2
import numpy as np

from edge.bundle.photo_tree import MASK_SUFFIX
from edge.simulate.render import cutout as cutout_module
from edge.simulate.render.sprite import Mask
from edge.system.files import write_atomically


def mask_beside(photo: Path) -> Path:
    """Return where a photo's own mask lies."""
    return photo.with_name(photo.stem + MASK_SUFFIX)


def load_or_make_mask(photo: Path, make: Callable[[], Mask | None]) -> Mask | None:
    """Return the photo's mask from beside it or from the cache, else what `make` returns, which is kept."""
    beside = mask_beside(photo)
    if beside.is_file():
        return _read(beside)
    kept = _cache_folder() / f"{_digest(photo)}.png"
    if kept.is_file():
        return _read(kept)
    mask = make()
    _keep(kept, mask)
    return mask


def _read(path: Path) -> Mask | None:
    mask = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
    return None if mask is None or mask.size == 1 else np.asarray(mask, np.uint8)


def _keep(path: Path, mask: Mask | None) -> None:
    """Store a mask, a single pixel for none; a cache that can't be written is no trouble."""
    written, png = cv2.imencode(".png", np.zeros((1, 1), np.uint8) if mask is None else mask)
    if written:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(path, png.tobytes())
        except OSError:
            return


def _digest(photo: Path) -> str:
    """Name of the mask: it changes with the photo and with the way in which objects are cut out."""
    return hashlib.sha256(_method() + photo.read_bytes()).hexdigest()[:32]


@cache
def _method() -> bytes:
    return hashlib.sha256(Path(cutout_module.__file__).read_bytes()).digest()


def _cache_folder() -> Path:
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "edge-sorter" / "cutouts"
