"""The photos that the simulated items are cut out of."""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Final

import cv2
import numpy as np

from edge.bundle.photo import PhotoError, load_photo
from edge.bundle.photo_tree import as_label, is_photo, label_folders, photos_in
from edge.errors import ConfigError
from edge.simulate.render.cutout import cut_out
from edge.simulate.render.exact import resized
from edge.simulate.render.masks import load_or_make_mask, mask_beside
from edge.simulate.render.sprite import CutOut, Mask
from edge.types import Box, Image

log = logging.getLogger(__name__)

SHIPPED: Final = Path(__file__).resolve().parents[1] / "photos"
_KEPT: Final = 256
_ONE_PIECE: Final = 0.9  # share of the whole that the largest piece must have
_LARGEST: Final = 320
"""Photos are brought down to this many pixels on their longer side before they are cut out."""


def find_photos(source: Path) -> dict[str, list[Path]]:
    """Return label -> photos, in order of name, from a folder with one folder a label or from a list of such paths.

    Raises:
        ConfigError: there are none.
    """
    try:
        found = _in_list(source) if source.suffix == ".txt" else _in_folder(source)
    except (PhotoError, OSError, UnicodeDecodeError):
        raise ConfigError(
            f"{source}: no such folder; expected one folder of photos for each label, or a list (.txt)"
        ) from None
    photos: dict[str, list[Path]] = {}
    for label, path in sorted(found, key=lambda pair: pair[1]):
        photos.setdefault(as_label(label) or label, []).append(path)
    if not photos:
        raise ConfigError(f"{source}: no photos in it; expected LABEL/NAME.jpg")
    return photos


def _in_folder(source: Path) -> list[tuple[str, Path]]:
    return [(folder.name, path) for folder in label_folders(source) for path in photos_in(folder)]


def _in_list(source: Path) -> list[tuple[str, Path]]:
    """`glass/1.jpg` is glass; a line `bottle: glass/1.jpg` shows the photo under another label."""
    found = []
    for line in source.read_text(encoding="utf-8-sig").splitlines():
        label, _, name = line.rpartition(": ")
        path = source.parent / name.strip()
        if is_photo(path):
            found.append((label.strip() or path.parent.name, path))
    return found


class PhotoLibrary:
    """Cut-outs by label, made when first asked for.

    `labels` are those of which things come by themselves; one of `shown` is among them once it was asked for by name.
    """

    def __init__(
        self, photos: Mapping[str, Sequence[Path]], shown: Mapping[str, Sequence[Path]] = MappingProxyType({})
    ) -> None:
        self.labels, self._photos = tuple(photos), {**shown, **photos}
        self._made: OrderedDict[Path, CutOut | None] = OrderedDict()

    @property
    def all_labels(self) -> tuple[str, ...]:
        """The labels of which things come by themselves, then those of which none have come yet."""
        return tuple(dict.fromkeys((*self.labels, *self._photos)))

    def pick(self, label: str, rng: np.random.Generator) -> CutOut:
        """Return one of the label's objects.

        Raises:
            ConfigError: no object can be cut out of any of the label's photos.
        """
        if label not in self.labels:
            self.labels += (label,)
        untried = list(self._photos[label])
        while untried:
            made = self._cut_out(untried.pop(int(rng.integers(len(untried)))), label)
            if made is not None:
                return made
        photos = self._photos[label]
        raise ConfigError(
            f"{photos[0].parent}: no object can be cut out of any of these {len(photos)} photos; expected one object on a "
            "plain light ground with some of it all around: add such a photo, or take the folder away"
        )

    def _cut_out(self, path: Path, label: str) -> CutOut | None:
        if path not in self._made:
            if len(self._made) >= _KEPT:
                self._made.popitem(last=False)
            self._made[path] = load_cut_out(path, label)
        return self._made[path]


def load_cut_out(path: Path, label: str) -> CutOut | None:
    """Cut the object out of one photo; None if it can't be told from its ground, is not in one piece or can't be read."""
    try:
        pixels = _load(path)
    except PhotoError as error:
        log.warning("left out: %s", error)
        return None
    alpha = load_or_make_mask(path, lambda: _one_piece(cut_out(pixels)))
    if alpha is None or alpha.shape != pixels.shape[:2]:
        return None
    box = Box(*cv2.boundingRect((alpha > 127).astype(np.uint8)))
    if min(box.width, box.height) < 8:
        return None
    window = (slice(box.y, box.y + box.height), slice(box.x, box.x + box.width))
    return CutOut(
        label,
        f"{label}/{path.name}",
        np.ascontiguousarray(pixels[window]),
        np.ascontiguousarray(alpha[window]),
    )


def write_masks(folder: Path = SHIPPED) -> None:
    """Store the mask of every photo beside it; to be called when the shipped photos change."""
    for paths in find_photos(folder).values():
        for path in paths:
            mask = _one_piece(cut_out(_load(path)))
            if mask is not None:
                cv2.imwrite(str(mask_beside(path)), mask, [cv2.IMWRITE_PNG_COMPRESSION, 9])


def _load(path: Path) -> Image:
    picture = load_photo(path)
    scale = _LARGEST / max(picture.shape[:2])
    if scale < 1:
        height, width = (round(side * scale) for side in picture.shape[:2])
        return resized(picture, (width, height))
    return picture


def _one_piece(alpha: Mask | None) -> Mask | None:
    """Return the mask without loose bits; None if it falls into pieces: those would be several items."""
    if alpha is None:
        return None
    count, pieces, figures, _ = cv2.connectedComponentsWithStats((alpha > 127).astype(np.uint8))
    areas = figures[1:, cv2.CC_STAT_AREA]
    if count < 2 or areas.max() < _ONE_PIECE * areas.sum():
        return None
    largest = (pieces == 1 + int(areas.argmax())).astype(np.uint8)
    around = cv2.dilate(largest, np.ones((5, 5), np.uint8))  # keeps the soft edge
    return np.asarray(alpha * around, np.uint8)
