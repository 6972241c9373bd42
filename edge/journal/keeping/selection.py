"""Which of the candidates are kept: quotas, and a small memory of what was kept lately; the journal's writer alone uses it."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from edge.bundle.head import Codes
from edge.config.service import JournalSettings
from edge.journal.keeping.candidates import UNLIMITED, Candidate, Kept, Quotas
from edge.journal.schema import MOST_REMEMBERED

SKETCH_BYTES = 64
# Cosine distances of features, measured with waste-2.0's network. NEAR lets in 21 of 360 consecutive pictures of three
# things on a moving belt, 117 of 320 looks at 40 things that are turned and lit anew each time, and of 240 photos of as
# many things 220 to 231 (on a board, from the web, of litter, mixed). Of those photos 12 to 31 % are FAR from all others,
# a fifth on average, and of the looks none is from the others at its thing. (At 0.35, right for the network before, it
# was 2 to 12 %.)
NEAR, FAR = 0.12, 0.28
FEW = 10  # items of one label in the memory: with fewer the label is rare
SURE_SHARE = 0.5  # of each quota for items that nothing is doubtful about: the doubtful ones come later, and teach more
_SCALE = 256.0  # of unit vectors in 8 bits: their largest part of 64 is hardly ever over a half


class Remembered(NamedTuple):
    """One item that was kept: on which day since 1970 (UTC), its label, and a sketch of its features if it has any."""

    day: int
    label: str
    sketch: bytes | None


class KeptPictures(NamedTuple):
    """What is kept of an item: the first picture's name, how many there are, and why; of most, nothing."""

    picture: str | None = None
    looks: int | None = None
    kept: str | None = None
    remembered: Remembered | None = None


class Selection:
    """Decides; what it is told by `remember` it takes into account from then on."""

    def __init__(self, settings: JournalSettings, remembered: Iterable[Remembered] = ()) -> None:
        self._settings = settings
        self._memory: deque[Remembered] = deque(maxlen=MOST_REMEMBERED)
        self._added = 0
        # Row n % MOST_REMEMBERED is the nth item's; one without a sketch is all zeros, which is far from everything.
        self._sketches = np.zeros((MOST_REMEMBERED, SKETCH_BYTES), np.float32)
        for one in remembered:
            self.remember(one)

    def choose(self, candidate: Candidate, day: int) -> tuple[Kept, Remembered | None] | None:
        """Return why the candidate is kept and what is to be remembered of it; None: it is not."""
        if candidate.kept in UNLIMITED:
            return candidate.kept, None
        if not self.quotas(day, SURE_SHARE if candidate.kept is None else 1.0).admit(candidate.label):
            return None
        sketch = None if candidate.features is None else sketch_of(candidate.features)
        distance = None if sketch is None else self._distance(sketch)
        kept = self._reason(candidate, distance)
        return None if kept is None else (kept, Remembered(day, candidate.label, sketch))

    def remember(self, one: Remembered) -> None:
        """Count the item as kept."""
        self._memory.append(one)
        self._sketches[self._added % MOST_REMEMBERED] = 0 if one.sketch is None else _unit(one.sketch)
        self._added += 1

    def quotas(self, day: int, share: float = 1.0) -> Quotas:
        """Return what may still be kept on that day, where only that share of each quota is to be used up."""
        counts = Counter(one.label for one in self._memory if one.day == day)
        full = frozenset(label for label, count in counts.items() if count >= share * self._settings.crops_per_label)
        return Quotas(counts.total() >= share * self._settings.crops_per_day, full)

    def _reason(self, candidate: Candidate, distance: float | None) -> Kept | None:
        if distance is not None and distance < NEAR:
            return None
        if candidate.kept is not None:
            return candidate.kept
        if sum(one.label == candidate.label for one in self._memory) < FEW:
            return Kept.RARE
        return Kept.NOVEL if distance is not None and distance >= FAR else None

    def _distance(self, sketch: bytes) -> float:
        """Return the cosine distance to the nearest of what is remembered; 1 if there is nothing."""
        return 1.0 - float((self._sketches @ _unit(sketch)).max())


def sketch_of(features: Codes) -> bytes | None:
    """Return features in 64 bytes that have nearly the same angles between them; None if they are all zero.

    A random projection (Johnson and Lindenstrauss 1984), the same at every start. Features of another network are told
    from these as if they were of another thing: then some pictures more are kept, within the quotas.
    """
    values = features.astype(np.float32) - np.iinfo(features.dtype).min  # after a ReLU the least code is zero
    projected = values @ _projection(len(values))
    length = float(np.linalg.norm(projected))
    if not length:
        return None
    codes: NDArray[np.int8] = np.clip(np.rint(projected * (_SCALE / length)), -127, 127).astype(np.int8)
    return codes.tobytes()


@lru_cache(maxsize=2)
def _projection(size: int) -> NDArray[np.float32]:
    return np.random.default_rng(0).standard_normal((size, SKETCH_BYTES), np.float32)


def _unit(sketch: bytes) -> NDArray[np.float32]:
    vector = np.frombuffer(sketch, np.int8).astype(np.float32)
    return vector / max(float(np.linalg.norm(vector)), 1.0)
