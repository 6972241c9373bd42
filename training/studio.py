"""From a recipe and a data folder to the photos in memory that views are rendered from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from edge.bundle.photo_tree import is_photo
from edge.errors import ConfigError, DatasetError
from edge.types import Image
from training.cutouts import cut_all
from training.photos import LabelledPhoto, load_small, read_list, read_tree, readable, without
from training.pool import Source, Studio
from training.recipe import NONE, PhotoSet, Recipe
from training.views import Surroundings, ViewSettings, pick_masks

HELD_OUT = Path(__file__).parent.parent / "edge" / "simulate" / "photos" / "held_out.txt"


@dataclass(frozen=True)
class TrainingSet:
    """Photos with their label's index (-1: none of them) and how often each appears in a round."""

    photos: tuple[LabelledPhoto, ...]
    labels: np.ndarray
    repeats: np.ndarray


def read_sets(sets: Sequence[PhotoSet], data: Path, recipe: Recipe) -> TrainingSet:
    """Read the photo sets of a recipe, without what is held out."""
    photos: list[LabelledPhoto] = []
    repeats: list[float] = []
    for photo_set in sets:
        found = readable(_thinned(_read(photo_set, data, recipe), photo_set))
        photos += found
        repeats += [photo_set.repeat.get(photo.label, 1.0) for photo in found]
    index = {label: number for number, label in enumerate(recipe.labels)}
    labels = np.array([index.get(photo.label, -1) for photo in photos])
    missing = [label for label, number in index.items() if not np.any(labels == number)]
    if missing:
        raise DatasetError(
            f"{data}: no photos of {', '.join(missing)}: add photos, or take the label out of the recipe"
        )
    return TrainingSet(tuple(photos), labels, np.array(repeats))


def _read(photo_set: PhotoSet, data: Path, recipe: Recipe) -> list[LabelledPhoto]:
    label_map = photo_set.label_map or {**{label: label for label in recipe.labels}, NONE: NONE}
    if photo_set.list is not None:
        photos = read_list(data / photo_set.list, label_map)
    elif photo_set.tree is not None:
        photos = read_tree(data / photo_set.tree, label_map)
    else:
        raise ConfigError("a photo set of the recipe names neither a tree nor a list")
    return without(photos, HELD_OUT) if recipe.held_out == "simulator" else photos


def _thinned(photos: list[LabelledPhoto], photo_set: PhotoSet) -> list[LabelledPhoto]:
    seen: dict[str, int] = {}
    kept = []
    for photo in photos:
        folder = photo.path.parent.name
        number = seen.get(folder, 0)
        seen[folder] = number + 1
        if number % photo_set.every.get(folder, 1) == 0:
            kept.append(photo)
    return kept


def build_studio(training: TrainingSet, data: Path, recipe: Recipe, cache: Path, shifted: bool = False) -> Studio:
    """Load photos, masks and surroundings; `shifted` is for validation: other backgrounds, composites only."""
    images = [load_small(photo.path) for photo in training.photos]
    cut_from = [photo for photo in training.photos if _is_cut(photo, recipe)]
    cut = cut_all(cut_from, cache)
    labels = [photo.label for photo in training.photos]
    sheets = set(recipe.sheets) if cut else set()
    masks = pick_masks(images, labels, [photo.name for photo in training.photos], cut, sheets)
    masks = [mask if photo in set(cut_from) else None for mask, photo in zip(masks, training.photos, strict=True)]
    rows = zip(images, masks, training.labels, strict=True)
    sources = [Source(image, mask, int(label)) for image, mask, label in rows]
    clutter = [(s.photo, s.mask) for s in sources[::7] if s.mask is not None and s.mask.mean() < 200]
    around = Surroundings(load_surroundings(data, recipe, offset=7 if shifted else 0), clutter)
    views = recipe.views.model_dump()
    settings = ViewSettings(**{**views, "composite_share": 1.0, "plain_share": 0.0} if shifted else views)
    return Studio(sources, around, recipe.network.geometry, settings)


def _is_cut(photo: LabelledPhoto, recipe: Recipe) -> bool:
    """Only photos of the plain boards can be cut: those that a list names."""
    lists = {Path(s.list).parent.name for s in (*recipe.train, *recipe.validation) if s.list is not None}
    return photo.path.parts[-3] in lists


def load_surroundings(data: Path, recipe: Recipe, offset: int) -> list[Image]:
    """Photos for backgrounds; another offset gives other ones, so that validation sees none of training's."""
    backgrounds = recipe.backgrounds
    found: list[Image] = []
    for index, glob in enumerate(backgrounds.photos):
        every = backgrounds.every[index] if index < len(backgrounds.every) else 1
        paths = sorted(path for path in data.glob(glob) if is_photo(path))
        found += [load_small(path) for path in paths[(offset if every > offset else 0) :: every]]
    for clip in backgrounds.clips:
        found += _frames(data / clip)
    return found


def _frames(clip: Path) -> list[Image]:
    video = cv2.VideoCapture(str(clip))
    count = int(video.get(cv2.CAP_PROP_FRAME_COUNT))
    frames = []
    for quarter in range(4):
        video.set(cv2.CAP_PROP_POS_FRAMES, count * quarter // 4)
        good, frame = video.read()
        if good:
            small = cv2.resize(frame, (320, max(1, round(320 * frame.shape[0] / frame.shape[1]))))
            frames.append(np.asarray(cv2.cvtColor(small, cv2.COLOR_BGR2RGB), dtype=np.uint8))
    video.release()
    if not frames:
        raise DatasetError(f"{clip}: expected a clip for backgrounds, could not read it")
    return frames
