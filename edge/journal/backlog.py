"""What was recorded and is not stored yet: a bounded queue that any thread may add to."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass
from itertools import islice

from edge.journal.entries import Row
from edge.journal.keeping.candidates import Candidate

MOST_ROWS = 20_000  # 20 minutes at 8 items/s with their strokes; about 10 MB
MOST_PICTURE_BYTES = 16_000_000


@dataclass(frozen=True, slots=True)
class Pending:
    """A row on its way to the disk, with the pictures that may be kept of it."""

    row: Row
    candidate: Candidate | None = None

    @property
    def picture_bytes(self) -> int:
        return 0 if self.candidate is None else self.candidate.nbytes


@dataclass(frozen=True, slots=True)
class BacklogCounts:
    """Rows since the start; recorded = stored + lost + pending. `pictures_lost` counts items whose pictures had to be kept."""

    recorded: int
    stored: int
    lost: int
    pending: int
    pictures_lost: int


class Backlog:
    """The queue. Its lock is held for instants only, never while a disk works."""

    def __init__(self) -> None:
        self.most_rows = MOST_ROWS
        self._lock = threading.Lock()
        self._queue: deque[Pending] = deque()
        self._recorded = self._stored = self._lost = 0
        self._picture_bytes = self._pictures_lost = self._candidates = 0

    @property
    def candidates(self) -> int:
        """How many items with pictures wait."""
        return self._candidates

    @property
    def picture_bytes(self) -> int:
        """How many bytes their pictures are."""
        return self._picture_bytes

    def add(self, row: Row, candidate: Candidate | None = None) -> None:
        """Queue the row, or count it as lost if there is no room; pictures without room are lost alone."""
        with self._lock:
            self._recorded += 1
            if len(self._queue) >= self.most_rows:
                self._lost += 1
                self._pictures_lost += candidate is not None and candidate.kept is not None
                return
            if candidate is not None and self._picture_bytes + candidate.nbytes > MOST_PICTURE_BYTES:
                self._pictures_lost += candidate.kept is not None
                candidate = None
            pending = Pending(row, candidate)
            self._picture_bytes += pending.picture_bytes
            self._candidates += candidate is not None
            self._queue.append(pending)

    def first(self, rows: int) -> list[Pending]:
        """Return the oldest rows; they stay in the queue until `settle` says that they are stored."""
        with self._lock:
            return list(islice(self._queue, rows))

    def settle(self, rows: int, pictures_lost: int) -> None:
        """Drop that many of the oldest rows: they are stored."""
        with self._lock:
            for _ in range(rows):
                pending = self._queue.popleft()
                self._picture_bytes -= pending.picture_bytes
                self._candidates -= pending.candidate is not None
            self._stored += rows
            self._pictures_lost += pictures_lost

    def __len__(self) -> int:
        return len(self._queue)

    @property
    def counts(self) -> BacklogCounts:
        with self._lock:
            return BacklogCounts(self._recorded, self._stored, self._lost, len(self._queue), self._pictures_lost)
