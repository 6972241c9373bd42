"""Whether a taught head may be used: it must be better than the base, and harm nothing that the base can."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from edge.teaching.scoring import Figures, Share

MOST_FORGOTTEN: Final = 0.01
"""How far the share of the memory that is named rightly may fall."""
MOST_FORGOTTEN_OF_ONE: Final = 0.05
"""The same of a single label, where more than a few photos of it fall."""
_A_FEW = 3


@dataclass(frozen=True)
class Kept:
    """Photos of the base's memory that are named rightly: of all under the empty name, and of each label."""

    before: Mapping[str, Share]
    after: Mapping[str, Share]

    @property
    def forgotten(self) -> float:
        """By how much the share of all falls."""
        return self.before[""].value - self.after[""].value

    @property
    def worst(self) -> tuple[str, float]:
        """The label that loses most, and by how much its share falls; empty where there is no memory."""
        falls = {
            label: share.value - self.after[label].value
            for label, share in self.before.items()
            if label and share.right - self.after[label].right > _A_FEW
        }
        return max(falls.items(), key=lambda pair: pair[1], default=("", 0.0))


def refusal(
    before: Mapping[str, Figures], after: Mapping[str, Figures], known: Sequence[str], kept: Kept, purity: float
) -> str:
    """Why a head must not be used; empty where it may.

    Args:
        before, after: figures of the base and of the head for each taught label, and for all under the empty name.
        known: the labels that the base knows.
        kept: what is named rightly of the base's memory.
        purity: share of right items that bins should have. It says what a wrong item costs: as much as `purity / (1 -
            purity)` right ones bring, so that what is sorted is worth something from that purity on.
    """
    if (forgets := _forgets(kept)) or not before[""].top1.count:
        return forgets or "no label has two items or more to judge it by: put more things of each label through"
    old, new = _named(before, known), _named(after, known)
    if new.right < old.right:
        return (
            f"of the labels that the base knows it names {new.right} of {new.count} items rightly, the base {old.right}"
        )
    more_named = new.right > old.right
    worth_before, worth_after = _worth(before[""], purity), _worth(after[""], purity)
    learnt_new = after[""].top1.right - new.right > (after[""].top1.count - new.count) / 2
    if worth_after < worth_before and not more_named:
        return (
            f"it would sort {after[''].recovery.right} items rightly and {_wrong(after[''])} wrongly, the base "
            f"{before[''].recovery.right} and {_wrong(before[''])}: keep the base, or teach with more items"
        )
    if not more_named and not learnt_new and worth_after <= worth_before:
        return (
            f"it is not better than the base, which names {before[''].top1.right} of {before[''].top1.count} items rightly, "
            f"this one {after[''].top1.right}: keep the base, or teach with more items"
        )
    return ""


def _forgets(kept: Kept) -> str:
    label, fall = kept.worst
    if kept.forgotten > MOST_FORGOTTEN:
        return (
            f"it would forget: of what the base knows it names {100 * kept.forgotten:.1f} % fewer rightly, and at most "
            f"{100 * MOST_FORGOTTEN:.0f} % are allowed: look for photos with a wrong label"
        )
    if fall > MOST_FORGOTTEN_OF_ONE:
        return (
            f"it would forget {label}: of the base's own photos of it {100 * fall:.0f} % fewer are named rightly, and at most "
            f"{100 * MOST_FORGOTTEN_OF_ONE:.0f} % are allowed: look for {label} among the photos of other labels"
        )
    return ""


def _named(by_label: Mapping[str, Figures], labels: Sequence[str]) -> Share:
    shares = [by_label[label].top1 for label in labels if label in by_label]
    return Share(sum(share.right for share in shares), sum(share.count for share in shares))


def _wrong(figures: Figures) -> int:
    return figures.purity.count - figures.purity.right


def _worth(figures: Figures, purity: float) -> float:
    return figures.purity.right - _wrong(figures) * purity / max(1 - purity, 1e-3)
