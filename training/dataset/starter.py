"""`sorter train --new`: a recipe from the photos' own labels, and the lists that it trains, chooses and measures with."""

from __future__ import annotations

import json
import shlex
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from edge.bundle.photo_tree import as_label
from edge.errors import ConfigError, DatasetError
from training.dataset import data_quality, splits
from training.dataset.photos import LabelledPhoto, check_labels
from training.recipe import load_recipe

BACKBONE = "efficientnet_lite0_ra_imagenet"
_VIEWS = 3000  # about as many views as a small network learns from in some minutes
_RECIPE = """\
# Written by `sorter train --new` from {count} photos of {source}. It trains as it is:
#   sorter train {file}
# Paths are relative to --data, which is this file's folder unless it is given.
name = {name}

# Photos of each label: to train on, to choose by (val), to measure with (test).
{table}
labels = {labels}

# How often each photo is shown, every time turned, cropped and lit otherwise.
rounds = {rounds}

# Near duplicates are always in one list. {lists}/test.csv is in none of these sets: measure the model with it,
#   sorter evaluate runs/{plain} --data {lists}/test.csv
# For later photos: sorter dataset split PHOTOS --out {lists} (old ones stay where they are).
[[train]]
list = {train}
# repeat = {{ {first} = 2.0 }}   # a label shown twice as often
# Another source, a folder with one folder a label; names of its own are mapped:
# [[train]]
# tree = "other-photos"
# label_map = {{ "some folder" = "{first}", "anything else" = "none" }}

[[validation]]
list = {validation}

# The empty belt or bin, and whatever else lies behind items at your place:
# [backgrounds]
# photos = ["empty/*.jpg"]

[network]
# Fetched by this name from KerasHub at the first training (see `backbone` in docs/models.md for others). Where there is no
# network, the folder that save_to_preset wrote elsewhere works in its place.
backbone = "{backbone}"
size = 224
# Of sixteen parts, those nearest to the pixels stay as they were pre-trained; more for few photos.
frozen_blocks = {frozen}

[fit]
cycles = [8]
batch = 32
learning_rate = 3e-4
"""


@dataclass(frozen=True)
class Started:
    """The recipe's file, how many photos each list has, and what is to be said of them."""

    file: Path
    parts: Mapping[str, int]
    remarks: Sequence[str]


def write_recipe(
    photos: Sequence[LabelledPhoto], source: Path, file: Path, on_progress: Callable[[int, int], None]
) -> Started:
    """Look at every photo, split them, and write the lists and the recipe; nothing is ever overwritten but lists.

    Raises:
        ConfigError: the recipe is there, or can't be written.
        DatasetError: fewer than two labels, or too few different photos of one.
    """
    if file.exists():
        raise ConfigError(
            f"{file}: is there and stays as it is: name another file (sorter train NEW.toml --new {source})"
        )
    found = data_quality.inspect(photos, on_progress)
    labels = check_labels(found.readable)
    lists = file.with_name(f"{file.stem}-lists")
    before = splits.read_before(lists, found.readable)
    parts = splits.split(found.readable, found.together, 0.15, 0.15, before)
    for part in ("train", "val"):
        if lacking := sorted(set(labels) - {photo.label for photo in parts[part]}):
            raise DatasetError(f"too few photos of {', '.join(lacking)}, or all nearly the same: add others")
    try:
        lists.mkdir(parents=True, exist_ok=True)
        splits.write(parts, lists)
        with file.open("x", encoding="utf-8") as opened:
            opened.write(_text(parts, labels, source, file))
    except OSError as error:
        raise ConfigError(f"{file}: can't be written ({error.strerror}): give another place") from None
    load_recipe(str(file))
    remarks = [*(f"left out: {reason}" for _, reason in found.unreadable)]
    remarks += [f"few photos: {warning}" for warning in splits.warnings(parts)]
    return Started(file, {name: len(photos) for name, photos in parts.items()}, remarks)


def _text(parts: Mapping[str, Sequence[LabelledPhoto]], labels: tuple[str, ...], source: Path, file: Path) -> str:
    counts = {name: Counter(photo.label for photo in photos) for name, photos in parts.items()}
    width = max(map(len, labels))
    rows = ["#   " + " " * width + "".join(f"{name:>7}" for name in parts)]
    rows += [f"#   {label:{width}}" + "".join(f"{counts[name][label]:7}" for name in parts) for label in labels]
    name = recipe_name(file)
    lists = f"{file.stem}-lists"
    shown = max(1, len(parts["train"]))
    return _RECIPE.format(
        count=sum(map(len, parts.values())),
        source=" ".join(str(source).split()),
        file=shlex.quote(file.name),
        name=_quoted(name),
        plain=name,
        table="\n".join(rows),
        labels=json.dumps(labels),
        first=labels[0],
        rounds=min(40, max(4, _VIEWS // shown)),
        lists=lists,
        train=_quoted(f"{lists}/train.csv"),
        validation=_quoted(f"{lists}/val.csv"),
        backbone=BACKBONE,
        frozen=8 if shown < 1000 else 5,
    )


def recipe_name(file: Path) -> str:
    """The name that a recipe of this file gives its models."""
    return as_label(file.stem).replace("_", "-") or "mine"


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def default_file(source: Path) -> Path:
    """Where the recipe for a folder of photos is written unless something else is asked for."""
    return Path(f"{as_label(source.resolve().stem) or 'mine'}.toml")
