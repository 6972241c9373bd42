"""The import: from what a format says to sources of a data set."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from edge.bundle.photo_tree import is_hidden
from edge.errors import ConfigError, DatasetError
from training.dataset.exchange import source as sources
from training.dataset.exchange.entries import Entry, Found
from training.dataset.exchange.files import Files, unpack
from training.dataset.exchange.formats import FORMATS
from training.dataset.exchange.formats.base import Format
from training.dataset.exchange.making import Imported, ImportOptions, Progress, SourceMaker

_LISTS = frozenset({".json", ".csv", ".txt", ".xml", ".yaml", ".yml"})


def import_into(
    dataset: Path, given: Path, options: ImportOptions, on_progress: Progress = lambda *_: None
) -> Imported:
    """Import a folder, a .zip or a file of labels into a data set; each of its sources appears whole, or not at all.

    Raises:
        DatasetError: nothing can be imported, or a source of that name is there.
        ConfigError: an option does not fit.
    """
    if dataset.resolve().is_relative_to(given.resolve()):
        raise ConfigError(f"--into {dataset}: lies in {given}, which is read: give a folder beside it")
    with sources.working_in(dataset) as work:
        files = _open(given, work, options)
        chosen = _format(files, given, options.format)
        found = chosen.read(files)
        _add_terms(found, files.root)
        for link in files.links:
            found.passed_over.add("links, which are not followed", link)
        by_source = _by_source(found, given, options)
        labels = options.classes.labels(
            Counter(entry.name for entry in found.entries), _labels_of(dataset, by_source, options.merge), found.classes
        )
        done = Imported(chosen.name, passed_over=found.passed_over, licence=options.licence or found.licence)
        done.renamed = {name: label for name, label in labels.items() if label is not None and label != name}
        maker = SourceMaker(dataset, work, options, labels, done, on_progress)
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
    raw: dict[str, str] = {}
    for entry in found.entries:
        given_name = options.source or entry.source or _stem(given)
        name = options.source or _source_name(given_name)
        if raw.setdefault(name, given_name) != given_name:
            raise DatasetError(
                f"{given}: {raw[name]} and {given_name} would both be the source {name}: rename one of them"
            )
        result.setdefault(name, []).append(entry)
    if not result:
        raise DatasetError("\n".join([f"{given}: nothing in it that can be imported", *found.passed_over.lines()]))
    return result


def _stem(given: Path) -> str:
    path = given.resolve()
    return path.name if path.is_dir() else path.stem


def _source_name(name: str) -> str:
    """The source that a folder's or a file's name makes: `Halle 1 (neu)` is Halle-1-neu."""
    return re.sub(r"[^\w@.-]+", "-", unicodedata.normalize("NFC", name)).strip("-._@")[:64] or "import"


def _labels_of(dataset: Path, ours: Iterable[str], merge: bool) -> set[str]:
    """The labels of the data set, which new classes have to be."""
    names = set(sources.sources_of(dataset)) - (set() if merge else set(ours))
    return {
        folder.name
        for name in names
        for folder in (dataset / name).iterdir()
        if folder.is_dir() and not is_hidden(folder.name)
    }
