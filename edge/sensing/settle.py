"""Watches the place before a bin's lens: what is put down and left alone is an item."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.clock import NS_PER_MS, NS_PER_S, ms
from edge.config import Station
from edge.interfaces import Sighting
from edge.sensing.background import Background, Mask
from edge.sensing.blobs import Blob, find_blobs
from edge.sensing.crops import take_crop
from edge.sensing.view import View, build_view
from edge.types import Frame, Image, Item, Reason

# Grey levels by which a still pixel may differ from itself this long ago.
STILL = 14.0
STILL_EVERY_NS = ms(80)
# Share of a blob that must have been still for the whole time.
STILL_SHARE = 0.9
# An arm that reaches in must rest this much longer than an item before it counts as one.
AT_EDGE_TIMES = 5.0
# Parts closer than this are one item, small pixels.
GAP = 5.0
# What covers more of the view than this is too large for it, or is the light.
TOO_LARGE_SHARE = 0.6
LEARN_NS = ms(200)


class BinTrigger:
    """Satisfies Trigger for a station without a belt.

    It keeps a picture of the scene as it last was at rest. What differs from that and has been still for the
    settling time was either put down (an Item) or taken away (it leaves no edges where it was); both then
    become part of the scene at rest.
    """

    def __init__(self, station: Station) -> None:
        self._station = station
        self._view: View | None = None
        self._scene: Background | None = None
        self._before: NDArray[np.int16] | None = None
        self._still_ms: NDArray[np.float32] | None = None
        self._there_ms: NDArray[np.float32] | None = None
        self._blobs: list[Blob] = []
        self._next_item = 1
        self._at = 0
        self._compared_at = 0
        self._learnt_at = 0

    def observe(self, frame: Frame) -> Sequence[Item]:
        """Take the next frame in; return what has been put down and is at rest with it."""
        if self._view is None or self._scene is None or self._still_ms is None:
            height, width = frame.pixels.shape[:2]
            self._view = build_view(self._station, (width, height))
            small = self._view.shrink(frame.pixels)
            self._scene = Background(small, self._station.sensing.sensitivity, along_belt=False)
            self._still_ms = np.zeros(small.shape[:2], np.float32)
            self._before = small.astype(np.int16)
            self._at = self._compared_at = self._learnt_at = frame.captured_at
            return []
        if frame.captured_at <= self._at:
            return []
        self._at = frame.captured_at
        small = self._view.shrink(frame.pixels)
        self._watch_motion(small)
        difference = self._scene.compare(small)
        min_area = max(6.0, self._station.sensing.min_item_mm2 / self._view.scale**2)
        self._blobs = [] if difference is None else find_blobs(difference, min_area, GAP, apart=False)
        items = [item for blob in self._blobs if (item := self._settle(blob, small, frame)) is not None]
        self._learn(small)
        return items

    def sightings(self) -> Sequence[Sighting]:
        """Return what differs from the scene at rest in the newest frame."""
        if self._view is None:
            return []
        return [
            Sighting(self._view.to_picture(b.left, b.top, b.right, b.bottom), n) for n, b in enumerate(self._blobs, 1)
        ]

    def _watch_motion(self, small: Image) -> None:
        if self._before is None or self._still_ms is None or self._at - self._compared_at < STILL_EVERY_NS:
            return
        now = small.astype(np.int16)
        moved = np.abs(now - self._before).max(axis=2) > STILL
        self._still_ms += (self._at - self._compared_at) / NS_PER_MS
        self._still_ms[moved] = 0.0
        self._before, self._compared_at = now, self._at

    def _settle(self, blob: Blob, small: Image, frame: Frame) -> Item | None:
        if self._view is None or self._scene is None or self._still_ms is None:
            return None
        left, top, right, bottom = int(blob.left), int(blob.top), int(blob.right), int(blob.bottom)
        along, across = self._view.size
        at_edge = left <= 1 or top <= 1 or right >= along - 1 or bottom >= across - 1
        patience = self._station.sensing.settle_ms * (AT_EDGE_TIMES if at_edge else 1.0)
        still = self._still_ms[top:bottom, left:right]
        if np.mean(still >= patience) < STILL_SHARE:
            return None
        grown = slice(max(0, top - 2), bottom + 2), slice(max(0, left - 2), right + 2)
        rest = self._scene.mean[grown]
        put_down = _edges(small[grown].astype(np.float32)) > _edges(rest)
        self._scene.absorb(small, max(0, left - 2), max(0, top - 2), right + 2, bottom + 2)
        if not put_down:
            return None
        large = (right - left) * (bottom - top) > TOO_LARGE_SHARE * along * across
        box = self._view.to_picture(blob.left, blob.top, blob.right, blob.bottom)
        item = Item(
            item_id=self._next_item,
            crossed_at=self._at,
            crops=(take_crop(frame, box, self._view.region),),
            concern=Reason.TOO_LARGE if large else None,
        )
        self._next_item += 1
        return item

    def _learn(self, small: Image) -> None:
        if self._scene is None or self._at - self._learnt_at < LEARN_NS:
            return
        covered: Mask = np.zeros(small.shape[:2], np.uint8)
        for blob in self._blobs:
            corner, far = (int(blob.left) - 4, int(blob.top) - 4), (int(blob.right) + 4, int(blob.bottom) + 4)
            cv2.rectangle(covered, corner, far, 255, cv2.FILLED)
        self._scene.learn(small, (self._at - self._learnt_at) / NS_PER_S, covered)
        self._learnt_at = self._at


def _edges(picture: NDArray[np.float32]) -> float:
    """Return how much structure a part of a picture has: the mean step between neighbouring pixels."""
    grey = picture.mean(axis=2)
    return float(np.abs(np.diff(grey, axis=0)).mean() + np.abs(np.diff(grey, axis=1)).mean())
