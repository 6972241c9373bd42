"""COCO's JSON of object detection: `images`, `annotations` with `bbox` (left, top, width, height), `categories`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from edge.errors import DatasetError
from training.dataset.exchange.entries import Entry, ExportedPhoto, Found, Region, Terms
from training.dataset.exchange.files import Files
from training.dataset.exchange.formats.base import IMAGES, write_images

KEYS = ("images", "annotations", "categories")


class _Extra(BaseModel):
    item: str = ""


class _Picture(BaseModel):
    id: int | str
    file_name: str
    width: int = 0
    height: int = 0
    extra: _Extra = _Extra()


class _Category(BaseModel):
    id: int | str
    name: str


class _Annotation(BaseModel):
    image_id: int | str
    category_id: int | str
    bbox: tuple[float, float, float, float]
    iscrowd: int = 0


Row = TypeVar("Row", bound=BaseModel)


class Coco:
    """One file for all pictures, or one a folder, as in train/_annotations.coco.json."""

    name = "coco"

    def recognises(self, files: Files) -> bool:
        return any(_is_coco(tree) for _, tree in files.jsons())

    def read(self, files: Files) -> Found:
        found = Found()
        for path in files.of_kind(".json"):
            tree = files.parsed(path)
            if _is_coco(tree):
                self._read_file(files, path, tree, found)
        return found

    def _read_file(self, files: Files, path: Path, tree: Mapping[str, Any], found: Found) -> None:
        here = files.name(path)
        for key in KEYS:
            if not isinstance(tree[key], list):
                raise DatasetError(f"{here}: {key}: expected a list, as COCO has it: export it again")
        pictures = {row.id: (row, where) for row, where in _rows(_Picture, tree["images"], f"{here}: images", found)}
        names = {row.id: row.name for row, _ in _rows(_Category, tree["categories"], f"{here}: categories", found)}
        found.classes.update(names.values())
        paths = {number: files.picture(row.file_name, path, found, where) for number, (row, where) in pictures.items()}
        marked = set()
        for row, where in _rows(_Annotation, tree["annotations"], f"{here}: annotations", found):
            marked.add(row.image_id)
            if row.image_id not in pictures or row.category_id not in names:
                found.passed_over.add("boxes whose picture or category the file does not list", where)
            elif row.iscrowd:
                found.passed_over.add("boxes around many things at once (iscrowd)", where)
            elif (picture := paths[row.image_id]) is not None:
                found.entries.append(_entry(row, pictures[row.image_id][0], picture, names[row.category_id], where))
        for number, (about, where) in pictures.items():
            if number not in marked:
                found.passed_over.add("pictures on which nothing is marked", f"{where}: {about.file_name}")
        found.add_terms(*_terms(tree))

    def write(self, photos: Sequence[ExportedPhoto], folder: Path, terms: Terms) -> None:
        write_images(photos, folder / IMAGES)
        labels = sorted({photo.label for photo in photos})
        tree = {
            "info": {"description": "exported by edge-sorter", "url": terms.origin},
            "licenses": [{"id": 1, "name": terms.licence, "url": ""}] if terms.licence else [],
            "categories": [{"id": number, "name": label} for number, label in enumerate(labels, 1)],
            "images": [_image(number, photo) for number, photo in enumerate(photos, 1)],
            "annotations": [
                _annotation(number, photo, labels.index(photo.label) + 1) for number, photo in enumerate(photos, 1)
            ],
        }
        (folder / "annotations.json").write_text(json.dumps(tree, indent=1), encoding="utf-8")


def _is_coco(tree: object) -> bool:
    return isinstance(tree, dict) and all(key in tree for key in KEYS)


def _rows(model: type[Row], rows: Sequence[object], place: str, found: Found) -> Iterator[tuple[Row, str]]:
    """Each row that is as COCO has it, and where it is; the others are noted."""
    for number, row in enumerate(rows):
        try:
            yield model.model_validate(row), f"{place}[{number}]"
        except ValidationError as error:
            first = error.errors()[0]
            key = ".".join(map(str, first["loc"]))
            found.passed_over.add("entries that are not as COCO has them", f"{place}[{number}]: {key}: {first['msg']}")


def _entry(row: _Annotation, about: _Picture, picture: Path, name: str, where: str) -> Entry:
    left, top, width, height = row.bbox
    size = (about.width, about.height) if about.width > 0 and about.height > 0 else None
    item = about.extra.item or picture_item(picture.name)
    return Entry(picture, name, where, Region(left, top, left + width, top + height, size=size), item)


def picture_item(name: str) -> str:
    """What all pictures made of one photo share: Roboflow calls its variants NAME.rf.DIGEST.jpg, Windows a copy NAME - Copy."""
    return Path(name).stem.partition(".rf.")[0].removesuffix(" - Copy")


def _terms(tree: Mapping[str, Any]) -> tuple[list[str], str]:
    info, licences = tree.get("info"), tree.get("licenses")
    names = [row.get("name") for row in licences if isinstance(row, dict)] if isinstance(licences, list) else []
    origin = info.get("url") or "" if isinstance(info, dict) else ""
    return [name for name in names if isinstance(name, str)], origin if isinstance(origin, str) else ""


def _image(number: int, photo: ExportedPhoto) -> dict[str, Any]:
    row = {"id": number, "file_name": photo.name, "width": photo.size[0], "height": photo.size[1], "license": 1}
    return row | ({"extra": {"item": photo.item}} if photo.item else {})


def _annotation(number: int, photo: ExportedPhoto, category: int) -> dict[str, Any]:
    left, top, right, bottom = photo.outline
    width, height = right - left, bottom - top
    return {
        "id": number,
        "image_id": number,
        "category_id": category,
        "bbox": [left, top, width, height],
        "area": width * height,
        "iscrowd": 0,
    }
