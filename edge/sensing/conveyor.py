"""Follows what lies on a belt, and says when its centre crossed the decision line."""

from __future__ import annotations

import math
from collections.abc import Sequence

from edge.clock import NS_PER_S, ms
from edge.config import Station
from edge.errors import ConfigError
from edge.interfaces import Sighting
from edge.sensing.background import Background
from edge.sensing.blobs import GROWN, Blob, cover, find_blobs
from edge.sensing.crops import keep_best, take_crop
from edge.sensing.shadows import Look, with_dark_things
from edge.sensing.tracking.belt_speed import Flow
from edge.sensing.tracking.matching import PART, find_step, inside, match
from edge.sensing.tracking.mirrors import Mirrors
from edge.sensing.tracking.tracks import Track
from edge.sensing.view import View, build_view
from edge.transport.belt import BeltModel
from edge.types import Frame, Image, Item, Reason

# Small pixels from the view's ends within which a thing counts as cut off by it.
EDGE = 1.0
# The model of the belt learns this often.
LEARN_NS = ms(80)
# A thing that has not moved for so long is part of the scene: when other things move, and when nothing does.
STUCK_NS, STUCK_ALONE_NS = ms(1000), ms(10_000)
# A track that is out of sight for longer is given up, unless the belt carries it over the line before.
LOST_NS = ms(700)
# An item that differs by this share from the belt's speed rolls or slips.
SLIP = 0.25
# New views are taken this often while a thing crosses the picture.
VIEWS_ACROSS = 16
# What is by this factor longer than the longest item is two of them; blur and shadow make a thing a little longer.
LONGER = 1.1
# So many times its usual speed is the most that a belt may do between two frames.
FASTER = 2.2


