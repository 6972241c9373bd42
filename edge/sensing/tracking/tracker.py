"""Follows what lies on a belt from frame to frame; what becomes an item is decided elsewhere."""

from __future__ import annotations

from edge.clock import NS_PER_S, ms
from edge.sensing.blobs import Blob
from edge.sensing.tracking.belt_speed import BeltSpeedEstimator
from edge.sensing.tracking.matching import PART, find_step, inside, match
from edge.sensing.tracking.scale import EDGE, BeltScale
from edge.sensing.tracking.tracks import Track

# A thing that has not moved for so long is part of the scene: when other things move, and when nothing does.
STUCK_NS, STUCK_ALONE_NS = ms(1000), ms(10_000)
# A track that is out of sight for longer is given up, unless the belt carries it over the line before.
LOST_NS = ms(700)
# So many times its usual speed is the most that a belt may do between two frames.
FASTER = 2.2


class Tracker:
    """The things in view, each a Track; `flow` learns from them how fast the belt goes."""

    def __init__(self, scale: BeltScale, flow: BeltSpeedEstimator) -> None:
        self.tracks: list[Track] = []
        self.scale = scale
        self._belt_speed = flow
        self._next = 1

    def follow(self, blobs: list[Blob], at: int, elapsed: int) -> None:
        """Take the blobs of a frame in, `elapsed` nanoseconds after the one before; 0: it is the first."""
        seconds = elapsed / NS_PER_S
        usual, expected = self._belt_speed.usual * seconds, self._belt_speed.speed * seconds
        step = find_step(self.tracks, blobs, expected, FASTER * max(usual, expected) + 2)
        before = {track.track_id: track.right for track in self.tracks}
        for track in self.tracks:
            track.move(step)
        found = match(self.tracks, blobs, step, usual)
        for track, blob in found.alone:
            track.take(blob, at, self.scale.along, EDGE)
        for track in found.shared:
            track.share(at)
        for track in found.missed:
            track.missed += 1
        self.tracks = [track for track in self.tracks if track not in found.parts]
        self._join_parts()
        moved = [
            track.right - before[track.track_id]
            for track, _ in found.alone
            if track.frames > 2 and track.right < self.scale.along - EDGE and track.has_moved
        ]
        self._belt_speed.note(moved, at)
        for blob in found.new:
            if any(inside(track, blob) >= PART for track in self.tracks if not track.missed):
                continue  # a part of something that is followed already
            self._begin(blob, at, max(step, usual), first=elapsed == 0)

    def take_stuck(self, at: int) -> list[Track]:
        """Take out, and return, what lies still for so long that it is part of the scene."""
        others_move = at - self._belt_speed.moved_at < STUCK_NS
        patience = STUCK_NS if others_move else STUCK_ALONE_NS
        stuck = [track for track in self.tracks if not track.has_moved and at - track.born_at > patience]
        self.tracks = [track for track in self.tracks if track not in stuck]
        return stuck

    def drop(self, at: int) -> None:
        """Forget what has left the view or was lost."""
        self.tracks = [
            track
            for track in self.tracks
            if track.left < self.scale.along - EDGE and not (track.missed and at - track.seen_at > _patience(track))
        ]

    def _begin(self, blob: Blob, at: int, step: float, *, first: bool) -> None:
        # Beyond the line already, but only because frames are missing or the belt is fast: it was not in view before.
        unseen_before = not first and blob.right - step <= 3 * EDGE
        track = Track(
            self._next, blob.left, blob.top, blob.right, blob.bottom, at,
            before_line=blob.centre < self.scale.line or unseen_before,
        )  # fmt: skip
        track.note_place(self.scale.along, EDGE)
        track.touching = int(blob.touching)
        self._next += 1
        self.tracks.append(track)

    def _join_parts(self) -> None:
        """Make one of two tracks that nearly always share one blob: they are parts of one thing."""
        mixed = [t for t in self.tracks if t.shared >= 4 and t.shared > 2 * t.alone and not t.emitted]
        for part in sorted(mixed, key=lambda t: t.frames):
            whole = next((t for t in self.tracks if t is not part and _near(t, part, self.scale.gap + 2)), None)
            if whole is not None and not whole.emitted:
                whole.left, whole.right = min(whole.left, part.left), max(whole.right, part.right)
                whole.top, whole.bottom = min(whole.top, part.top), max(whole.bottom, part.bottom)
                whole.shared = 0
                self.tracks.remove(part)


def _near(one: Track, other: Track, gap: float) -> bool:
    apart_along = max(one.left, other.left) - min(one.right, other.right)
    apart_across = max(one.top, other.top) - min(one.bottom, other.bottom)
    return apart_along <= gap and apart_across <= gap


def _patience(track: Track) -> int:
    return LOST_NS if track.has_moved else LOST_NS // 5
