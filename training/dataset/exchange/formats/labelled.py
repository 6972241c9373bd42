"""Pictures that were labelled with `sorter label`: labels-NAME.csv beside them or above, also as `sorter pull` brings them."""

from __future__ import annotations

from pathlib import Path

from edge.bundle.kept_names import kept_item_of
from edge.labelling.labels import NONE_OF_THESE, TWO_THINGS, find_labels, read_labels
from training.dataset.exchange.entries import Entry, Found
from training.dataset.exchange.files import Files

OTHER = "other"
"""The label of what none of the labels means."""
PICTURES = "pictures"  # below the folder of a station, in what `sorter pull` brings


class Labelled:
    """Each folder of pictures is a source: a station, or a camera."""

    name = "labelled"

    def recognises(self, files: Files) -> bool:
        labels = find_labels(files.root)
        return files.only in labels if files.only is not None else bool(labels)

    def read(self, files: Files) -> Found:
        found = Found()
        labels = read_labels(files.root, None if files.only is None else [files.only])
        for line in labels.damaged:
            found.passed_over.add("lines that can't be used", str(line))
        for entries in labels.disagreements:
            said = ", ".join(f"{entry.by} {entry.label}" for entry in entries)
            found.passed_over.add(
                "labels that people disagree on, of which the latest is taken", f"{entries[0].picture}: {said}"
            )
        known = {path.resolve() for path in files.pictures}
        for name, entry in labels.entries.items():
            path = files.root / name
            where = f"{name} ({entry.by})"
            if path.resolve() not in known:
                found.passed_over.add("pictures that are not there", where)
            elif entry.label == TWO_THINGS:
                found.passed_over.add("pictures of two things", where)
            else:
                found.entries.append(_entry(path, OTHER if entry.label == NONE_OF_THESE else entry.label, where))
        return found


def _entry(path: Path, label: str, where: str) -> Entry:
    return Entry(path, label, where, item=kept_item_of(path.name), source=station_of(path))


def station_of(path: Path) -> str:
    """The folder of the station that a picture is from: the one that holds `pictures`, or else the picture's own."""
    folders = path.absolute().parent.parts
    at = len(folders) - 1 - folders[::-1].index(PICTURES) if PICTURES in folders else len(folders)
    return folders[at - 1]