class ConveyorTrigger:
    """Satisfies Trigger: each thing that the belt carries over the decision line becomes exactly one Item."""

    def __init__(self, station: Station, belt: BeltModel) -> None:
        if station.belt is None:
            raise ConfigError(f"station {station.name!r} has no [belt]; expected a conveyor")
        self._station = station
        self._settings = station.belt
        self._belt = belt
        self._view: View | None = None
        self._background: Background | None = None
        self._tracks: list[Track] = []
        self.mirrors = Mirrors()
        self._next_track = 1
        self._next_item = 1
        self._at = 0
        self._learnt_at = 0

    def observe(self, frame: Frame) -> Sequence[Item]:
        """Take the next frame in; return the items that crossed the decision line since the last one."""
        if self._view is None or self._background is None:
            height, width = frame.pixels.shape[:2]
            self._view = build_view(self._station, (width, height))
            self._prepare(self._view)
            small = self._view.shrink(frame.pixels)
            self._background = Background(small, self._station.sensing.sensitivity)
            self._at = self._learnt_at = frame.captured_at
            elapsed = 0
        else:
            if frame.captured_at <= self._at:
                return []  # a frame that was already overtaken by a newer one tells nothing new
            small = self._view.shrink(frame.pixels)
            elapsed = frame.captured_at - self._at
            self._at = frame.captured_at
        difference = self._background.compare(small, shades=True)
        if difference is not None:
            difference = with_dark_things(difference, Look(frame.pixels, small, self._background.mean, self._view))
        blobs = [] if difference is None else find_blobs(difference, self._min_area, self._gap, longest=self._longest)
        self._follow(blobs, elapsed)
        self.mirrors.note(self._tracks, small, self._background.mean)
        self._learn(small, blobs)
        self._look(frame)
        items = [item for track in list(self._tracks) if (item := self._finish(track, frame)) is not None]
        self._drop()
        return items

    def sightings(self) -> Sequence[Sighting]:
        """Return what is followed in the newest frame."""
        if self._view is None:
            return []
        return [
            Sighting(self._view.to_picture(t.left, t.top, t.right, t.bottom), t.track_id, t.emitted, t.item_id)
            for t in self._tracks
            if t.missed == 0
        ]

    # -- scale -------------------------------------------------------------------------------------------------

    def _prepare(self, view: View) -> None:
        self._along, self._across = view.size
        self._mm = self._settings.mm_per_pixel * view.along_scale
        self._line = self._settings.decision_line * self._along
        self._min_area = max(6.0, self._station.sensing.min_item_mm2 / self._mm**2)
        largest = self._station.sensing.largest_item_mm
        self._longest = math.inf if largest is None else LONGER * largest / self._mm + 2 * GROWN
        self._gap = self._settings.merge_gap_mm / self._mm
        self._flow = Flow(self._belt, self._mm)

    # -- following ---------------------------------------------------------------------------------------------

    def _follow(self, blobs: list[Blob], elapsed: int) -> None:
        seconds = elapsed / NS_PER_S
        usual, expected = self._flow.usual * seconds, self._flow.speed * seconds
        step = find_step(self._tracks, blobs, expected, FASTER * max(usual, expected) + 2)
        before = {track.track_id: track.right for track in self._tracks}
        for track in self._tracks:
            track.move(step)
        found = match(self._tracks, blobs, step, usual)
        for track, blob in found.alone:
            track.take(blob, self._at, self._along, EDGE)
        for track in found.shared:
            track.share(self._at)
        for track in found.missed:
            track.missed += 1
        self._tracks = [track for track in self._tracks if track not in found.parts]
        self._join_parts()
        moved = [
            track.right - before[track.track_id]
            for track, _ in found.alone
            if track.frames > 2 and track.right < self._along - EDGE and self._has_moved(track)
        ]
        self._flow.note(moved, self._at)
        for blob in found.new:
            if any(inside(track, blob) >= PART for track in self._tracks if not track.missed):
                continue  # a part of something that is followed already
            self._begin(blob, max(step, usual), first=elapsed == 0)

    def _begin(self, blob: Blob, step: float, *, first: bool) -> None:
        # Beyond the line already, but only because frames are missing or the belt is fast: it was not in view before.
        unseen_before = not first and blob.right - step <= 3 * EDGE
        track = Track(
            self._next_track, blob.left, blob.top, blob.right, blob.bottom, self._at,
            before_line=blob.centre < self._line or unseen_before,
        )  # fmt: skip
        track.note_place(self._along, EDGE)
        track.touching = int(blob.touching)
        self._next_track += 1
        self._tracks.append(track)

    def _has_moved(self, track: Track) -> bool:
        """Whether a track goes along with the belt: a stain, a ghost or a hand does not."""
        return track.travelled >= 3.0 and abs(track.strayed) < 0.6 * track.travelled

    def _join_parts(self) -> None:
        """Make one of two tracks that nearly always share one blob: they are parts of one thing."""
        mixed = [t for t in self._tracks if t.shared >= 4 and t.shared > 2 * t.alone and not t.emitted]
        for part in sorted(mixed, key=lambda t: t.frames):
            whole = next((t for t in self._tracks if t is not part and _near(t, part, self._gap + 2)), None)
            if whole is not None and not whole.emitted:
                whole.left, whole.right = min(whole.left, part.left), max(whole.right, part.right)
                whole.top, whole.bottom = min(whole.top, part.top), max(whole.bottom, part.bottom)
                whole.shared = 0
                self._tracks.remove(part)

    # -- the belt itself ---------------------------------------------------------------------------------------

    def _learn(self, small: Image, blobs: list[Blob]) -> None:
        if self._background is None or self._at - self._learnt_at < LEARN_NS:
            return
        for track in [t for t in self._tracks if not self._has_moved(t) and self._is_stuck(t)]:
            box = [round(v) for v in (track.left, track.top, track.right, track.bottom)]
            self._background.absorb(small, max(0, box[0]), max(0, box[1]), box[2], box[3])
            self._tracks.remove(track)
        covered = cover(small, [*blobs, *self._tracks], 3)
        self._background.learn(small, (self._at - self._learnt_at) / NS_PER_S, covered)
        self._learnt_at = self._at

    def _is_stuck(self, track: Track) -> bool:
        age = self._at - track.born_at
        others_move = self._at - self._flow.moved_at < STUCK_NS
        return age > (STUCK_NS if others_move else STUCK_ALONE_NS)

    # -- items -------------------------------------------------------------------------------------------------

    def _look(self, frame: Frame) -> None:
        """Keep the best views of what is whole in the picture and not yet over the line."""
        view = self._view
        if view is None:
            return
        for track in self._tracks:
            whole = track.left > EDGE and track.right < self._along - EDGE
            due = track.left - track.cropped_at >= self._along / VIEWS_ACROSS
            if track.missed or track.emitted or not whole or not due:
                continue
            track.cropped_at = track.left
            box = view.to_picture(track.left - 0.5, track.top - 0.5, track.right + 0.5, track.bottom + 0.5)
            track.crops = keep_best(
                [*track.crops, take_crop(frame, box, view.region)], self._station.inference.max_crops
            )

    def _finish(self, track: Track, frame: Frame) -> Item | None:
        """Return the Item that a track became with this frame, if it did."""
        if track.emitted or not track.before_line or not self._has_moved(track) or track.frames < 2:
            return None
        too_large = track.spans_view and not track.lengths
        if too_large:
            if track.left <= EDGE and track.missed == 0:
                return None
        elif track.centre(self._along, EDGE) < self._line:
            return None
        track.emitted = True
        if self.mirrors.is_image(track):
            return None
        at, speed = track.crossing(self._line) or self._guess_crossing(track)
        speed_mm = speed * self._mm
        concern = Reason.TOO_LARGE if too_large else self._concern(track, speed_mm)
        if concern is None:
            self._belt.item_passed(self._at, speed_mm)
        item = Item(
            item_id=self._next_item,
            crossed_at=min(round(at), self._at),
            crops=tuple(track.crops),
            lane=min(self._settings.lanes - 1, max(0, int(track.centre_across / self._across * self._settings.lanes))),
            length_mm=track.length * self._mm,
            speed_mm_per_s=speed_mm,
            gap_behind_mm=self._gap_behind(track),
            concern=concern,
        )
        track.item_id = self._next_item
        self._next_item += 1
        return item

    def _guess_crossing(self, track: Track) -> tuple[float, float]:
        """Return instant and speed for a thing that was never seen whole twice."""
        speed = max(track.speed, self._flow.speed, 0.1 * self._flow.usual)
        return self._at - (track.centre(self._along, EDGE) - self._line) / speed * NS_PER_S, speed

    def _concern(self, track: Track, speed_mm: float) -> Reason | None:
        if track.touching * 2 > track.alone or track.shared > track.alone:
            return Reason.TOUCHING
        measured = self._belt.measured_speed
        if measured is not None and abs(speed_mm / measured - 1) > SLIP:
            return Reason.SLIPPED
        return None

    def _gap_behind(self, track: Track) -> float:
        fronts = [
            t.right
            for t in self._tracks
            if t is not track and not t.emitted and t.right < track.right and not self.mirrors.is_image(t)
        ]
        return math.inf if not fronts else max(0.0, track.left - max(fronts)) * self._mm

    def _drop(self) -> None:
        """Forget what has left the view or was lost."""
        self._tracks = [
            t
            for t in self._tracks
            if t.left < self._along - EDGE and not (t.missed and self._at - t.seen_at > self._patience(t))
        ]

    def _patience(self, track: Track) -> int:
        return LOST_NS if self._has_moved(track) else LOST_NS // 5


def _near(one: Track, other: Track, gap: float) -> bool:
    apart_along = max(one.left, other.left) - min(one.right, other.right)
    apart_across = max(one.top, other.top) - min(one.bottom, other.bottom)
    return apart_along <= gap and apart_across <= gap


__all__ = ["ConveyorTrigger"]
