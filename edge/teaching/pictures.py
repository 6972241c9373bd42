"""Pictures that a station is taught with: a folder for each label, or a folder of pictures that people labelled."""

from __future__ import annotations

import difflib
import logging
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from edge.bundle.archive import Bundle
from edge.bundle.head import Codes
from edge.bundle.kept_names import kept_item_of
from edge.bundle.memory import NONE, read_memory
from edge.bundle.photo import PhotoError, load_photo
from edge.bundle.photo_tree import as_label, check_unreadable, label_folders, photos_in
from edge.bundle.preprocess import TURNS, prepare_crop, turned
from edge.errors import TeachingError
from edge.inference.interpreter import Inference
from edge.labelling.labels import NONE_OF_THESE, TWO_THINGS, read_labels
from edge.teaching.lessons import Lessons, group_items
from edge.teaching.shown import item_of
from edge.words import Sentence

log = logging.getLogger(__name__)

OTHER: Final = frozenset({NONE_OF_THESE, "none", "other", "unknown"})
"""Names of a folder, or labels, of pictures that show things of none of the labels, as in data sets."""

Progress = Callable[[float], None]


@dataclass(frozen=True)
class Picture:
    """A picture of one thing. `label` is empty for things of no label; `item` is empty where it is not known which it shows."""

    path: Path
    label: str
    item: str = ""


def find_in_folders(folder: Path) -> list[Picture]:
    """The pictures of a folder that holds one folder for each label.

    Raises:
        TeachingError: there are none.
    """
    if not folder.is_dir():
        raise TeachingError(f"{folder}: no such folder: expected one that holds a folder of pictures for each label")
    found: list[Picture] = []
    for own in label_folders(folder):
        label = as_label(own.name)
        if label == TWO_THINGS:
            continue
        if not label:
            raise TeachingError(f"{own}: no label can be made of this name: expected letters, such as plastic")
        found += [Picture(path, "" if label in OTHER else label, _item_of(path.name)) for path in photos_in(own)]
    if not found:
        raise TeachingError(
            f"{folder}: holds no pictures in folders of their label: expected {folder}/plastic/1.jpg and the like "
            f"(for pictures labelled by people: --labelled {folder})"
        )
    return found


def find_labelled(folder: Path) -> list[Picture]:
    """The pictures of a folder to which people gave labels, see `edge/labelling/labels.py`.

    Raises:
        TeachingError: there are none.
    """
    if not folder.is_dir():
        raise TeachingError(f"{folder}: no such folder: expected one that `sorter label` was used on")
    said = read_labels(folder)
    chosen = [entry for entry in said.entries.values() if entry.label != TWO_THINGS]
    found = [
        Picture(
            folder / entry.picture,
            "" if entry.label in OTHER else entry.label,
            _item_of(Path(entry.picture).name),
        )
        for entry in chosen
        if (folder / entry.picture).is_file()
    ]
    if not found:
        gone = f" that is still there ({len(chosen)} labelled ones are gone)" if chosen else ""
        raise TeachingError(f"{folder}: no picture in it{gone} has a label: run `sorter label {folder}` first")
    for text in map(str, said.damaged):
        log.warning("passed over: %s", text)
    if said.disagreements:
        log.warning("%d pictures have labels that disagree; of each the latest holds", len(said.disagreements))
    if len(found) < len(chosen):
        log.warning(
            "%d labelled pictures are gone, as a station's oldest go; learning from %d",
            len(chosen) - len(found),
            len(found),
        )
    return found


def _item_of(name: str) -> str:
    """The item that a picture shows, where a station gave it its name: while it sorted, or while it was taught."""
    return kept_item_of(name) or item_of(name)


@dataclass(frozen=True)
class Seen:
    """What became of the pictures: the lessons, which labels are new, and what could not be read or is too little."""

    lessons: Lessons
    new_labels: tuple[str, ...]
    unreadable: tuple[str, ...]
    notes: tuple[Sentence, ...]


def look(base: Bundle, interpreter: Inference, pictures: Sequence[Picture], progress: Progress) -> Seen:
    """Run the network over whole pictures, in all their turns.

    A station turns each further look at an item by a quarter. So are the pictures of an item here: what is judged is what the
    station will see, and what is learnt does not depend on how a thing lay.

    Raises:
        PhotoError: too many of them can't be read.
    """
    rows: list[Codes] = []
    looks: Counter[str] = Counter()
    kept: list[Picture] = []
    errors: list[PhotoError] = []
    for number, picture in enumerate(pictures, 1):
        try:
            photo = load_photo(picture.path)
        except PhotoError as error:
            errors.append(error)
            continue
        image, first = prepare_crop(photo, None, base.manifest.geometry), looks[picture.item] if picture.item else 0
        rows.append(np.stack([interpreter.run(turned(image, first + turn)) for turn in range(TURNS)]))  # type: ignore[arg-type]
        looks[picture.item] += 1
        kept.append(picture)
        progress(number / len(pictures))
    check_unreadable(errors, len(pictures))
    turns: Codes = np.stack(rows, axis=1)  # type: ignore[assignment]
    return _sort_out(base, turns, kept, tuple(map(str, errors)))


def _sort_out(base: Bundle, turns: Codes, pictures: Sequence[Picture], unreadable: tuple[str, ...]) -> Seen:
    """Group the pictures, whose features (turns, photos, features) are these, by what they show."""
    known, codes = base.labels, turns[0]
    new = tuple(sorted({picture.label for picture in pictures} - {*known, ""}))
    labels = (*known, *new)
    truth = np.array([labels.index(p.label) if p.label else NONE for p in pictures], np.int64)
    memory = read_memory(base)
    items = group_items(codes, truth, [p.item for p in pictures], None if memory is None else memory.codes)
    lessons = Lessons(codes, labels, truth, items, turns[1:])
    notes = [_note_on(label, known) for label in new]
    for number, label in enumerate(labels):
        count, photos = lessons.count(number)
        if count == 1 < photos:
            notes.append(
                Sentence(
                    "{label}: all {pictures} pictures seem to show one and the same thing: show others of it too",
                    {"label": label, "pictures": photos},
                )
            )
        elif 0 < count < photos:
            values = {"label": label, "pictures": photos, "items": count}
            notes.append(Sentence("{label}: {pictures} pictures show {items} items, as far as can be seen", values))
    return Seen(lessons, new, unreadable, tuple(notes))


def _note_on(label: str, known: Sequence[str]) -> Sentence:
    near = difflib.get_close_matches(label, known, 1)
    if not near:
        return Sentence("{label} is a new label, which the base does not know", {"label": label})
    return Sentence(
        "{label} is a new label, which the base does not know; if {near} is meant, name its folder so",
        {"label": label, "near": near[0]},
    )
