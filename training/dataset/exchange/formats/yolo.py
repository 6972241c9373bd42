"""YOLO's text files, as Ultralytics, Roboflow and CVAT write them: data.yaml, and a .txt for each picture."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from edge.errors import DatasetError
from training.dataset.exchange.entries import Entry, ExportedPhoto, Found, Region, Terms
from training.dataset.exchange.files import Files
from training.dataset.exchange.formats.base import IMAGES, write_images
from training.dataset.exchange.formats.coco import picture_item

LABELS = "labels"
MOST_YAML = 1 << 20  # bytes
_NAME_LISTS = frozenset({"classes.txt", "obj.names", "_darknet.labels"})


class Yolo:
    """`CLASS X Y WIDTH HEIGHT` a line, in fractions of the picture, X and Y being the centre; or a class and a polygon."""

    name = "yolo"

    def recognises(self, files: Files) -> bool:
        return any(_settings(files, path) for path in files.of_kind(".yaml", ".yml")) or any(
            _is_labels(files, path) for path in _texts(files).values()
        )

    def read(self, files: Files) -> Found:
        settings = next(filter(None, (_settings(files, path) for path in files.of_kind(".yaml", ".yml"))), {})
        names = _names(settings) or _listed_names(files)
        found = Found()
        found.classes.update(names.values())
        found.add_terms(*_terms(settings))
        texts = _texts(files)
        for picture in files.pictures:
            text = texts.pop(picture, None)
            if text is None:
                found.passed_over.add("pictures without a label file", files.name(picture))
                continue
            before = len(found.entries)
            self._read_labels(files, picture, text, names, found, boxes_only="kpt_shape" in settings)
            if len(found.entries) == before and not files.content(text).strip():
                found.passed_over.add("pictures on which nothing is marked", files.name(picture))
        return found

    def _read_labels(
        self, files: Files, picture: Path, text: Path, names: Mapping[int, str], found: Found, *, boxes_only: bool
    ) -> None:
        try:
            lines = files.text(text).splitlines()
        except DatasetError as error:
            found.passed_over.add("label files that can't be read", str(error))
            return
        for number, line in enumerate(lines, 1):
            where = f"{files.name(text)} line {number}"
            if not line.strip():
                continue
            try:
                label, region = _parse(line, boxes_only)
                name = names.get(label, str(label)) if not names else names[label]
            except KeyError:
                found.passed_over.add("lines that can't be used", f"{where}: class {label} has no name in data.yaml")
            except ValueError as error:
                found.passed_over.add("lines that can't be used", f"{where}: {error}")
            else:
                found.entries.append(Entry(picture, name, where, region, picture_item(picture.name)))

    def write(self, photos: Sequence[ExportedPhoto], folder: Path, terms: Terms) -> None:
        names = sorted({photo.label for photo in photos})
        write_images(photos, folder / IMAGES / "train")
        texts = folder / LABELS / "train"
        texts.mkdir(parents=True)
        for photo in photos:
            left, top, right, bottom = photo.outline
            width, height = photo.size
            values = (
                (left + right) / 2 / width,
                (top + bottom) / 2 / height,
                (right - left) / width,
                (bottom - top) / height,
            )
            line = " ".join([str(names.index(photo.label)), *(f"{value:.8g}" for value in values)])
            (texts / photo.name).with_suffix(".txt").write_text(line + "\n", encoding="utf-8")
        said = {key: value for key, value in (("license", terms.licence), ("url", terms.origin)) if value}
        settings = {"path": ".", "train": f"{IMAGES}/train", "val": f"{IMAGES}/train", "nc": len(names), "names": names}
        text = yaml.safe_dump(settings | said, sort_keys=False, allow_unicode=True)
        (folder / "data.yaml").write_text(text, encoding="utf-8")


def _parse(line: str, boxes_only: bool) -> tuple[int, Region]:
    """The class and the region of a line.

    Raises:
        ValueError: saying what was expected.
    """
    try:
        values = [float(word) for word in line.split()]
    except ValueError:
        values = []
    if len(values) < 5 or not 0 <= values[0] < math.inf or values[0] != int(values[0]):
        raise ValueError(f"expected CLASS X Y WIDTH HEIGHT, got {line.strip()[:60]!r}")
    label, shape = int(values[0]), values[1:]
    if len(shape) in (4, 5) or boxes_only:  # a fifth is a score or a track
        x, y, width, height = shape[:4]
        return label, Region(x - width / 2, y - height / 2, x + width / 2, y + height / 2, relative=True)
    if len(shape) % 2:
        raise ValueError(f"expected a polygon of pairs after the class, got {len(shape)} numbers")
    return label, Region.around(zip(shape[::2], shape[1::2], strict=True), relative=True)


def _texts(files: Files) -> dict[Path, Path]:
    """For each picture its label file: in `labels` as it is in `images`, or beside it, or the only one of its name."""
    every: dict[str, list[Path]] = defaultdict(list)
    for path in files.every(".txt"):
        every[path.stem].append(path)
    found = {}
    for picture in files.pictures:
        named = every.get(picture.stem, [])
        places = (files.likely_place(picture, IMAGES, LABELS), picture.parent)
        likely = [path for path in named if path.parent in places]
        if chosen := likely[:1] or (named if len(named) == 1 else []):
            found[picture] = chosen[0]
    return found


def _is_labels(files: Files, path: Path) -> bool:
    try:
        lines = [line for line in files.text(path).splitlines() if line.strip()]
        return bool(lines) and _parse(lines[0], False)[0] >= 0
    except (DatasetError, ValueError):
        return False


def _settings(files: Files, path: Path) -> dict[str, Any]:
    """What data.yaml says; empty if it is another file."""
    try:
        tree = yaml.safe_load(files.text(path, MOST_YAML))
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f"line {mark.line + 1}: " if mark is not None else ""
        problem = getattr(error, "problem", None) or "no YAML"
        raise DatasetError(f"{files.name(path)}: {line}{problem}: correct it, or export it again") from None
    except (RecursionError, ValueError):
        raise DatasetError(f"{files.name(path)}: no YAML of an export: export it again") from None
    return tree if isinstance(tree, dict) and "names" in tree else {}


def _names(settings: Mapping[str, Any]) -> dict[int, str]:
    given = settings.get("names", [])
    pairs = given.items() if isinstance(given, dict) else enumerate(given if isinstance(given, list) else [])
    # Anything else may be a list of lists of lists, which aliases make endless.
    plain = [
        (number, name) for number, name in pairs if isinstance(number, int) and isinstance(name, str | int | float)
    ]
    return {number: str(name) for number, name in plain}


def _listed_names(files: Files) -> dict[int, str]:
    lists = [path for path in files.every(".txt", ".names", ".labels") if path.name in _NAME_LISTS]
    return dict(enumerate(line.strip() for line in files.text(lists[0]).splitlines() if line.strip())) if lists else {}


def _terms(settings: Mapping[str, Any]) -> tuple[list[str], str]:
    """Licences and origin; Roboflow has them in a table of its own."""
    table = settings.get("roboflow")
    both = {**settings, **(table if isinstance(table, dict) else {})}
    licence, origin = (value if isinstance(value := both.get(key), str) else "" for key in ("license", "url"))
    return [licence], origin
