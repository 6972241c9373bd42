"""Watches the place before a bin's lens: what is put down and left alone is an item."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.clock import NS_PER_MS, NS_PER_S, ms
from edge.config import Station
from edge.interfaces import Sighting
from edge.sensing.background import Background, Difference
from edge.sensing.blobs import Blob, cover, find_blobs
from edge.sensing.crops import take_crop
from edge.sensing.view import View, build_view
from edge.types import Frame, Image, Item, Reason

# Grey levels by which a pixel at rest may differ from itself this long ago.
STILL = 10.0
STILL_EVERY_NS = ms(80)
# Share of a blob that must have been there, and still, for the whole time.
STILL_SHARE = 0.85
# An arm that reaches in must rest this much longer than an item before it counts as one.
AT_EDGE_TIMES = 6.0
# Parts closer than this are one item, small pixels.
GAP = 5.0
# What covers more of the view than this is too large for it, or is the light.
TOO_LARGE_SHARE = 0.6
# Grey levels per small pixel that an item's outline stands out by, and by how much more than what was there before.
OUTLINE_LEAST, OUTLINE_MORE = 4.0, 1.15
LEARN_NS = ms(200)
# Correlation of their slopes above which two pictures show one scene, whatever the light.
SAME_SCENE = 0.6
# Root mean square slope (grey levels per small pixel) below which a picture shows nothing but noise.
EMPTY = 1.5


@dataclass
class _Rest:
    """For each small pixel: for how many ms it has been still, and for how long not the scene."""

    before: Image
    still: NDArray[np.float32]
    there: NDArray[np.float32]
    at: int

    def watch(self, small: Image, difference: Difference | None, at: int) -> None:
        """Take the next picture in."""
        elapsed = (at - self.at) / NS_PER_MS
        self.still += elapsed
        moved = cv2.absdiff(small, self.before).max(axis=2) > STILL
        self.still[moved] = 0.0
        gone = np.ones(self.there.shape, dtype=bool)
        if difference is not None:
            height, width = difference.extent.shape
            here = slice(difference.top, difference.top + height), slice(difference.left, difference.left + width)
            gone[here] = difference.extent == 0
        self.there += elapsed
        self.there[gone] = 0.0
        self.before, self.at = small, at


class BinTrigger:
    """Satisfies Trigger for a station without a belt.

    It keeps a picture of the scene as it last was at rest. What differs from that and has been still for the
    settling time was either put down (its outline stands out now) or taken away (it stood out before); both then
    become part of the scene at rest.
    """

    def __init__(self, station: Station) -> None:
        self._station = station
        self._view: View | None = None
        self._scene: Background | None = None
        self._rest: _Rest | None = None
        self._under_large: NDArray[np.float32] | None = None
        self._blobs: list[Blob] = []
        self._next_item = 1
        self._at = 0
        self._learnt_at = 0

    def observe(self, frame: Frame) -> Sequence[Item]:
        """Take the next frame in; return what has been put down and is at rest with it."""
        if self._view is None or self._scene is None or self._rest is None:
            self._begin(frame)
            return []
        if frame.captured_at <= self._at:
            return []
        self._at = frame.captured_at
        small = self._view.shrink(frame.pixels)
        difference = self._scene.compare(small)
        if self._at - self._rest.at >= STILL_EVERY_NS:
            self._rest.watch(small, difference, self._at)
        min_area = max(6.0, self._station.sensing.min_item_mm2 / self._view.scale**2)
        self._blobs = [] if difference is None else find_blobs(difference, min_area, GAP, apart=False)
        items = [self._item(blob, frame, self._view) for blob in self._blobs if self._is_put_down(blob, small)]
        self._learn(small, self._scene)
        return items

    def sightings(self) -> Sequence[Sighting]:
        """Return what differs from the scene at rest in the newest frame."""
        if self._view is None:
            return []
        return [
            Sighting(self._view.to_picture(b.left, b.top, b.right, b.bottom), n) for n, b in enumerate(self._blobs, 1)
        ]

    def _begin(self, frame: Frame) -> None:
        height, width = frame.pixels.shape[:2]
        self._view = build_view(self._station, (width, height))
        small = self._view.shrink(frame.pixels)
        self._scene = Background(small, self._station.sensing.sensitivity, along_belt=False)
        self._at = self._learnt_at = frame.captured_at
        self._rest = _Rest(
            small, np.zeros(small.shape[:2], np.float32), np.zeros(small.shape[:2], np.float32), self._at
        )

    def _is_put_down(self, blob: Blob, small: Image) -> bool:
        """Whether the blob is an item that has come to rest; whatever has come to rest becomes part of the scene."""
        if self._view is None or self._scene is None or self._rest is None:
            return False
        along, across = self._view.size
        at_edge = blob.left <= 1 or blob.top <= 1 or blob.right >= along - 1 or blob.bottom >= across - 1
        patience = self._station.sensing.settle_ms * (AT_EDGE_TIMES if at_edge else 1.0)
        box = slice(int(blob.top), int(blob.bottom)), slice(int(blob.left), int(blob.right))
        changed = self._rest.there[box] > 0
        rested = np.minimum(self._rest.still[box], self._rest.there[box])[changed] >= patience
        if rested.size == 0 or rested.mean() < STILL_SHARE:
            return False
        if self._is_large(blob, self._view):
            return self._is_covered(small, self._scene)
        grown = slice(max(0, box[0].start - 3), box[0].stop + 3), slice(max(0, box[1].start - 3), box[1].stop + 3)
        now, before = (
            _outline(small[grown], changed, grown, box),
            _outline(self._scene.mean[grown], changed, grown, box),
        )
        self._scene.absorb(small, grown[1].start, grown[0].start, grown[1].stop, grown[0].stop)
        return now > max(OUTLINE_LEAST, OUTLINE_MORE * before)

    def _is_large(self, blob: Blob, view: View) -> bool:
        along, across = view.size
        return blob.length * (blob.bottom - blob.top) > TOO_LARGE_SHARE * along * across

    def _is_covered(self, small: Image, scene: Background) -> bool:
        """Whether something larger than the view came to rest, rather than the light changing or it being taken away."""
        before = scene.mean.copy()
        scene.absorb(small, 0, 0, small.shape[1], small.shape[0])
        if _alike(small, before) > SAME_SCENE:
            return False
        uncovered = self._under_large is not None and _alike(small, self._under_large) > SAME_SCENE
        self._under_large = None if uncovered else before
        return not uncovered

    def _item(self, blob: Blob, frame: Frame, view: View) -> Item:
        box = view.to_picture(blob.left, blob.top, blob.right, blob.bottom)
        item = Item(
            item_id=self._next_item,
            crossed_at=self._at,
            crops=(take_crop(frame, box, view.region),),
            concern=Reason.TOO_LARGE if self._is_large(blob, view) else None,
        )
        self._next_item += 1
        return item

    def _learn(self, small: Image, scene: Background) -> None:
        if self._at - self._learnt_at < LEARN_NS:
            return
        covered = cover(small, self._blobs, 4)
        scene.learn(small, (self._at - self._learnt_at) / NS_PER_S, covered)
        self._learnt_at = self._at


def _outline(
    part: NDArray[np.generic], changed: NDArray[np.bool_], grown: tuple[slice, slice], box: tuple[slice, slice]
) -> float:
    """Return how much the outline of what changed stands out in a picture: grey levels per pixel across it."""
    shape = np.zeros(part.shape[:2], np.uint8)
    top, left = box[0].start - grown[0].start, box[1].start - grown[1].start
    shape[top : top + changed.shape[0], left : left + changed.shape[1]] = changed
    filled = cv2.morphologyEx(shape, cv2.MORPH_CLOSE, np.ones((5, 5), np.uint8))
    ring = cv2.morphologyEx(filled, cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8)) > 0
    grey = part.astype(np.float32).mean(axis=2)
    slope = np.hypot(cv2.Sobel(grey, cv2.CV_32F, 1, 0, scale=0.125), cv2.Sobel(grey, cv2.CV_32F, 0, 1, scale=0.125))
    return float(slope[ring].mean()) if ring.any() else 0.0


def _alike(one: NDArray[np.generic], other: NDArray[np.generic]) -> float:
    """Return the correlation of the slopes of two pictures: 1 for one scene in any light, 0 for two of them.

    Two pictures without anything in them are alike, whatever their noise.
    """
    slopes = []
    for picture in (one, other):
        grey = picture.astype(np.float32).mean(axis=2)
        slopes.append(np.concatenate([np.diff(grey, axis=0).ravel(), np.diff(grey, axis=1).ravel()]))
    sizes = [float(np.sqrt((slope**2).mean())) for slope in slopes]
    if max(sizes) < EMPTY:
        return 1.0
    return float((slopes[0] * slopes[1]).mean()) / max(1e-6, sizes[0] * sizes[1])
