"""The making of sources: crops are cut out and written, and where they are from is noted."""

from __future__ import annotations

import hashlib
import itertools
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from edge.bundle.photo import PhotoError
from edge.errors import DatasetError
from training.dataset.exchange import source as sources
from training.dataset.exchange.classes import ClassMap
from training.dataset.exchange.crops import Crop, UnusableRegionError, crop_of, orientation_of
from training.dataset.exchange.entries import Entry, Found, PassedOver
from training.dataset.exchange.picture_files import Picture
from training.dataset.exchange.source import NO_LICENCE, ImportNote, Kept, SourceNote


@dataclass(frozen=True)
class ImportOptions:
    """What is asked for; see `sorter dataset import --help`."""

    source: str = ""
    format: str = ""
    pictures: Path | None = None
    classes: ClassMap = field(default_factory=ClassMap)
    margin: float = 0.15
    smallest: int = 16
    licence: str = ""
    origin: str = ""
    merge: bool = False


@dataclass
class Imported:
    """What was imported, by source and label, and what was not."""

    format: str
    counts: dict[str, Counter[str]] = field(default_factory=dict)
    there_before: int = 0
    passed_over: PassedOver = field(default_factory=PassedOver)
    renamed: dict[str, str] = field(default_factory=dict)
    licence: str = ""


Progress = Callable[[int, int], None]


class SourceMaker:
    """Makes the folders of sources in the folder for work."""

    def __init__(
        self,
        dataset: Path,
        work: Path,
        options: ImportOptions,
        labels: dict[str, str | None],
        done: Imported,
        on_progress: Progress,
    ) -> None:
        self._dataset, self._work, self._options, self._labels = dataset, work, options, labels
        self._done, self._on_progress = done, on_progress
        self._kept: dict[str, dict[str, Kept]] = {}
        self._before: dict[str, tuple[ImportNote, ...]] = {}
        self._first: dict[tuple[str, str], Kept] = {}  # of each source and content
        self._elsewhere = {
            path.stem: name for name in sources.sources_of(dataset) for path in (dataset / name).glob("*/*")
        }

    def make(self, by_source: dict[str, list[Entry]]) -> None:
        """Write all photos; each file is read once."""
        for name in by_source:
            self._begin(name)
        total, done = sum(map(len, by_source.values())), 0
        for name, entries in by_source.items():
            for path, group in itertools.groupby(sorted(entries, key=_place), key=lambda entry: entry.picture):
                of_picture = list(group)
                self._on_progress(done, total)
                self._take(name, path, of_picture)
                done += len(of_picture)
            sources.write_kept(self._work / name, list(self._kept[name].values()))

    def _begin(self, name: str) -> None:
        target = self._dataset / name
        there = target.exists() or target.is_symlink()
        if there and not self._options.merge:
            raise DatasetError(f"{target}: is there: give another name with --source, or add to it with --merge")
        self._kept[name] = sources.read_kept(target)
        self._before[name] = sources.read_note(target).imports
        if there:
            sources.copy_of(target, self._work / name)
        else:
            (self._work / name).mkdir()
        self._first |= {(name, Path(row.path).stem): row for row in self._kept[name].values()}
        self._done.counts[name] = Counter()

    def _take(self, name: str, path: Path, entries: Sequence[Entry]) -> None:
        wanted = []
        for entry in entries:
            if self._labels[entry.name] is None:
                self._done.passed_over.add("left out by their class", f"{entry.name!r} {entry.where}")
            else:
                wanted.append(entry)
        if not wanted:
            return
        try:
            picture = Picture(path)
        except PhotoError as error:
            self._done.passed_over.add("pictures that can't be read", f"{error} ({wanted[0].where})")
            return
        for entry in wanted:
            try:
                crop = self._crop(picture, entry)
            except UnusableRegionError as reason:
                self._done.passed_over.add(str(reason), entry.where)
            else:
                self._keep(name, picture, entry, crop)

    def _crop(self, picture: Picture, entry: Entry) -> Crop:
        if entry.region is None:
            return Crop()
        options, swapped = self._options, entry.region.size == picture.size[::-1]
        orientation = orientation_of(picture.path) if swapped else 1
        return crop_of(entry.region, picture.size, options.margin, options.smallest, orientation)

    def _keep(self, name: str, picture: Picture, entry: Entry, crop: Crop) -> None:
        content, suffix = picture.encoded(crop.cut)
        label = self._labels[entry.name]
        assert label is not None
        digest = hashlib.sha256(content).hexdigest()[:16]
        kept = Kept(f"{label}/{digest}{suffix}", label, entry.item, crop.item, picture.path.name)
        first = self._first.setdefault((name, digest), kept)
        if first.label != label:
            self._done.passed_over.add(
                "pictures under two labels, one of which is wrong", f"{first.path} {entry.where}"
            )
        if (elsewhere := self._elsewhere.get(digest, name)) != name:
            self._done.passed_over.add(
                "pictures that another source has too, so that leaving that one out leaves them in",
                f"{elsewhere} {kept.path}",
            )
        target = self._work / name / kept.path
        if target.is_file():
            self._done.there_before += 1
            return
        target.parent.mkdir(exist_ok=True)
        target.write_bytes(content)
        self._kept[name][kept.path] = kept
        self._done.counts[name][label] += 1

    def note(self, name: str, given: Path, found: Found) -> None:
        """Write down where the photos of a source are from, after what was said of those that were there."""
        options, folder = self._options, self._work / name
        photos = self._done.counts[name].total()
        note = ImportNote(
            taken_from=given.resolve().name,
            format=self._done.format,
            licence=self._done.licence or NO_LICENCE,
            origin=options.origin or found.origin,
            margin=options.margin,
            photos=photos,
        )
        sources.write_note(folder, SourceNote(name=name, imports=(*self._before[name], *([note] if photos else []))))


def _place(entry: Entry) -> tuple[Path, str]:
    return entry.picture, entry.where
