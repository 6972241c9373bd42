"""What was recorded and is not stored yet: a bounded queue that any thread may add to."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass
from itertools import islice

from edge.journal.entries import Row
from edge.types import Image

MOST_ROWS = 20_000  # 20 minutes at 8 items/s with their strokes; about 10 MB
MOST_PICTURE_BYTES = 16_000_000


@dataclass(frozen=True, slots=True)
class Pending:
    """A row on its way to the disk, with the picture that is to be kept of it."""

    row: Row
    picture: Image | None = None

    @property
    def picture_bytes(self) -> int:
        return 0 if self.picture is None else self.picture.nbytes


@dataclass(frozen=True, slots=True)
class BacklogCounts:
    """Rows since the start; recorded = stored + lost + pending."""

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
        self._picture_bytes = self._pictures_lost = 0

    def add(self, row: Row, picture: Image | None = None) -> None:
        """Queue the row, or count it as lost if there is no room; a picture without room is lost alone."""
        with self._lock:
            self._recorded += 1
            if len(self._queue) >= self.most_rows:
                self._lost += 1
                self._pictures_lost += picture is not None
                return
            if picture is not None and self._picture_bytes + picture.nbytes > MOST_PICTURE_BYTES:
                self._pictures_lost += 1
                picture = None
            pending = Pending(row, picture)
            self._picture_bytes += pending.picture_bytes
            self._queue.append(pending)

    def first(self, rows: int) -> list[Pending]:
        """Return the oldest rows; they stay in the queue until `settle` says that they are stored."""
        with self._lock:
            return list(islice(self._queue, rows))

    def settle(self, rows: int, pictures_lost: int) -> None:
        """Drop that many of the oldest rows: they are stored."""
        with self._lock:
            for _ in range(rows):
                self._picture_bytes -= self._queue.popleft().picture_bytes
            self._stored += rows
            self._pictures_lost += pictures_lost

    def __len__(self) -> int:
        return len(self._queue)

    @property
    def counts(self) -> BacklogCounts:
        with self._lock:
            return BacklogCounts(self._recorded, self._stored, self._lost, len(self._queue), self._pictures_lost)
