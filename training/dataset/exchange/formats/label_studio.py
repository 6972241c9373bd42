"""Label Studio's JSON (not JSON-MIN): a list of tasks with rectangles, polygons or, for whole pictures, choices."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from pydantic import BaseModel, Field, ValidationError

from edge.bundle.photo import SUFFIXES
from training.dataset.exchange.entries import Entry, ExportedPhoto, Found, Region, Terms
from training.dataset.exchange.files import Files
from training.dataset.exchange.formats.base import IMAGES, write_images
from training.dataset.exchange.formats.coco import picture_item

SERVED = "/data/local-files/?d="
"""How Label Studio names a file of its local storage."""
_LIKELY = ("image", "img", "picture", "photo", "url")


class _Value(BaseModel):
    x: float = 0
    y: float = 0
    width: float = 0
    height: float = 0
    rotation: float = 0
    points: list[tuple[float, float]] = Field(default=[(0.0, 0.0)], min_length=1)
    rectanglelabels: list[str] = []
    polygonlabels: list[str] = []
    choices: list[str] = []


class _Result(BaseModel):
    type: str = ""
    original_width: int = 0
    original_height: int = 0
    value: _Value


class _Annotation(BaseModel):
    was_cancelled: bool = False
    ground_truth: bool = False
    updated_at: str = ""
    result: list[Any] = []


class LabelStudio:
    """One file of tasks."""

    name = "label-studio"

    def recognises(self, files: Files) -> bool:
        return any(_is_tasks(tree) for _, tree in files.jsons())

    def read(self, files: Files) -> Found:
        found = Found()
        for path in files.of_kind(".json"):
            tree = files.parsed(path)
            if not _is_tasks(tree):
                continue
            for number, task in enumerate(tree):
                self._read_task(files, path, task, f"{files.name(path)}: task [{number}]", found)
        return found

    def _read_task(self, files: Files, path: Path, task: object, where: str, found: Found) -> None:
        if not isinstance(task, dict) or not isinstance(task.get("data"), dict):
            found.passed_over.add(
                "entries that are not as Label Studio has them",
                f"{where}: expected data (JSON-MIN is not read: export as JSON)",
            )
            return
        reference = _reference(task["data"])
        results = _results(task, where, found)
        if reference is None:
            found.passed_over.add("tasks without a picture", where)
        elif not results:
            found.passed_over.add("pictures on which nothing is marked", f"{where}: {reference}")
        elif (picture := files.picture(reference, path, found, where)) is not None:
            given = task["data"].get("item")
            for number, result in enumerate(results):
                _read_result(
                    result, picture, given if isinstance(given, str) else "", f"{where} result [{number}]", found
                )

    def write(self, photos: Sequence[ExportedPhoto], folder: Path, terms: Terms) -> None:
        write_images(photos, folder / IMAGES)
        tasks = [_task(number, photo) for number, photo in enumerate(photos, 1)]
        (folder / "tasks.json").write_text(json.dumps(tasks, indent=1), encoding="utf-8")


def _is_tasks(tree: object) -> bool:
    keys = ("annotations", "completions", "annotation_id")  # the last one is of JSON-MIN, which is answered
    return isinstance(tree, list) and any(isinstance(task, dict) and any(key in task for key in keys) for task in tree)


def _reference(data: Mapping[str, Any]) -> str | None:
    """Which of a task's data is its picture; their names are chosen by whoever made the project."""
    texts = {key: value for key, value in data.items() if isinstance(value, str)}
    likely = [texts[key] for key in _LIKELY if key in texts]
    pictures = [text for text in texts.values() if Path(text.partition("?")[0]).suffix.lower() in SUFFIXES]
    return next(iter((*likely, *pictures)), None)


def _results(task: Mapping[str, Any], where: str, found: Found) -> list[Any]:
    """What the annotation says that holds: the one marked as true, or else the latest that was not cancelled."""
    given = task.get("annotations", task.get("completions"))
    annotations = []
    for number, row in enumerate(given if isinstance(given, list) else []):
        try:
            annotations.append(_Annotation.model_validate(row))
        except ValidationError:
            found.passed_over.add("entries that are not as Label Studio has them", f"{where} annotation [{number}]")
    kept = [annotation for annotation in annotations if not annotation.was_cancelled and annotation.result]
    if len(kept) > 1:
        found.passed_over.add("annotations by others, of which the latest is taken", where)
    return max(kept, key=lambda one: (one.ground_truth, one.updated_at)).result if kept else []


def _read_result(row: object, picture: Path, item: str, where: str, found: Found) -> None:
    try:
        result = _Result.model_validate(row)
    except ValidationError as error:
        first = error.errors()[0]
        reason = f"{where}: {'.'.join(map(str, first['loc']))}: {first['msg']}"
        found.passed_over.add("entries that are not as Label Studio has them", reason)
        return
    value = result.value
    names = {"rectanglelabels": value.rectanglelabels, "polygonlabels": value.polygonlabels, "choices": value.choices}
    if result.type not in names:
        found.passed_over.add("regions of a kind that is not read", f"{where}: {result.type or 'none'}")
    elif len(names[result.type]) != 1:
        found.passed_over.add("regions with no label, or several", where)
    else:
        whole = result.type == "choices"
        region = None if whole else _region(result)
        found.entries.append(
            Entry(picture, names[result.type][0], where, region, item or ("" if whole else picture_item(picture.name)))
        )


def _region(result: _Result) -> Region:
    """In fractions; Label Studio writes hundredths, and turns a rectangle around its corner."""
    value = result.value
    if result.type == "polygonlabels":
        return Region.around([(x / 100, y / 100) for x, y in value.points], relative=True)
    wide, high = (result.original_width or 1), (result.original_height or 1)
    turn = math.radians(value.rotation)
    corners = []
    for across, down in ((0, 0), (value.width, 0), (0, value.height), (value.width, value.height)):
        along, below = across * wide, down * high
        x = value.x * wide + along * math.cos(turn) - below * math.sin(turn)
        y = value.y * high + along * math.sin(turn) + below * math.cos(turn)
        corners.append((x / wide / 100, y / high / 100))
    return Region.around(corners, relative=True)


def _task(number: int, photo: ExportedPhoto) -> dict[str, Any]:
    width, height = photo.size
    shared = {"id": str(number), "to_name": "image", "original_width": width, "original_height": height}
    if photo.box is None:
        result: dict[str, Any] = {"from_name": "label", "type": "choices", "value": {"choices": [photo.label]}}
    else:
        left, top, right, bottom = photo.box
        value = {
            "x": 100 * left / width,
            "y": 100 * top / height,
            "width": 100 * (right - left) / width,
            "height": 100 * (bottom - top) / height,
            "rotation": 0,
            "rectanglelabels": [photo.label],
        }
        result = {"from_name": "box", "type": "rectanglelabels", "value": value}
    data = {"image": f"{SERVED}{IMAGES}/{quote(photo.name)}"} | ({"item": photo.item} if photo.item else {})
    return {"id": number, "data": data, "annotations": [{"result": [shared | result]}]}
