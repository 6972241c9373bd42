"""The import: from what a format says to sources of a data set."""

from __future__ import annotations

import hashlib
import itertools
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from edge.bundle.photo import PhotoError
from edge.bundle.photo_tree import is_hidden
from edge.errors import ConfigError, DatasetError
from training.dataset.exchange import source as sources
from training.dataset.exchange.classes import ClassMap
from training.dataset.exchange.crops import Crop, UnusableRegionError, crop_of, orientation_of
from training.dataset.exchange.entries import Entry, Found, PassedOver
from training.dataset.exchange.files import Files, unpack
from training.dataset.exchange.formats import FORMATS
from training.dataset.exchange.formats.base import Format
from training.dataset.exchange.picture_files import Picture
from training.dataset.exchange.source import Kept

_LISTS = frozenset({".json", ".csv", ".txt", ".xml", ".yaml", ".yml"})


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


def import_into(
    dataset: Path, given: Path, options: ImportOptions, on_progress: Progress = lambda *_: None
) -> Imported:
    """Import a folder, a .zip or a file of labels into a data set; each of its sources appears whole, or not at all.

    Raises:
        DatasetError: nothing can be imported, or a source of that name is there.
        ConfigError: an option does not fit.
    """
    with sources.working_in(dataset) as work:
        files = _open(given, work, options)
        chosen = _format(files, given, options.format)
        found = chosen.read(files)
        _add_terms(found, files.root)
        for link in files.links:
            found.passed_over.add("links, which are not followed", link)
        by_source = _by_source(found, given, options)
        labels = options.classes.labels(
            Counter(entry.name for entry in found.entries), _labels_of(dataset, by_source, options.merge)
        )
        done = Imported(chosen.name, passed_over=found.passed_over, licence=options.licence or found.licence)
        done.renamed = {name: label for name, label in labels.items() if label is not None and label != name}
        maker = _Maker(dataset, work, options, labels, done, on_progress)
        maker.make(by_source)
        if not any(counter.total() for counter in done.counts.values()) and not done.there_before:
            raise DatasetError("\n".join([f"{given}: nothing in it that can be imported", *done.passed_over.lines()]))
        for name in by_source:
            maker.note(name, given, found)
        for name in by_source:
            sources.publish(work / name, dataset / name)
    return done


def _open(given: Path, work: Path, options: ImportOptions) -> Files:
    pictures = options.pictures
    if pictures is not None and not pictures.is_dir():
        raise ConfigError(f"--pictures {pictures}: no such folder")
    if given.is_dir():
        return Files(given, pictures=pictures)
    if not given.is_file():
        raise DatasetError(f"{given}: no such folder or file; expected a folder, a .zip or a file of labels")
    if given.suffix.lower() == ".zip":
        unpacked = work / ".unpacked"
        unpacked.mkdir()
        unpack(given, unpacked)
        return Files(unpacked, pictures=pictures)
    if given.suffix.lower() not in _LISTS:
        raise DatasetError(
            f"{given}: expected a folder, a .zip or a file of labels ({', '.join(sorted(_LISTS))}); a photo alone has no "
            "label: put it into a folder of its label"
        )
    return Files(given.parent, only=given, pictures=pictures)


def _add_terms(found: Found, root: Path) -> None:
    """Licence and origin of what was exported from a data set; where the format says them, that is believed."""
    note = sources.read_note(root)
    origins = [one.origin for one in note.imports]
    found.add_terms([] if found.licence else [note.licence], next(iter(origins), ""))


def _format(files: Files, given: Path, asked: str) -> Format:
    if asked:
        if asked not in FORMATS:
            raise ConfigError(f"--format {asked}: expected one of {', '.join(FORMATS)}")
        return FORMATS[asked]
    likely = [one for one in FORMATS.values() if one.name != "folders" and one.recognises(files)]
    if len(likely) > 1:
        raise DatasetError(
            f"{given}: labels of several formats ({', '.join(one.name for one in likely)}): say which with --format"
        )
    if likely:
        return likely[0]
    if files.broken:
        raise DatasetError(f"{files.broken[0]}; or leave it aside with --format folders")
    if files.only is None and FORMATS["folders"].recognises(files):
        return FORMATS["folders"]
    raise DatasetError(
        f"{given}: no labels that are known in it; expected one of {', '.join(FORMATS)}: see docs/datasets.md for what "
        "each looks like"
    )


def _by_source(found: Found, given: Path, options: ImportOptions) -> dict[str, list[Entry]]:
    """The entries of each source; those of stations are apart."""
    named = sorted({entry.source for entry in found.entries if entry.source})
    if options.source and len(named) > 1:
        raise ConfigError(
            f"--source {options.source}: {given} holds {len(named)} stations ({', '.join(named)}), and each becomes a "
            "source of its own: leave --source out, or import them one by one"
        )
    result: dict[str, list[Entry]] = {}
    for entry in found.entries:
        name = options.source or entry.source or _stem(given)
        result.setdefault(sources.check_source_name(name), []).append(entry)
    if not result:
        raise DatasetError("\n".join([f"{given}: nothing in it that can be imported", *found.passed_over.lines()]))
    return result


def _stem(given: Path) -> str:
    path = given.resolve()
    return path.name if path.is_dir() else path.stem


def _labels_of(dataset: Path, ours: Iterable[str], merge: bool) -> set[str]:
    """The labels of the data set, which new classes have to be."""
    names = set(sources.sources_of(dataset)) - (set() if merge else set(ours))
    return {
        folder.name
        for name in names
        for folder in (dataset / name).iterdir()
        if folder.is_dir() and not is_hidden(folder.name)
    }


class _Maker:
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
        if target.exists() or target.is_symlink():
            if not self._options.merge:
                raise DatasetError(f"{target}: is there: give another name with --source, or add to it with --merge")
            sources.copy_of(target, self._work / name)
        else:
            (self._work / name).mkdir()
        self._kept[name] = sources.read_kept(self._work / name)
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
        others = [one for one in self._kept[name].values() if Path(one.path).stem == digest and one.label != label]
        if others:
            self._done.passed_over.add(
                "pictures under two labels, one of which is wrong", f"{others[0].path} {entry.where}"
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
        note = sources.ImportNote(
            taken_from=given.resolve().name,
            format=self._done.format,
            licence=self._done.licence or sources.NO_LICENCE,
            origin=options.origin or found.origin,
            margin=options.margin,
            photos=photos,
        )
        before = sources.read_note(folder).imports
        sources.write_note(folder, sources.SourceNote(name=name, imports=(*before, *([note] if photos else []))))


def _place(entry: Entry) -> tuple[Path, str]:
    return entry.picture, entry.where
