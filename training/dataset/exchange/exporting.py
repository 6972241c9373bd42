"""The export: a source of a data set, or any folder or list of photos, in the format of another tool."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from edge.bundle.photo import PhotoError
from edge.errors import ConfigError, DatasetError
from training.dataset.exchange import source as sources
from training.dataset.exchange.entries import ExportedPhoto, PassedOver, Terms
from training.dataset.exchange.formats import WRITABLE
from training.dataset.exchange.picture_files import Picture
from training.dataset.exchange.source import Kept
from training.dataset.photos import LabelledPhoto


@dataclass
class Exported:
    """How many photos of each label were written, and what was not."""

    counts: Counter[str] = field(default_factory=Counter)
    passed_over: PassedOver = field(default_factory=PassedOver)


def export(
    photos: Sequence[LabelledPhoto],
    out: Path,
    asked: str,
    on_progress: Callable[[int, int], None] = lambda *_: None,
) -> Exported:
    """Write photos, with the boxes of a source and its licence, into a new folder that appears whole or not at all.

    Raises:
        ConfigError: there is no such format, or the folder is there.
        DatasetError: not one photo can be read.
    """
    if asked not in WRITABLE:
        raise ConfigError(f"--format {asked}: expected one of {', '.join(WRITABLE)}")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ConfigError(f"--out {out}: is there and not empty: give a new folder")
    done = Exported()
    notes = [sources.read_note(root) for root in sorted({_source_of(photo) for photo in photos})]
    imports = tuple(one for note in notes for one in note.imports)
    if any(out.resolve().is_relative_to(_source_of(photo).resolve()) for photo in photos):
        raise ConfigError(f"--out {out}: lies among the photos: give a folder elsewhere")
    with sources.working_in(out.parent) as work:
        ready = _prepare(photos, work / "photos", done, on_progress)
        made = work / out.name
        made.mkdir()
        terms = sources.SourceNote(name=out.name, imports=imports)
        WRITABLE[asked].write(ready, made, Terms(terms.licence, next((one.origin for one in imports), "")))
        if imports:
            sources.write_note(made, terms)
        if out.is_dir():
            out.rmdir()
        sources.publish(made, out)
    return done


def _source_of(photo: LabelledPhoto) -> Path:
    """The folder that holds the label's; of a photo that no import wrote it says nothing."""
    return photo.path.parent.parent


def _prepare(
    photos: Sequence[LabelledPhoto], folder: Path, done: Exported, on_progress: Callable[[int, int], None]
) -> list[ExportedPhoto]:
    """Write the photos into a folder as they are read: no more than one of them is held in memory."""
    folder.mkdir()
    kept: dict[Path, Mapping[str, Kept]] = {}
    taken: set[str] = set()
    ready = []
    for number, photo in enumerate(photos):
        on_progress(number, len(photos))
        try:
            picture = Picture(photo.path)
        except PhotoError as error:
            done.passed_over.add("pictures that can't be read", str(error))
            continue
        content, suffix = picture.encoded()
        root = _source_of(photo)
        if root not in kept:
            kept[root] = sources.read_kept(root)
        row = kept[root].get(photo.path.relative_to(root).as_posix())
        box = None if row is None or row.box is None else row.box
        corners = None if box is None else (box.x, box.y, box.x + box.width, box.y + box.height)
        name = _free_name(photo, taken) + suffix
        file = folder / name
        file.write_bytes(content)
        ready.append(
            ExportedPhoto(name, file, photo.label, picture.size, corners, photo.item or (row.item if row else ""))
        )
        done.counts[photo.label] += 1
    if not ready:
        raise DatasetError(f"not one of the {len(photos)} photos can be read")
    return ready


def _free_name(photo: LabelledPhoto, taken: set[str]) -> str:
    """A name without its suffix that no other photo has, on no system, and that every tool takes."""
    plain = re.sub(r"[^\w.@ -]+", "-", photo.path.stem).strip(" .-")[:100] or "photo"
    names = (plain, *(f"{plain}-{number}" for number in range(2, len(taken) + 3)))
    name = next(name for name in names if name.casefold() not in taken)
    taken.add(name.casefold())
    return name
