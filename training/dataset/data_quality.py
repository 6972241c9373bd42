"""What is wrong with a set of photos: unreadable files, duplicates, imbalance, labels that are probably wrong."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from html import escape
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from edge.errors import SorterError
from edge.types import Image
from training.dataset.photos import LabelledPhoto, load_small, other_files
from training.evaluation import pages

_BITS = np.array([value.bit_count() for value in range(256)], np.uint8)
SHOWN_GROUPS = 200
_SUSPECTS = (
    "<p>A classifier that was trained on the other photos gives less than 5 % to the label of each of these. The least "
    "likely come first; some are right and only unusual.</p>"
)
NEAR = 6  # bits of 64 by which hashes of the same scene differ at most


@dataclass(frozen=True)
class Suspect:
    """A photo whose label the cross-validated classifier doubts."""

    photo: LabelledPhoto
    probably: str
    probability_of_label: float


@dataclass(frozen=True)
class Inspection:
    """What was found.

    Attributes:
        groups: names of photos with a near duplicate to their group's number.
        together: the same, and photos of one item too: what no split may part.
        others: how many files of each kind are no photos.
    """

    readable: tuple[LabelledPhoto, ...]
    unreadable: tuple[tuple[LabelledPhoto, str], ...]
    exact: tuple[tuple[str, ...], ...]
    groups: dict[str, int]
    suspects: tuple[Suspect, ...] = ()
    suspects_sought: bool = False
    others: dict[str, int] = field(default_factory=dict)
    together: dict[str, int] = field(default_factory=dict)

    @property
    def counts(self) -> dict[str, int]:
        counts: dict[str, int] = defaultdict(int)
        for photo in self.readable:
            counts[photo.label] += 1
        return dict(sorted(counts.items()))

    @property
    def straddling(self) -> list[list[LabelledPhoto]]:
        """Groups of near duplicates whose photos have different labels: one of them is wrong."""
        return [group for group in self.near if len({photo.label for photo in group}) > 1]

    @property
    def near(self) -> list[list[LabelledPhoto]]:
        """All groups of near duplicates."""
        members: dict[int, list[LabelledPhoto]] = defaultdict(list)
        for photo in self.readable:
            if photo.name in self.groups:
                members[self.groups[photo.name]].append(photo)
        return list(members.values())


def perceptual_hash(pixels: Image) -> int:
    """64 bits: the sign of the 8 x 8 lowest cosine frequencies of the grey picture against their median."""
    grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
    small = cv2.resize(grey, (32, 32), interpolation=cv2.INTER_AREA).astype(np.float32)
    low = cv2.dct(small)[:8, :8].ravel()
    bits = low > np.median(low[1:])
    return int("".join("1" if bit else "0" for bit in bits), 2)


def inspect(photos: Sequence[LabelledPhoto], on_progress: Callable[[int, int], None] = lambda *_: None) -> Inspection:
    """Read every photo once."""
    readable, unreadable, hashes = [], [], []
    contents: dict[str, list[str]] = defaultdict(list)
    for number, photo in enumerate(photos):
        on_progress(number, len(photos))
        try:
            pixels = load_small(photo.path)
        except SorterError as error:
            unreadable.append((photo, str(error)))
            continue
        readable.append(photo)
        hashes.append(perceptual_hash(pixels))
        contents[hashlib.sha256(photo.path.read_bytes()).hexdigest()].append(photo.name)
    exact = tuple(tuple(names) for names in contents.values() if len(names) > 1)
    groups, together = _group(readable, hashes), _group(readable, hashes, by_item=True)
    others = other_files({photo.path.parent for photo in photos})
    return Inspection(tuple(readable), tuple(unreadable), exact, groups, others=others, together=together)


def _group(photos: Sequence[LabelledPhoto], hashes: Sequence[int], by_item: bool = False) -> dict[str, int]:
    """Join photos whose hashes are near, if asked for those of one item, and what is near to those (single linkage)."""
    if not hashes:
        return {}
    table = np.array([[value >> shift & 0xFF for shift in range(0, 64, 8)] for value in hashes], np.uint8)
    parent = list(range(len(hashes)))

    def root(index: int) -> int:
        while parent[index] != index:
            parent[index] = parent[parent[index]]
            index = parent[index]
        return index

    for index in range(len(hashes)):
        distance = _BITS[table[index + 1 :] ^ table[index]].sum(axis=1)
        for other in np.flatnonzero(distance <= NEAR):
            parent[root(index + 1 + int(other))] = root(index)
    first: dict[str, int] = {}
    for index, photo in enumerate(photos):
        if by_item and photo.item:
            parent[root(index)] = root(first.setdefault(photo.item, index))
    members: dict[int, list[str]] = defaultdict(list)
    for index, photo in enumerate(photos):
        members[root(index)].append(photo.name)
    several = [group for group in members.values() if len(group) > 1]
    return {name: number for number, group in enumerate(several) for name in group}


def with_suspects(found: Inspection, backbone: str, folds: int = 5) -> Inspection:
    """Add photos to whose label a probe that never saw their group gives less than 5 %.

    `backbone` is an .npz file of EfficientNet-Lite0's weights, or a KerasHub preset by name or folder.
    """
    import keras
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GroupKFold, cross_val_predict

    from edge.bundle.preprocess import InputGeometry, prepare_crop
    from training.dataset.photos import check_labels
    from training.network.backbones import LITE0, build_backbone
    from training.recipe import Network

    labels = check_labels(found.readable, least=folds)
    own = backbone.endswith(".npz")
    settings = Network(backbone=LITE0 if own else backbone, weights=backbone if own else None, size=160)
    built = build_backbone(settings, 2, Path())
    network = keras.Model(built.front.inputs, built.back(built.front.outputs[0])[1])
    geometry = InputGeometry(height=160, width=160, margin=0.0)
    rows = []
    for start in range(0, len(found.readable), 64):
        part = found.readable[start : start + 64]
        views = np.stack([prepare_crop(load_small(photo.path), None, geometry) for photo in part])
        rows.append(network.predict_on_batch(views.astype(np.float32) - 127.0))
    truth = np.array([labels.index(photo.label) for photo in found.readable])
    groups = [found.together.get(photo.name, -1 - number) for number, photo in enumerate(found.readable)]
    model = LogisticRegression(C=0.01, max_iter=300)
    guess = cross_val_predict(
        model, np.concatenate(rows), truth, groups=groups, cv=GroupKFold(folds), method="predict_proba"
    )
    given = guess[np.arange(len(truth)), truth]
    doubtful = [int(index) for index in np.argsort(given) if given[index] < 0.05]
    suspects = [Suspect(found.readable[i], labels[int(guess[i].argmax())], float(given[i])) for i in doubtful]
    return replace(found, suspects=tuple(suspects), suspects_sought=True)


def as_tree(found: Inspection) -> dict[str, Any]:
    """The inspection as plain JSON."""
    return {
        "photos": len(found.readable),
        "labels": found.counts,
        "unreadable": [{"photo": photo.name, "reason": reason} for photo, reason in found.unreadable],
        "other_files": found.others,
        "exact_duplicates": [list(names) for names in found.exact],
        "near_duplicates": {
            "groups": len(set(found.groups.values())),
            "photos": len(found.groups),
            "with_different_labels": [[photo.name for photo in group] for group in found.straddling],
        },
        "suspects": [
            {"photo": s.photo.name, "label": s.photo.label, "probably": s.probably, "p": s.probability_of_label}
            for s in found.suspects
        ],
    }


def _remarks(found: Inspection) -> list[str]:
    """What is to be said of the set as a whole."""
    counts, lines = found.counts, []
    if counts and max(counts.values()) > 4 * min(counts.values()):
        most, least = max(counts, key=lambda n: counts[n]), min(counts, key=lambda n: counts[n])
        lines.append(f"unbalanced: {most} has {counts[most] / counts[least]:.1f} times as many photos as {least}")
    if found.others:
        kinds = ", ".join(f"{count} {kind}" for kind, count in found.others.items())
        lines.append(f"files that are no photos of a kind that is read: {kinds}")
    if len(counts) == 1:
        lines.append(f"one label only ({next(iter(counts))}): training needs two or more")
    return lines


def summary(found: Inspection) -> str:
    """A few lines for the terminal."""
    counts = found.counts
    lines = [f"{len(found.readable)} photos: " + ", ".join(f"{name} {count}" for name, count in counts.items())]
    lines += _remarks(found)
    lines += [f"unreadable: {reason}" for _, reason in found.unreadable]
    lines.append(f"exact duplicates: {sum(len(names) - 1 for names in found.exact)}")
    groups = len(set(found.groups.values()))
    lines.append(f"near duplicates: {len(found.groups)} photos in {groups} groups")
    lines += [f"one group, different labels: {', '.join(p.name for p in group)}" for group in found.straddling]
    lines += [
        f"suspicious: {s.photo.name} is probably {s.probably} (its own label {100 * s.probability_of_label:.1f} %)"
        for s in found.suspects
    ]
    return "\n".join(lines)


def page(found: Inspection) -> str:
    """One self-contained HTML page with thumbnails of what needs a look, the worst first."""
    by_name = {photo.name: photo for photo in found.readable}
    apart = {id(group[0]) for group in found.straddling}
    alike = [group for group in found.near if id(group[0]) not in apart]
    shown, more = alike[:SHOWN_GROUPS], len(alike) - SHOWN_GROUPS
    suspects = [
        pages.picture(
            s.photo.path,
            f"labelled {s.photo.label}, looks like {s.probably} ({100 * s.probability_of_label:.1f} % {s.photo.label})",
            s.photo.name,
        )
        for s in found.suspects
    ]
    return pages.document(
        f"A look at {len(found.readable)} photos",
        [
            pages.table(("label", "photos"), [(label, str(count)) for label, count in found.counts.items()]),
            *(f"<p>{escape(line)}.</p>" for line in _remarks(found)),
            "<h2>Files that can't be read</h2>",
            "".join(f"<p>{escape(reason)}</p>" for _, reason in found.unreadable) or "<p>None.</p>",
            "<h2>Labels that are probably wrong</h2>",
            _SUSPECTS if found.suspects_sought else "<p>Not looked for: <code>--suspicious</code> does.</p>",
            pages.pictures(suspects) if found.suspects_sought else "",
            "<h2>One scene under different labels</h2>",
            "".join(_group_of(group) for group in found.straddling) or "<p>None.</p>",
            "<h2>The same file more than once</h2>",
            "".join(_group_of([by_name[name] for name in names]) for names in found.exact) or "<p>None.</p>",
            "<h2>Nearly the same picture</h2><p>A split keeps each group together.</p>",
            "".join(_group_of(group) for group in shown) or "<p>None.</p>",
            f"<p>{more} more groups are not shown.</p>" if more > 0 else "",
        ],
    )


def _group_of(photos: Sequence[LabelledPhoto]) -> str:
    return pages.pictures([pages.picture(photo.path, photo.label, photo.name) for photo in photos], "group")
