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
from training.dataset.photos import LabelledPhoto, load_small

Masks = dict[Path, bytes]  # packed as PNG: twelve thousand masks as arrays would fill a gigabyte
_PART = 400

_log = logging.getLogger(__name__)


def _cut(path: Path) -> bytes | None:
    cv2.setNumThreads(1)
    mask = cutout.cut_out(load_small(path))
    return None if mask is None else cv2.imencode(".png", mask)[1].tobytes()


def unpack_mask(packed: bytes) -> NDArray[np.uint8]:
    """The mask (height, width) of a photo from what `cut_all` keeps."""
    return np.asarray(cv2.imdecode(np.frombuffer(packed, np.uint8), cv2.IMREAD_GRAYSCALE), dtype=np.uint8)


def cut_all(photos: Sequence[LabelledPhoto], kept: Path, processes: int = 2) -> Masks:
    """Return the packed masks of the photos whose object stands out; what `kept` holds is not cut again.

    A file for each hundred photos: an interrupted run goes on where it was.
    """
    if not photos:
        return {}
    kept.mkdir(parents=True, exist_ok=True)
    masks: Masks = {}
    parts = [photos[at : at + _PART] for at in range(0, len(photos), _PART)]
    missing = [part for part in parts if not _file(kept, part).is_file()]
    if missing:
        _log.info("cutting %d photos", sum(map(len, missing)))
        with multiprocessing.get_context("spawn").Pool(processes) as pool:
            for part in missing:
                _keep(_file(kept, part), pool.map(_cut, [photo.path for photo in part], chunksize=8))
    for part in parts:
        with np.load(_file(kept, part)) as stored:
            masks |= {part[int(number)].path: stored[number].tobytes() for number in stored.files}
    return masks


def _file(kept: Path, part: Sequence[LabelledPhoto]) -> Path:
    """Where the masks of these photos are kept: another name for other photos, and for another way of cutting."""
    source = inspect.getsource(cutout) + "\n".join("/".join(photo.path.parts[-3:]) for photo in part)
    return kept / f"cutouts-{hashlib.sha256(source.encode()).hexdigest()[:16]}.npz"


def _keep(file: Path, found: Sequence[bytes | None]) -> None:
    partial = file.with_suffix(".part.npz")
    masks = {str(number): np.frombuffer(mask, np.uint8) for number, mask in enumerate(found) if mask is not None}
    np.savez(partial, **masks)  # type: ignore[arg-type]
    partial.rename(file)
