"""What a technician and a program are told of a taught head."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from edge.system.statistics import fewest_photos
from edge.teaching.learning import Learnt
from edge.teaching.lessons import Lessons
from edge.teaching.pictures import Seen
from edge.teaching.scoring import Figures, Share
from edge.words import Sentence

FEWEST_ITEMS: Final = 10
"""Of a label, under which more are asked for."""


def as_tree(seen: Seen, learnt: Learnt) -> dict[str, Any]:
    """Everything, for programs."""
    return {
        "refused": learnt.refusal or None,
        "labels": {
            label: {
                "items": items,
                "pictures": pictures,
                "before": _figures(learnt.before.get(label)),
                "after": _figures(learnt.after.get(label)),
                "minimum_score": learnt.thresholds.minimum_score[label],
                "own_threshold": label in learnt.own_threshold,
            }
            for label, items, pictures in counted(seen.lessons)
        },
        "before": _figures(learnt.before[""]),
        "after": _figures(learnt.after[""]),
        "memory": {
            label or "all": {"before": _share(share), "after": _share(learnt.kept.after[label])}
            for label, share in learnt.kept.before.items()
        },
        "purity": learnt.thresholds.purity,
        "purity_reached": learnt.purity_reached,
        "temperature": learnt.thresholds.temperature,
        "weight_of_the_place": learnt.share,
        "stiffness": learnt.stiffness,
        "step": learnt.step,
        "new_labels": list(seen.new_labels),
        "advice": [one.as_table() for one in advice(seen.lessons, learnt)],
        "notes": [one.as_table() for one in seen.notes],
        "unreadable": list(seen.unreadable),
    }


def counted(lessons: Lessons) -> Iterator[tuple[str, int, int]]:
    """Each label that was taught, with its items and pictures."""
    for number, label in enumerate(lessons.labels):
        items, pictures = lessons.count(number)
        if items:
            yield label, items, pictures


def advice(lessons: Lessons, learnt: Learnt) -> Iterator[Sentence]:
    """What more would help."""
    purity = learnt.thresholds.purity or 0.0
    enough, percent = fewest_photos(purity) if purity < 1 else 0, f"{100 * purity:g}"
    taught = {label for label, _, _ in counted(lessons)}
    if left := [label for label in learnt.labels if label not in taught]:
        yield Sentence("nothing was shown of {labels}: the base's knowledge of them is kept", {"labels": left})
    for label, items, _ in counted(lessons):
        if items < FEWEST_ITEMS:
            values = {"label": label, "more": FEWEST_ITEMS - items, "items": items}
            yield Sentence("{label} needs {more} more items: {items} are too few to rely on", values)
        elif label not in learnt.own_threshold and items < enough:
            values = {"label": label, "more": enough - items, "percent": percent}
            yield Sentence("{label} needs {more} more items to show {percent} % purity by itself", values)
        elif label not in learnt.own_threshold:
            yield Sentence(
                "{label} is often mistaken here, so that few of it will be sorted: show more of it", {"label": label}
            )
    if not learnt.purity_reached:
        yield Sentence(
            "no score keeps {percent} % purity on what was shown: the surest items alone are sorted",
            {"percent": percent},
        )


def _figures(figures: Figures | None) -> dict[str, Any] | None:
    if figures is None:
        return None
    return {"top1": _share(figures.top1), "purity": _share(figures.purity), "recovery": _share(figures.recovery)}


def _share(share: Share) -> dict[str, Any] | None:
    if not share.count:
        return None
    low, high = share.interval
    return {"value": share.value, "low": low, "high": high, "right": share.right, "count": share.count}
