"""What becomes of a track: the views that are kept of it, and the item when its centre crosses the decision line."""

from __future__ import annotations

import math
from collections.abc import Sequence

from edge.clock import NS_PER_S
from edge.sensing.crops import keep_best, take_crop
from edge.sensing.tracking.belt_speed import BeltSpeedEstimator
from edge.sensing.tracking.mirrors import Mirrors
from edge.sensing.tracking.scale import EDGE, BeltScale
from edge.sensing.tracking.tracks import Track
from edge.sensing.view import View
from edge.transport.belt import BeltModel
from edge.types import Frame, Item, Reason

# An item that differs by this share from the belt's speed rolls or slips.
SLIP = 0.25
# New views are taken this often while a thing crosses the picture.
VIEWS_ACROSS = 16


class ItemBuilder:
    """Numbers the items of one belt; the belt's model learns the speed of each that is sound."""

    def __init__(
        self, scale: BeltScale, belt: BeltModel, flow: BeltSpeedEstimator, mirrors: Mirrors, max_crops: int
    ) -> None:
        self._scale, self._belt, self._belt_speed, self._mirrors = scale, belt, flow, mirrors
        self._max_crops = max_crops
        self._next = 1

    def look(self, tracks: Sequence[Track], frame: Frame, view: View) -> None:
        """Keep the best views of what is whole in the picture and not yet over the line."""
        for track in tracks:
            whole = track.left > EDGE and track.right < self._scale.along - EDGE
            due = track.left - track.cropped_at >= self._scale.along / VIEWS_ACROSS
            if track.missed or track.emitted or not whole or not due:
                continue
            track.cropped_at = track.left
            box = view.to_picture(track.left - 0.5, track.top - 0.5, track.right + 0.5, track.bottom + 0.5)
            track.crops = keep_best(track.crops, take_crop(frame, box, view.region), self._max_crops)

    def finish(self, tracks: Sequence[Track], at: int) -> list[Item]:
        """Return the items that tracks became with this frame."""
        return [item for track in tracks if (item := self._finish(track, tracks, at)) is not None]

    def _finish(self, track: Track, tracks: Sequence[Track], at: int) -> Item | None:
        if track.emitted or not track.before_line or not track.has_moved or track.frames < 2:
            return None
        too_large = track.spans_view and not track.lengths
        if too_large:
            if track.left <= EDGE and track.missed == 0:
                return None
        elif track.centre(self._scale.along, EDGE) < self._scale.line:
            return None
        track.emitted = True
        if self._mirrors.is_image(track):
            return None
        crossed_at, speed = track.crossing(self._scale.line) or self._guess_crossing(track, at)
        speed_mm = speed * self._scale.mm
        reject_reason = Reason.TOO_LARGE if too_large else self._reject_reason(track, speed_mm)
        if reject_reason is None:
            self._belt.item_passed(at, speed_mm)
        item = Item(
            item_id=self._next,
            crossed_at=min(round(crossed_at), at),
            crops=tuple(track.crops),
            lane=self._scale.lane(track.centre_across),
            length_mm=track.length * self._scale.mm,
            speed_mm_per_s=speed_mm,
            gap_behind_mm=self._gap_behind(track, tracks),
            reject_reason=reject_reason,
        )
        track.item_id = self._next
        self._next += 1
        return item

    def _guess_crossing(self, track: Track, at: int) -> tuple[float, float]:
        """Return instant and speed for a thing that was never seen whole twice."""
        speed = max(track.speed, self._belt_speed.speed, 0.1 * self._belt_speed.usual)
        return at - (track.centre(self._scale.along, EDGE) - self._scale.line) / speed * NS_PER_S, speed

    def _reject_reason(self, track: Track, speed_mm: float) -> Reason | None:
        if track.touching * 2 > track.alone or track.shared > track.alone:
            return Reason.TOUCHING
        measured = self._belt.measured_speed
        if measured is not None and abs(speed_mm / measured - 1) > SLIP:
            return Reason.SLIPPED
        return None

    def _gap_behind(self, track: Track, tracks: Sequence[Track]) -> float:
        fronts = [
            t.right
            for t in tracks
            if t is not track and not t.emitted and t.right < track.right and not self._mirrors.is_image(t)
        ]
        return math.inf if not fronts else max(0.0, track.left - max(fronts)) * self._scale.mm
