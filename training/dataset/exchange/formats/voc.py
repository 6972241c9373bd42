"""Pascal VOC: an .xml for each picture, with `object/name` and `object/bndbox`."""

from __future__ import annotations

from pathlib import Path
from xml.etree.ElementTree import Element, ParseError

import defusedxml
from defusedxml import ElementTree

from edge.bundle.photo import SUFFIXES
from edge.errors import DatasetError
from training.dataset.exchange.entries import Entry, Found, Region
from training.dataset.exchange.files import Files
from training.dataset.exchange.formats.coco import picture_item

_LOOKED_AT = 20  # files, to recognise the format
MOST_XML = 1 << 24  # bytes
_SIDES = ("xmin", "ymin", "xmax", "ymax")


class Voc:
    """As labelImg, CVAT and Roboflow write it."""

    name = "voc"

    def recognises(self, files: Files) -> bool:
        for path in files.of_kind(".xml")[:_LOOKED_AT]:
            try:
                if _root(files, path).tag == "annotation":
                    return True
            except DatasetError as error:
                files.broken.append(error)
        return False

    def read(self, files: Files) -> Found:
        found = Found()
        for path in files.of_kind(".xml"):
            try:
                root = _root(files, path)
            except DatasetError as error:
                found.passed_over.add("files that can't be read", str(error))
                continue
            if root.tag != "annotation":
                found.passed_over.add("files of another kind", f"{files.name(path)}: <{root.tag[:40]}>")
                continue
            things = root.findall("object")
            if not things:
                found.passed_over.add("pictures on which nothing is marked", files.name(path))
            elif (picture := _picture(files, path, root, found)) is not None:
                self._read_things(files.name(path), picture, root, things, found)
        return found

    def _read_things(self, here: str, picture: Path, root: Element, things: list[Element], found: Found) -> None:
        size = _size(root)
        for number, thing in enumerate(things, 1):
            where = f"{here} object {number}"
            name = (thing.findtext("name") or "").strip()
            try:
                left, top, right, bottom = (float(thing.findtext(f"bndbox/{side}") or "") for side in _SIDES)
            except ValueError:
                found.passed_over.add(
                    "objects that can't be used", f"{where}: expected bndbox with {', '.join(_SIDES)}"
                )
                continue
            if not name:
                found.passed_over.add("objects that can't be used", f"{where}: it has no name")
                continue
            region = Region(left, top, right, bottom, size=size)
            found.entries.append(Entry(picture, name, where, region, picture_item(picture.name)))


def _root(files: Files, path: Path) -> Element:
    try:
        root: Element = ElementTree.fromstring(files.content(path, MOST_XML), forbid_dtd=True)
    except ParseError as error:
        line, column = error.position
        reason = f"line {line}, column {column}: no XML ({str(error).partition(':')[0]})"
    except defusedxml.DefusedXmlException:
        reason = "it declares entities, which no export does"
    except (ValueError, LookupError, RecursionError):
        reason = "no XML of an export"
    else:
        return root
    raise DatasetError(f"{files.name(path)}: {reason}: export it again")


def _picture(files: Files, path: Path, root: Element, found: Found) -> Path | None:
    """The picture: by its name, by the path on the disk where it was labelled, or the one called like this file."""
    named = [text for tag in ("filename", "path") if (text := (root.findtext(tag) or "").strip())]
    alike = [path.with_suffix(suffix).name for suffix in sorted(SUFFIXES)]
    for reference in (*named, *alike):
        picture = files.picture(reference, path, Found(), "")
        if picture is not None:
            return picture
    return files.picture((*named, path.stem)[0], path, found, files.name(path))


def _size(root: Element) -> tuple[int, int] | None:
    """Width and height; labelImg has written 0 for both."""
    given = [(root.findtext(f"size/{side}") or "").strip() for side in ("width", "height")]
    width, height = (int(text) if text.isdecimal() else 0 for text in given)
    return (width, height) if width and height else None
