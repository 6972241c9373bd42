"""A place as a base model sees it, drawn: features in which labels lie apart, and a base that has them turned."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from edge.bundle.archive import GOLDEN, HEAD, MEMORY, Bundle, pack_bundle, read_bundle
from edge.bundle.head import quantize_head
from edge.bundle.manifest import FORMAT_VERSION, HeadShape, Output, Thresholds
from edge.bundle.memory import NONE, Memory
from edge.teaching.lessons import Lessons

FEATURES = 40
LABELS = ("paper", "glass", "metal")


@dataclass(frozen=True)
class World:
    """Where the labels' features lie in the base's home and in the new place, codes of uint8."""

    home: np.ndarray
    place: np.ndarray
    noise: float = 14.0

    def draw(self, centres: np.ndarray, truth: np.ndarray, seed: int) -> np.ndarray:
        """Codes (photos, features) of photos of these labels; NONE lies beyond all of them."""
        rng = np.random.default_rng(seed)
        means = np.vstack([centres, np.full((1, centres.shape[1]), 200.0)])[np.where(truth == NONE, -1, truth)]
        return np.clip(np.rint(means + rng.normal(0, self.noise, means.shape)), 0, 255).astype(np.uint8)


def world(shift: float = 0.6, seed: int = 3) -> World:
    """A place whose labels lie `shift` of the way from the base's home to somewhere else, in a light of its own."""
    rng = np.random.default_rng(seed)
    home, elsewhere = (rng.uniform(40, 140, (len(LABELS), FEATURES)) for _ in range(2))
    light = rng.uniform(-20, 20, FEATURES)
    return World(home, home + shift * (elsewhere - home + light))


def base_bundle(plain: Bundle, of: World, memory: int = 240, *, with_none: bool = False) -> Bundle:
    """A bundle whose head is right at home and that remembers home; its network is another's, and never run here."""
    weights = (of.home - of.home.mean(axis=0)) / (12 * of.noise**2)
    bias = -0.5 * (of.home * weights).sum(axis=1)
    if with_none:
        weights = np.vstack([weights, np.full((1, FEATURES), 2e-3)])
        bias = np.append(bias, -2e-3 * 150 * FEATURES)
    output = Output(dtype="uint8", scale=1.0, zero_point=0, kind="features")
    head = quantize_head(weights, bias, output, with_none)
    truth = np.arange(memory) % (len(LABELS) + with_none)
    truth = np.where(truth == len(LABELS), NONE, truth)
    content = Memory(of.draw(of.home, truth, 9), truth, np.ones(memory, bool)).to_bytes()
    manifest = plain.manifest.model_copy(
        update={
            "format_version": FORMAT_VERSION,
            "labels": LABELS,
            "output": output,
            "head": HeadShape(features=FEATURES, step=head.step, none_of_these=with_none),
            "thresholds": Thresholds(minimum_score=dict.fromkeys(LABELS, 0.9)),
            "members": {},
        }
    )
    height, width = manifest.geometry.height, manifest.geometry.width
    vector = height * width * 3 + FEATURES + 8 * (len(LABELS) + with_none)
    members = dict(plain.members) | {HEAD: head.to_bytes(), GOLDEN: bytes(vector * manifest.golden.count)}
    members = {name: members[name] for name in members if name not in ("manifest.json", "signature")}
    members.pop("golden-photos.json", None)
    if memory:
        members[MEMORY] = content
    return read_bundle(pack_bundle(manifest, members), "base")


def lessons_of(of: World, items: int, seed: int = 1, *, photos: int = 1, none: int = 0) -> Lessons:
    """So many items of each label from the place, and `none` things of no label, each photographed so often."""
    truth = np.concatenate([np.repeat(np.arange(len(LABELS)), items), np.full(none, NONE)])
    numbers = np.arange(len(truth))
    truth, numbers = np.repeat(truth, photos), np.repeat(numbers, photos)
    return Lessons(of.draw(of.place, truth, seed), LABELS, truth, numbers)


def with_label(lessons: Lessons, label: str, codes: np.ndarray) -> Lessons:
    """The lessons and one label more."""
    return replace(
        lessons,
        codes=np.concatenate([lessons.codes, codes]),
        labels=(*lessons.labels, label),
        truth=np.concatenate([lessons.truth, np.full(len(codes), len(lessons.labels))]),
        items=np.concatenate([lessons.items, lessons.items.max() + 1 + np.arange(len(codes))]),
    )
