"""Where the belt is: millimetres as a function of time, from an encoder, the items themselves or the settings."""

from __future__ import annotations

import threading
from bisect import bisect_right
from collections import deque
from dataclasses import dataclass
from statistics import median

from edge.clock import NS_PER_S, ms

# Pieces of the curve that are kept: at one every 10 ms (a fast encoder, thinned), 40 s of belt.
MAX_PIECES = 4096
THIN_NS = ms(10)
# The encoder's speed is taken over this time; without a tick for so long the belt stands still.
ENCODER_WINDOW_NS = ms(200)
# The items' own speed replaces the assumed one when that many of the latest items agree that it is off by this share.
ITEMS_KEPT = 9
ITEMS_NEEDED = 5
SPEED_TOLERANCE = 0.02


@dataclass(frozen=True, slots=True)
class _Piece:
    """From `at` on the belt moves at `speed` (mm/s), starting at `position` (mm)."""

    at: int
    position: float
    speed: float


class BeltModel:
    """Position of the belt at any instant, extrapolated by the latest speed.

    `speed_mm_per_s` comes from the settings or the calibration. With `ticks_per_mm` an encoder feeds it through
    `tick`, which may be called from another thread; until its first tick the belt counts as stopped.
    """

    def __init__(self, speed_mm_per_s: float, ticks_per_mm: float | None = None) -> None:
        self.nominal_speed = speed_mm_per_s
        self._ticks_per_mm = ticks_per_mm
        first = 0.0 if ticks_per_mm is not None else speed_mm_per_s
        self._pieces: deque[_Piece] = deque([_Piece(0, 0.0, first)], maxlen=MAX_PIECES)
        self._ticks: deque[tuple[int, int]] = deque(maxlen=1024)
        self._count = 0
        self._item_speeds: deque[float] = deque(maxlen=ITEMS_KEPT)
        self._stopped_in_view = False
        self._lock = threading.RLock()

    # -- what is fed in ----------------------------------------------------------------------------------------

    def tick(self, at: int, ticks: int = 1) -> None:
        """Count encoder edges (debounced, forwards positive) that came by the instant `at`.

        Raises:
            ValueError: the station has no encoder.
        """
        if self._ticks_per_mm is None:
            raise ValueError("expected a belt with an encoder. Received: a tick for one without ticks_per_mm")
        with self._lock:
            self._count += ticks
            self._ticks.append((at, self._count))
            newest = self._pieces[-1]
            if at - newest.at < THIN_NS and newest.speed > 0:
                return
            start = next((entry for entry in self._ticks if at - entry[0] <= ENCODER_WINDOW_NS), (at, self._count))
            span = at - start[0]
            speed = max(0.0, (self._count - start[1]) / self._ticks_per_mm / span * NS_PER_S) if span > 0 else 0.0
            self._append(_Piece(max(at, newest.at), self._count / self._ticks_per_mm, speed))

    def item_passed(self, at: int, speed: float) -> None:
        """Learn the speed (mm/s) at which one item crossed the view; ignored where an encoder knows better."""
        if self._ticks_per_mm is not None or speed <= 0:
            return
        with self._lock:
            self._item_speeds.append(speed)
            measured = self.measured_speed
            current = self._pieces[-1].speed
            if measured is not None and current > 0 and abs(measured / current - 1) > SPEED_TOLERANCE:
                self._append(_Piece(at, self.position(at), measured))

    def seen_moving(self, at: int, *, moving: bool) -> None:
        """Take notice that what lies on the belt moves or stands still in the picture at `at`."""
        if self._ticks_per_mm is not None or moving != self._stopped_in_view:
            return
        with self._lock:
            self._stopped_in_view = not moving
            speed = (self.measured_speed or self.nominal_speed) if moving else 0.0
            self._append(_Piece(at, self.position(at), speed))

    # -- what is asked -----------------------------------------------------------------------------------------

    @property
    def measured_speed(self) -> float | None:
        """Median speed of the latest items, mm/s; None until enough of them passed."""
        return median(self._item_speeds) if len(self._item_speeds) >= ITEMS_NEEDED else None

    def speed(self, now: int) -> float:
        """Return the belt's speed now, mm/s; 0 while it stands still."""
        with self._lock:
            if self._ticks and now - self._ticks[-1][0] > ENCODER_WINDOW_NS and self._pieces[-1].speed > 0:
                at, ticks = self._ticks[-1]
                self._append(_Piece(max(at, self._pieces[-1].at), ticks / (self._ticks_per_mm or 1.0), 0.0))
            return self._pieces[-1].speed

    def position(self, at: int) -> float:
        """Return how far the belt had moved by `at`, mm."""
        with self._lock:
            piece = self._pieces[max(0, bisect_right(self._pieces, at, key=lambda p: p.at) - 1)]
            return piece.position + (at - piece.at) / NS_PER_S * piece.speed

    def travel(self, since: int, until: int) -> float:
        """Return how far the belt moved between two instants, mm."""
        return self.position(until) - self.position(since)

    def arrival(self, position: float, now: int) -> int | None:
        """Return the instant at which the belt is at `position`, as far as one can tell now; None while it stands still.

        A position that lies behind the belt gives the instant in the past at the present speed.
        """
        speed = self.speed(now)
        if speed <= 0:
            return None
        return now + round((position - self.position(now)) / speed * NS_PER_S)

    def _append(self, piece: _Piece) -> None:
        if self._pieces[-1].at == piece.at:
            self._pieces.pop()
        self._pieces.append(piece)
