"""What teaching brings at a place whose photos lie in a folder a label: some of each label taught, the rest judged.

Folders of labels that the model does not know are left out; a label that has no folder is a wrong answer, before and after
alike. Means of the draws, at the thresholds of each head; of what is forgotten the most.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before NumPy: its threads wait for each other at full speed

import numpy as np

from edge.bundle.archive import Bundle, open_bundle
from edge.bundle.head import LinearHead, read_head
from edge.bundle.manifest import Thresholds
from edge.inference.classifier import shipped_bundle_path
from edge.inference.interpreter import open_interpreter
from edge.system.statistics import softmax
from edge.teaching.learning import learn
from edge.teaching.lessons import Lessons
from edge.teaching.pictures import find_in_folders, look

DRAWS = 3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="a folder that holds a folder of photos for each label")
    parser.add_argument("--bundle", type=Path, help="the base; without it the one that ships")
    asked = parser.parse_args()
    base = open_bundle(asked.bundle or shipped_bundle_path())
    known = [picture for picture in find_in_folders(asked.folder) if picture.label in base.labels]
    lessons = look(base, open_interpreter(base), known, lambda _: None).lessons
    print(f"{base.manifest.title}, {len(lessons.truth)} photos, {DRAWS} draws")
    print(f"{'a label':>8} {'named rightly':>20} {'purity':>20} {'recovery':>20} {'forgotten':>10}")
    for count in (10, 30, 100):
        rows = np.array([one_draw(base, lessons, count, seed) for seed in range(DRAWS)])
        mean = rows.mean(axis=0)
        cells = " ".join(f"{100 * mean[i]:>8.1f} -> {100 * mean[i + 1]:.1f} %" for i in (0, 2, 4))
        print(f"{count:>8} {cells} {100 * rows[:, 6].max():>8.1f}")


def one_draw(base: Bundle, lessons: Lessons, count: int, seed: int) -> list[float]:
    """Named rightly, purity and recovery, each before and after, and by how much the memory's share falls."""
    order = np.random.default_rng(seed).permutation(len(lessons.truth))
    taught: list[int] = []
    for label in np.unique(lessons.truth):
        mine = order[lessons.truth[order] == label]
        taught += mine[: min(count, len(mine) // 2)].tolist()
    rest = np.setdiff1d(order, taught)
    turned = None if lessons.turned is None else lessons.turned[:, taught]
    part = Lessons(lessons.codes[taught], lessons.labels, lessons.truth[taught], lessons.items[taught], turned)
    learnt = learn(base, part, 0.95)
    head = read_head(base)
    assert isinstance(head, LinearHead)
    before = judge(head, base.manifest.thresholds, lessons, rest)
    after = judge(learnt.head, learnt.thresholds, lessons, rest)
    return [*(value for pair in zip(before, after, strict=True) for value in pair), learnt.kept.forgotten]


def judge(head: LinearHead, thresholds: Thresholds, lessons: Lessons, rest: np.ndarray) -> tuple[float, float, float]:
    """Named rightly, purity and recovery of single photos."""
    scores = softmax(head.logits(lessons.codes[rest]), thresholds.temperature)
    found, right = scores.argmax(axis=1), scores.argmax(axis=1) == lessons.truth[rest]
    minimum = np.array([thresholds.minimum_score[label] for label in lessons.labels])
    through = (scores.max(axis=1) >= minimum[found]) & (head.strangeness(lessons.codes[rest]) <= 0)
    return float(right.mean()), float(right[through].mean()), float((right & through).mean())


if __name__ == "__main__":
    main()
