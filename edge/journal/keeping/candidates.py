"""Which items' pictures may be worth keeping, as far as an item tells by itself: a microsecond, and nothing is copied.

The journal's writer decides the rest (edge/journal/keeping/selection.py), cuts the pictures out and encodes them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import NamedTuple

from edge.bundle.head import Codes
from edge.bundle.pictures import cut_square
from edge.config.service import JournalSettings
from edge.line import Outcome
from edge.types import Box, Crop, Image, Reason

MOST_LOOKS = 3
MARGIN = 0.15  # of the surroundings: what the shipped model is shown, so that a kept picture shows it the same again
LOW_MARGIN = 0.2  # under it two labels are as good as equal, whatever the thresholds say
MOST_WAITING = 2  # items that nothing is doubtful about: so many at most until the writer's next turn
HELD_BYTES = 8_000_000  # of views that wait for the writer; if it is behind, only what is kept of them waits


class Kept(StrEnum):
    """Why the pictures of an item are kept."""

    RANDOM = "random"  # by chance, whatever it is: what is estimated from these items has no bias
    UNKNOWN = "unknown"  # like nothing that the model was taught
    UNSURE = "unsure"  # the model was not sure of it, or it could not be told from its neighbour
    DISAGREEING = "disagreeing"  # looks at it gave different labels
    RARE = "rare"  # few pictures of its label were kept lately
    NOVEL = "novel"  # far from everything that was kept lately
    ALL = "all"  # the settings want the pictures of every item


UNLIMITED = frozenset({Kept.RANDOM, Kept.ALL})
"""What no quota bounds: only chance, or nothing, may leave them out."""

_DOUBTFUL = {
    Reason.UNKNOWN: Kept.UNKNOWN,
    Reason.UNSURE: Kept.UNSURE,
    Reason.NOT_CLASSIFIED: Kept.UNSURE,
    Reason.TOUCHING: Kept.UNSURE,
}


class Quotas(NamedTuple):
    """What today's quotas still let in."""

    is_day_full: bool = False
    full_labels: frozenset[str] = frozenset()

    def admit(self, label: str) -> bool:
        """Say whether one more item of that label may be kept."""
        return not self.is_day_full and label not in self.full_labels


@dataclass(frozen=True, slots=True, eq=False)
class Candidate:
    """Views of an item on their way to the writer, best first; `kept` is None where the writer has to find a reason."""

    kept: Kept | None
    label: str
    crops: tuple[Crop, ...]
    features: Codes | None = None

    @property
    def nbytes(self) -> int:
        """What waits in memory: views of the item with their surroundings, or what is kept of them."""
        return sum(crop.pixels.nbytes for crop in self.crops)

    def looks(self) -> Sequence[Image]:
        """Return copies of what the network was shown, as far as it lies in the frame."""
        looks = (cut_square(crop.pixels, crop.box, MARGIN) for crop in self.crops)
        return [look for look in looks if look is not None]

    def cut(self) -> Candidate:
        """Return the same with no more than what is kept of it."""
        return replace(
            self,
            crops=tuple(
                replace(crop, pixels=look, box=Box(0, 0, look.shape[1], look.shape[0]))
                for crop, look in zip(self.crops, self.looks(), strict=False)
            ),
        )


class RandomShare:
    """Chance that keeps an item by its run and number alone, so that nothing that is known of it has a say.

    Anybody can do the sum again, from the journal.
    """

    def __init__(self, run_id: str, share: float) -> None:
        self._begun = hashlib.blake2b(run_id.encode(), digest_size=8, person=b"random-share")
        self._below = min(round(share * 2**64), 2**64 - 1).to_bytes(8)

    def takes(self, item_id: int) -> bool:
        digest = self._begun.copy()
        digest.update(b" %d" % item_id)
        return digest.digest() < self._below


class Picker:
    """Picks candidates; `quotas` are put in by the writer, so that what it would refuse is not even copied."""

    def __init__(self, settings: JournalSettings, run_id: str) -> None:
        self.quotas = Quotas()
        self._settings = settings
        self._random = RandomShare(run_id, settings.random_share)

    def pick(self, outcome: Outcome, waiting: int, waiting_bytes: int) -> Candidate | None:
        """Return the item's views if they may be worth keeping; so many candidates, of so many bytes, wait already."""
        keep, crops = self._settings.keep_crops, outcome.item.crops
        if not crops or keep == "none" or not self._settings.crops_max_mb:
            return None
        label, kept = outcome.decision.label, self._reason(outcome)
        if kept is None and (waiting >= MOST_WAITING or keep == "unsure"):
            return None
        if kept not in UNLIMITED and not self.quotas.admit(label):
            return None
        features = None if outcome.prediction is None else outcome.prediction.features
        candidate = Candidate(kept, label, crops[:MOST_LOOKS], features)
        return candidate if waiting_bytes + candidate.nbytes <= HELD_BYTES else candidate.cut()

    def _reason(self, outcome: Outcome) -> Kept | None:
        if self._random.takes(outcome.item.item_id):
            return Kept.RANDOM
        return Kept.ALL if self._settings.keep_crops == "all" else doubt(outcome)


def doubt(outcome: Outcome) -> Kept | None:
    """Return what was doubtful about the item; None: nothing was."""
    decision, prediction = outcome.decision, outcome.prediction
    if decision.reason in _DOUBTFUL:
        return _DOUBTFUL[decision.reason]
    if prediction is None:
        return None
    if prediction.is_unknown:
        return Kept.UNKNOWN
    if prediction.margin < LOW_MARGIN:
        return Kept.UNSURE
    return Kept.DISAGREEING if len(set(prediction.looks)) > 1 else None
