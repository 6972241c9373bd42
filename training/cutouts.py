"""Alpha masks of the training photos, cut once and kept."""

from __future__ import annotations

import hashlib
import inspect
import logging
import multiprocessing
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.simulate.render import cutout
from training.photos import LabelledPhoto, load_small

Masks = dict[str, NDArray[np.uint8]]

_log = logging.getLogger(__name__)


def _cut(path: Path) -> NDArray[np.uint8] | None:
    cv2.setNumThreads(1)
    return cutout.cut_out(load_small(path))


def cut_all(photos: Sequence[LabelledPhoto], kept: Path, processes: int = 2) -> Masks:
    """Return name -> mask for the photos whose object stands out; `kept` is read where the code and the list agree."""
    if not photos:
        return {}
    source = inspect.getsource(cutout) + "\n".join(photo.name for photo in photos)
    digest = hashlib.sha256(source.encode()).hexdigest()[:16]
    file = kept / f"cutouts-{digest}.npz"
    if file.is_file():
        with np.load(file) as stored:
            return {name: stored[name] for name in stored.files}
    _log.info("cutting %d photos", len(photos))
    kept.mkdir(parents=True, exist_ok=True)
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        found = pool.map(_cut, [photo.path for photo in photos], chunksize=16)
    masks = {photo.name: mask for photo, mask in zip(photos, found, strict=True) if mask is not None}
    partial = file.with_suffix(".part.npz")
    np.savez_compressed(partial, **masks)  # type: ignore[arg-type]
    partial.rename(file)
    return masks
