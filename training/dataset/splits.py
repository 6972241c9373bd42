"""Splits that stay where they are."""

from __future__ import annotations

import csv
import hashlib
import itertools
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from edge.errors import DatasetError
from training.dataset.photos import LabelledPhoto

FEW = 20  # photos of a label on which a share is known to about 10 points either way, at best


def split(
    photos: Sequence[LabelledPhoto],
    groups: Mapping[str, int],
    validation: float,
    test: float,
    before: Mapping[str, str] | None = None,
) -> dict[str, list[LabelledPhoto]]:
    """Put each photo, or group of near duplicates, where a hash of its name says.

    `before` maps photos to the parts they were in: they stay, and what is nearly like one of them joins it. A
    new photo's part depends on its own name only, so what else was added makes no difference; but where a part
    would get no photo of a label, one that is new is brought there from the part that has most.

    Raises:
        DatasetError: a label has no photo to train on, all being in other parts before.
    """
    before = before or {}
    homes: dict[int, str] = {}
    for photo in sorted(photos, key=lambda photo: (photo.name not in before, photo.name)):
        if photo.name in groups:
            home = before.get(photo.name) or _part(photo.name, validation, test)
            homes.setdefault(groups[photo.name], home)
    home_of: dict[str, str] = {}
    for photo in photos:
        own = homes[groups[photo.name]] if photo.name in groups else _part(photo.name, validation, test)
        home_of[photo.name] = before.get(photo.name, own)
    labels = sorted({photo.label for photo in photos})
    wanted = ["train", *(["val"] if validation > 0 else []), *(["test"] if test > 0 else [])]
    for label, part in itertools.product(labels, wanted):
        _bring(label, part, photos, groups, home_of, before)
    parts = {name: [photo for photo in photos if home_of[photo.name] == name] for name in ("train", "val", "test")}
    missing = sorted(set(labels) - {photo.label for photo in parts["train"]})
    if missing:
        raise DatasetError(f"the part train got no photo of {', '.join(missing)}: add photos of it")
    return parts


def _bring(
    label: str,
    part: str,
    photos: Sequence[LabelledPhoto],
    groups: Mapping[str, int],
    home_of: dict[str, str],
    before: Mapping[str, str],
) -> None:
    """Move one photo of a label, with all that are nearly like it, into a part that has none."""
    own = [photo.name for photo in photos if photo.label == label]
    held = Counter(home_of[name] for name in own)
    if held[part]:
        return
    units: dict[int | str, list[str]] = {}
    for photo in photos:
        units.setdefault(groups.get(photo.name, photo.name), []).append(photo.name)
    for donor, count in held.most_common():
        free = [
            unit for unit in units.values() if {home_of[name] for name in unit} == {donor} and set(unit) <= set(own)
        ]
        # All that there is goes to training.
        free = [unit for unit in free if (len(unit) < count or part == "train") and not set(unit) & set(before)]
        if free:
            chosen = min((len(unit), _place(unit[0]), unit) for unit in free)[2]
            home_of.update(dict.fromkeys(chosen, part))
            return


def warnings(parts: Mapping[str, Sequence[LabelledPhoto]]) -> list[str]:
    """What small parts are worth: which labels have too few photos to measure on, and what one photo then weighs."""
    labels = sorted({photo.label for photos in parts.values() for photo in photos})
    said = []
    for name in (name for name in ("val", "test") if parts[name]):
        counts = Counter(photo.label for photo in parts[name])
        few = [f"{counts[label]} of {label}" for label in labels if counts[label] < FEW]
        if few:
            weight = 100 / max(1, min(counts[label] for label in labels))
            said.append(
                f"{name} has {', '.join(few)}: figures of these labels will say little (one photo is up to {weight:.0f} "
                f"points); {FEW} or more would say something"
            )
    return said


def _place(name: str) -> float:
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big") / 2**64


def _part(name: str, validation: float, test: float) -> str:
    place = _place(name)
    return "test" if place < test else "val" if place < test + validation else "train"


def read_before(out: Path, photos: Sequence[LabelledPhoto]) -> dict[str, str]:
    """Return photo name -> part from the lists that an earlier split wrote."""
    names = {photo.path.resolve(): photo.name for photo in photos}
    before = {}
    for part in ("train", "val", "test"):
        file = out / f"{part}.csv"
        if file.is_file():
            with file.open(newline="", encoding="utf-8-sig") as lines:
                for row in csv.DictReader(lines):
                    name = names.get((out / row["path"]).resolve())
                    if name is not None:
                        before[name] = part
    return before


def write(parts: Mapping[str, Sequence[LabelledPhoto]], out: Path) -> None:
    """Write NAME.csv for each part (path, label), with paths relative to `out`."""
    for name, photos in parts.items():
        with (out / f"{name}.csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(("path", "label"))
            writer.writerows((Path(os.path.relpath(photo.path, out)).as_posix(), photo.label) for photo in photos)
