"""From a recipe and a data folder to the photos in memory that views are rendered from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

import cv2
import numpy as np

from edge.bundle.photo_tree import is_photo
from edge.bundle.preprocess import InputGeometry
from edge.errors import ConfigError, DatasetError
from edge.types import Image
from training.dataset.photos import LabelledPhoto, load_small, no_photos_at, read_list, read_tree, readable, without
from training.recipe import NONE, PhotoSet, Recipe
from training.rendering.cutouts import Masks, cut_all
from training.rendering.pool import Source, ViewRenderer
from training.rendering.views import Surroundings, ViewSettings

PLAIN = ViewSettings(composite_share=0.0, plain_share=1.0)
MOST_CLUTTER = 300  # photos held in memory to lie in the corner of a view
HELD_OUT = Path(__file__).resolve().parents[2] / "edge" / "simulate" / "photos" / "held_out.txt"


@dataclass(frozen=True)
class TrainingSet:
    """Photos with their label's index (-1: none of them), how often each appears in a round, and of which set it is."""

    photos: tuple[LabelledPhoto, ...]
    labels: np.ndarray
    repeats: np.ndarray
    sets: tuple[PhotoSet, ...]  # one a photo

    @property
    def sources(self) -> np.ndarray:
        """The name of each photo's source."""
        return np.array([photo_set.name for photo_set in self.sets])

    def part(self, indices: np.ndarray) -> TrainingSet:
        """Some of the photos."""
        chosen = indices.tolist()
        photos, sets = (tuple(rows[i] for i in chosen) for rows in (self.photos, self.sets))
        return TrainingSet(photos, self.labels[indices], self.repeats[indices], sets)


def check_sets(recipe: Recipe, data: Path) -> None:
    """Look whether every folder and list of a recipe is there, before Keras takes its time.

    Raises:
        DatasetError: one is missing.
        ConfigError: a set names none.
    """
    for photo_set in (*recipe.train, *recipe.validation):
        name = photo_set.list if photo_set.list is not None else photo_set.tree
        if name is None:
            raise ConfigError("a photo set of the recipe names neither a tree nor a list")
        if not (data / name).exists():
            raise no_photos_at(data / name)


def read_sets(sets: Sequence[PhotoSet], data: Path, recipe: Recipe, every_label: bool = True) -> TrainingSet:
    """Read the photo sets of a recipe, without what is held out.

    Raises:
        DatasetError: a label has no photos at all and `every_label` is asked for.
    """
    photos: list[LabelledPhoto] = []
    repeats: list[float] = []
    of_sets: list[PhotoSet] = []
    for photo_set in sets:
        found = readable(_thinned(_wanted(_read(photo_set, data, recipe), photo_set), photo_set))
        photos += found
        of_sets += [photo_set] * len(found)
        repeats += [photo_set.repeat.get(photo.label, 1.0) for photo in found]
    index = {label: number for number, label in enumerate(recipe.labels)}
    labels = np.array([index.get(photo.label, -1) for photo in photos])
    missing = [label for label, number in index.items() if not np.any(labels == number)]
    if missing and every_label:
        raise DatasetError(
            f"{data}: no photos of {', '.join(missing)}: add photos, or take the label out of the recipe"
        )
    return TrainingSet(tuple(photos), labels, np.array(repeats), tuple(of_sets))


def _read(photo_set: PhotoSet, data: Path, recipe: Recipe) -> list[LabelledPhoto]:
    label_map = photo_set.label_map or {**{label: label for label in recipe.labels}, NONE: NONE}
    if photo_set.list is not None:
        photos = read_list(data / photo_set.list, label_map)
    elif photo_set.tree is not None:
        photos = read_tree(data / photo_set.tree, label_map)
    else:
        raise ConfigError("a photo set of the recipe names neither a tree nor a list")
    return without(photos, HELD_OUT) if recipe.held_out == "simulator" else photos


def _wanted(photos: list[LabelledPhoto], photo_set: PhotoSet) -> list[LabelledPhoto]:
    return [photo for photo in photos if not any(fnmatchcase(photo.name, part) for part in photo_set.without)]


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


def build_whole_renderer(photos: TrainingSet, geometry: InputGeometry) -> ViewRenderer:
    """Every photo as the device would see it; nothing is cut out."""
    rows = zip(photos.photos, photos.labels.tolist(), strict=True)
    return ViewRenderer([Source(photo.path, None, label) for photo, label in rows], Surroundings([]), geometry, PLAIN)


def build_renderer(
    training: TrainingSet, data: Path, recipe: Recipe, cache: Path, shifted: bool = False
) -> ViewRenderer:
    """Cut out objects and load surroundings; `shifted` is for validation: other backgrounds, composites only."""
    rows = list(zip(training.photos, training.sets, training.labels.tolist(), strict=True))
    cut = cut_all([photo for photo, of_set, _ in rows if of_set.cuts(photo.label)], cache)
    sources = [
        Source(photo.path, cut.get(photo.path), label, filled=bool(cut) and _fills(photo, of_set, recipe, cut))
        for photo, of_set, label in rows
    ]
    few = sources[:: max(7, len(sources) // MOST_CLUTTER)]
    loaded = [(photo, mask) for photo, mask in (source.load() for source in few) if mask is not None]
    clutter = [(photo, mask) for photo, mask in loaded if mask.mean() < 200]
    around = Surroundings(load_surroundings(data, recipe, offset=7 if shifted else 0), clutter)
    views = recipe.views.model_dump()
    settings = ViewSettings(**views)
    if shifted:  # the same check whatever the training views show besides
        settings = ViewSettings(1.0, 0.0, settings.strength, settings.clutter_share)
    return ViewRenderer(sources, around, recipe.network.geometry, settings)


def _fills(photo: LabelledPhoto, of_set: PhotoSet, recipe: Recipe, cut: Masks) -> bool:
    """Whether the photo counts as filled by its object: a sheet on the plain board that no outline was found of."""
    return of_set.list is not None and photo.label in recipe.sheets and photo.path not in cut


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
