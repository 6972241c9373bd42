"""Follows what lies on a belt, and says when its centre crossed the decision line."""

from __future__ import annotations

from collections.abc import Sequence

from edge.clock import NS_PER_S, ms
from edge.config.belt import Belt
from edge.config.sorting import Region, Sensing
from edge.interfaces import Sighting
from edge.sensing.background import Background
from edge.sensing.blobs import Blob, cover, find_blobs
from edge.sensing.shadows import ShadowView, with_dark_objects
from edge.sensing.tracking.belt_speed import BeltSpeedEstimator
from edge.sensing.tracking.items import ItemBuilder
from edge.sensing.tracking.mirrors import Mirrors
from edge.sensing.tracking.scale import BeltScale
from edge.sensing.tracking.tracker import Tracker
from edge.sensing.view import View, build_view
from edge.transport.belt import BeltModel
from edge.types import Frame, Image, Item

# The model of the belt learns this often.
LEARN_NS = ms(80)


class ConveyorTrigger:
    """Satisfies Trigger: each thing that the belt carries over the decision line becomes exactly one Item."""

    def __init__(self, sensing: Sensing, region: Region, settings: Belt, belt: BeltModel, max_crops: int) -> None:
        self.mirrors = Mirrors()
        self._sensing, self._region, self._settings = sensing, region, settings
        self._belt, self._max_crops = belt, max_crops
        self._scene: _Scene | None = None
        self._at = 0

    def observe(self, frame: Frame) -> Sequence[Item]:
        """Take the next frame in; return the items that crossed the decision line since the last one."""
        if self._scene is None:  # the first frame says how large the view is
            self._scene = self._begin(frame)
            elapsed = 0
        elif frame.captured_at <= self._at:
            return []  # a frame that was already overtaken by a newer one tells nothing new
        else:
            elapsed = frame.captured_at - self._at
        self._at = frame.captured_at
        return self._scene.observe(frame, elapsed)

    def sightings(self) -> Sequence[Sighting]:
        """Return what is followed in the newest frame."""
        return [] if self._scene is None else self._scene.sightings()

    def _begin(self, first: Frame) -> _Scene:
        height, width = first.pixels.shape[:2]
        view = build_view(self._region, (width, height), self._settings.direction)
        scale = BeltScale.of(self._sensing, self._settings, view)
        flow = BeltSpeedEstimator(self._belt, scale.mm)
        items = ItemBuilder(scale, self._belt, flow, self.mirrors, self._max_crops)
        background = Background(view.shrink(first), self._sensing.sensitivity)
        return _Scene(view, background, Tracker(scale, flow), items, self.mirrors, first.captured_at)


class _Scene:
    """One view of the belt: what it looks like when it is empty, what is on it, and what becomes of that."""

    def __init__(
        self, view: View, background: Background, tracker: Tracker, items: ItemBuilder, mirrors: Mirrors, now: int
    ) -> None:
        self._view, self._background, self._tracker = view, background, tracker
        self._items, self._mirrors = items, mirrors
        self._learnt_at = now

    def observe(self, frame: Frame, elapsed: int) -> list[Item]:
        small, at = self._view.shrink(frame), frame.captured_at
        blobs = self._find(frame, small)
        self._tracker.follow(blobs, at, elapsed)
        self._mirrors.note(self._tracker.tracks, small, self._background.mean)
        self._learn(small, blobs, at)
        self._items.look(self._tracker.tracks, frame, self._view)
        items = self._items.finish(self._tracker.tracks, at)
        self._tracker.drop(at)
        return items

    def sightings(self) -> list[Sighting]:
        return [
            Sighting(self._view.to_picture(t.left, t.top, t.right, t.bottom), t.track_id, t.emitted, t.item_id)
            for t in self._tracker.tracks
            if t.missed == 0
        ]

    def _find(self, frame: Frame, small: Image) -> list[Blob]:
        difference = self._background.compare(small, shades=True)
        if difference is None:
            return []
        difference = with_dark_objects(difference, ShadowView(frame.pixels, small, self._background.mean, self._view))
        scale = self._tracker.scale
        return find_blobs(difference, scale.min_area, scale.gap, longest=scale.longest)

    def _learn(self, small: Image, blobs: list[Blob], at: int) -> None:
        if at - self._learnt_at < LEARN_NS:
            return
        for track in self._tracker.take_stuck(at):
            box = [round(v) for v in (track.left, track.top, track.right, track.bottom)]
            self._background.absorb(small, max(0, box[0]), max(0, box[1]), box[2], box[3])
        covered = cover(small, [*blobs, *self._tracker.tracks], 3)
        self._background.learn(small, (at - self._learnt_at) / NS_PER_S, covered)
        self._learnt_at = at
