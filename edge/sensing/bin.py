"""Watches the place before a bin's lens: what is put down and left alone is an item."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import cv2

from edge.clock import NS_PER_S, ms
from edge.config.sorting import Region, Sensing
from edge.interfaces import Sighting
from edge.sensing.background import Background, Difference
from edge.sensing.blobs import Blob, cover, find_blobs
from edge.sensing.crops import cut_crop, take_crop
from edge.sensing.shadows import STEEP_AT_REST, ShadowView, with_dark_objects
from edge.sensing.stillness import (
    SettledObjects,
    StillnessMap,
    is_as_before,
    joined,
    likeness,
    meet,
    outline,
    slices,
    surround,
    whole_extent,
)
from edge.sensing.view import View, build_view
from edge.types import Frame, Image, Item, Reason

# An arm that reaches in must rest this much longer than an item before it counts as one.
AT_EDGE_TIMES = 6.0
# While something still moves what has come to rest is not looked at, as the hand may not have let go; but no longer.
WAIT_MS = 5000.0
# Parts closer than this are one item, small pixels.
GAP = 5.0
# What covers more of the view than this is too large for it, or is the light; light comes all at once, and what has
# covered at least the other share before came over the edge.
TOO_LARGE_SHARE, COMING_SHARE = 0.6, 0.06
# The exposure is followed as long as less of the view than this is covered: it is measured as a median.
FOLLOW_SHARE = 0.45
# A thing is new, and not one that lies there still, from this share of it on that was not there before.
NEW_SHARE = 0.3
# Grey levels per small pixel that an item's outline stands out by, and by how much more than what was there before.
OUTLINE_LEAST, OUTLINE_MORE = 4.0, 1.15
LEARN_NS = ms(200)
# Correlation of their slopes above which two pictures show one scene, whatever the light.
SAME_SCENE = 0.6


class BinTrigger:
    """Satisfies Trigger for a station without a belt.

    It knows what the empty place looks like. When all that differs from it has been still for the settling time, a
    visit is over: what was not there before was either put down (its outline stands out now), or is a gap where
    something was taken from the place itself, or light; both of these become part of the empty place. Several things
    that were put down in one visit can't be dropped one by one: each is an Item, with the reason TOO_CLOSE.

    `is_moving` says whether the plate itself was being moved at an instant: nothing is looked at then, and what still
    lies there afterwards was not dropped and counts anew.
    """

    def __init__(self, sensing: Sensing, region: Region, is_moving: Callable[[int], bool] = lambda at: False) -> None:
        self._sensing, self._region = sensing, region
        self._is_moving = is_moving
        self._view: View | None = None
        self._blobs: list[Blob] = []
        self._came_gradually = False
        self._next_item = 1
        self._at = 0
        self._learnt_at = 0

    def observe(self, frame: Frame) -> Sequence[Item]:
        """Take the next frame in; return what has been put down and is at rest with it."""
        if self._view is None:
            self._begin(frame)
            return []
        if frame.captured_at <= self._at:
            return []
        self._at = frame.captured_at
        small = self._view.shrink(frame)
        if self._is_moving(self._at):
            self._stillness = StillnessMap(small, self._at)
            self._settled.clear()
            self._blobs = []
            return []
        difference = self._scene.compare(small, follow=self._covered(small) < FOLLOW_SHARE, shades=True)
        if difference is not None:
            shadow_view = ShadowView(frame.pixels, small, self._scene.mean, self._view, STEEP_AT_REST)
            difference = with_dark_objects(difference, shadow_view)
        extent = whole_extent(difference, small)
        self._stillness.watch(small, extent, self._at)
        self._settled.watch(extent)
        self._blobs = [] if difference is None else find_blobs(difference, self._min_area, GAP, apart=False)
        found = self._settle(small, difference) if self._blobs and difference is not None else []
        if not self._blobs:
            self._came_gradually = False
        self._learn(small)
        return [self._item(blob, frame, self._view, len(found)) for blob in found]

    def sightings(self) -> Sequence[Sighting]:
        """Return what differs from the empty place in the newest frame."""
        if self._view is None:
            return []
        return [
            Sighting(self._view.to_picture(b.left, b.top, b.right, b.bottom), n) for n, b in enumerate(self._blobs, 1)
        ]

    def _begin(self, frame: Frame) -> None:
        height, width = frame.pixels.shape[:2]
        self._view = build_view(self._region, (width, height))
        small = self._view.shrink(frame)
        self._min_area = max(6.0, self._sensing.min_item_mm2 / self._view.scale**2)
        self._scene = Background(small, self._sensing.sensitivity, along_belt=False)
        self._empty = self._scene.mean.copy()
        self._settled = SettledObjects(small)
        self._stillness = StillnessMap(small, frame.captured_at)
        self._at = self._learnt_at = frame.captured_at

    # -- what has come to rest ---------------------------------------------------------------------------------

    def _settle(self, small: Image, difference: Difference) -> list[Blob]:
        """Return what was put down in a visit that is over, and remember it."""
        resting = [blob for blob in self._blobs if self._has_settled(blob)]
        if len(resting) < len(self._blobs):
            self._came_gradually |= COMING_SHARE < self._covered(small) < TOO_LARGE_SHARE
            resting = [blob for blob in resting if self._has_settled(blob, WAIT_MS)]
        if not resting:
            return []
        fresh = self._settled.without(small, difference)
        new = [blob for blob in resting if _share(fresh, blob) >= NEW_SHARE]
        found = self._put_down(small, fresh, new) if new else []
        extent = whole_extent(difference, small)
        for blob in (*found, *(blob for blob in resting if blob not in new)):
            self._settled.note(small, extent, slices(blob, 3))
        self._came_gradually = False
        return found

    def _put_down(self, small: Image, fresh: Difference, resting: list[Blob]) -> list[Blob]:
        """Return the things that were put down among what is new at rest; what is none becomes part of the place."""
        whole = surround(resting)
        if self._is_large(whole) and self._covered(small) > TOO_LARGE_SHARE / 2:
            everything = Blob(0.0, 0.0, float(small.shape[1]), float(small.shape[0]), whole.area)
            if self._is_covered(small):
                return [everything]
            self._absorb(small, everything)
            return []
        found = []
        for blob in joined(find_blobs(fresh, self._min_area, GAP)):
            if not any(meet(blob, other) and blob.area >= NEW_SHARE * other.area for other in resting):
                continue
            if self._stands_out(small, blob):
                found.append(blob)
            else:
                self._absorb(small, blob)
        return found

    def _has_settled(self, blob: Blob, longer_ms: float = 0.0) -> bool:
        times = AT_EDGE_TIMES if any(self._edges(blob)) else 1.0
        return self._stillness.has_lasted(slices(blob), self._sensing.settle_ms * times + longer_ms)

    def _stands_out(self, small: Image, blob: Blob) -> bool:
        box, around = slices(blob), slices(blob, 3)
        changed = self._stillness.changed(box)
        now, before = (outline(picture, changed, around, box) for picture in (small, self._scene.mean))
        return now > max(OUTLINE_LEAST, OUTLINE_MORE * before)

    def _is_covered(self, small: Image) -> bool:
        """Whether something as large as the view was put down, rather than taken away or the light having changed."""
        if is_as_before(small, self._empty):
            return False
        alike = likeness(small, self._empty)
        return self._came_gradually if alike is None else alike < SAME_SCENE

    def _absorb(self, small: Image, blob: Blob) -> None:
        rows, columns = slices(blob, 3)
        self._scene.absorb(small, columns.start, rows.start, columns.stop, rows.stop)

    def _edges(self, blob: Blob) -> tuple[bool, bool, bool, bool]:
        """Whether a blob reaches the left, right, top and bottom edge of the view."""
        across, along = self._scene.mean.shape[:2]
        return blob.left <= 1, blob.right >= along - 1, blob.top <= 1, blob.bottom >= across - 1

    def _is_large(self, blob: Blob) -> bool:
        left, right, top, bottom = self._edges(blob)
        across, along = self._scene.mean.shape[:2]
        covers = blob.length * (blob.bottom - blob.top) > TOO_LARGE_SHARE * along * across
        return covers or (left and right) or (top and bottom)

    def _covered(self, small: Image) -> float:
        """Return how much of the view differs from the empty place."""
        return sum(blob.area for blob in self._blobs) / small[..., 0].size

    def _item(self, blob: Blob, frame: Frame, view: View, together: int) -> Item:
        reject_reason = None
        if self._is_large(blob):
            reject_reason = Reason.TOO_LARGE
        elif together > 1:
            reject_reason = Reason.TOO_CLOSE
        elif blob.touching:
            reject_reason = Reason.TOUCHING
        box = view.to_picture(blob.left, blob.top, blob.right, blob.bottom)
        crop = cut_crop(take_crop(frame, box, view.region))
        item = Item(self._next_item, self._at, (crop,), reject_reason=reject_reason)
        self._next_item += 1
        return item

    def _learn(self, small: Image) -> None:
        if self._at - self._learnt_at < LEARN_NS:
            return
        covered = cover(small, self._blobs, 4)
        self._scene.learn(small, (self._at - self._learnt_at) / NS_PER_S, covered)
        if not self._blobs:
            self._empty = self._scene.mean.copy()
        self._learnt_at = self._at


def _share(part: Difference, blob: Blob) -> float:
    """Return how much of a blob a part of the difference makes up."""
    rows, columns = slices(blob)
    top, left = part.top, part.left
    inside = part.extent[max(0, rows.start - top) : rows.stop - top, max(0, columns.start - left) : columns.stop - left]
    return cv2.countNonZero(inside) / max(1.0, blob.area)
