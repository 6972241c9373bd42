"""Which blob is which thing: by where the belt must have carried it."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from edge.sensing.blobs import Blob
from edge.sensing.tracking.tracks import Track

# Share of the smaller rectangle that must overlap, and of a further part of one thing.
OVERLAP = 0.3
PART = 0.6
# Small pixels by which a predicted place may be wrong on a steady belt.
SLACK = 1.5
# Mean intersection over union above which a predicted shift of the belt is not questioned.
GOOD_FIT = 0.7


@dataclass
class Matches:
    """Who was found where; every track and every blob appears once. `parts` are tracks that belong to another one."""

    alone: list[tuple[Track, Blob]] = field(default_factory=list)
    shared: list[Track] = field(default_factory=list)
    missed: list[Track] = field(default_factory=list)
    new: list[Blob] = field(default_factory=list)
    parts: list[Track] = field(default_factory=list)


def find_step(tracks: list[Track], blobs: list[Blob], predicted: float, most: float) -> float:
    """Return how far the belt moved since the last frame, small pixels: the shift that lays most tracks on blobs.

    The predicted shift is taken if it fits; else, after a stop, a start or a repeated frame, every shift up to
    `most` that lays some track on some blob is tried.
    """
    if not tracks or not blobs:
        return predicted
    old = np.array([(t.left, t.top, t.right, t.bottom) for t in tracks])
    new = np.array([(b.left, b.top, b.right, b.bottom) for b in blobs])
    fit = _fit(old, new, predicted)
    if fit >= GOOD_FIT * min(len(tracks), len(blobs)):
        return predicted
    level = np.minimum(old[:, None, 3], new[None, :, 3]) > np.maximum(old[:, None, 1], new[None, :, 1])
    shifts = np.concatenate([(new[None, :, end] - old[:, None, end])[level] for end in (0, 2)])
    candidates = [0.0, *(float(s) for s in np.unique(np.round(shifts)) if -SLACK <= s <= most)]
    best, best_fit = predicted, fit * 1.02  # no other shift without a reason
    for shift in candidates:
        fit = _fit(old, new, shift)
        if fit > best_fit:
            best, best_fit = shift, fit
    return best


def _fit(old: NDArray[np.float64], new: NDArray[np.float64], shift: float) -> float:
    """Return the sum over the tracks, shifted, of the best intersection over union with a blob."""
    wide = np.minimum(old[:, None, 2] + shift, new[None, :, 2]) - np.maximum(old[:, None, 0] + shift, new[None, :, 0])
    high = np.minimum(old[:, None, 3], new[None, :, 3]) - np.maximum(old[:, None, 1], new[None, :, 1])
    both = np.maximum(wide, 0) * np.maximum(high, 0)
    areas = [(b[:, 2] - b[:, 0]) * (b[:, 3] - b[:, 1]) for b in (old, new)]
    return float((both / (areas[0][:, None] + areas[1][None, :] - both)).max(axis=1).sum())


def match(tracks: list[Track], blobs: list[Blob], step: float, nominal_step: float) -> Matches:
    """Pair tracks, already moved by `step`, with the blobs of the new frame.

    `nominal_step` is how far the belt goes at its usual speed: what is not where it was predicted is looked for
    between standing still and twice that.
    """
    assigned = _by_place(tracks, blobs)
    _search_lost(assigned, tracks, blobs, step, max(step, nominal_step))
    found = Matches(new=[blobs[n] for n, owners in enumerate(assigned.owners) if not owners])
    found.parts = _corners_of_one(assigned)
    for n, owners in enumerate(assigned.owners):
        if len(owners) > 1:
            _keep_in_place(owners, blobs[n])
    for track in tracks:
        mine = assigned.taken[track.track_id]
        if track in found.parts:
            continue
        if not mine:
            found.missed.append(track)
        elif any(len(assigned.owners[n]) > 1 for n in mine):
            found.shared.append(track)
        else:
            found.alone.append((track, _union([blobs[n] for n in mine])))
    return found


class _Assignment:
    """Which tracks own each blob, by its number, and which blobs each track has taken."""

    def __init__(self, tracks: list[Track], blobs: list[Blob]) -> None:
        self.owners: list[list[Track]] = [[] for _ in blobs]
        self.taken: dict[int, list[int]] = {track.track_id: [] for track in tracks}

    def give(self, track: Track, numbers: list[int]) -> None:
        self.taken[track.track_id] += numbers
        for n in numbers:
            self.owners[n].append(track)


def _by_place(tracks: list[Track], blobs: list[Blob]) -> _Assignment:
    """Give each track the blobs that lie where it is expected; neighbours may share one."""
    assigned = _Assignment(tracks, blobs)
    for track in tracks:
        left, right, top, bottom = track.left - SLACK, track.right + SLACK, track.top - SLACK, track.bottom + SLACK
        # Most blobs are nowhere near: said here, 40 items take two thirds of the time.
        linked = [
            n
            for n, b in enumerate(blobs)
            if b.left < right and b.right > left and b.top < bottom and b.bottom > top and _overlap(track, b) >= OVERLAP
        ]
        assigned.give(track, _own_parts(track, linked, blobs))
    return assigned


def _corners_of_one(assigned: _Assignment) -> list[Track]:
    """Take out, and return, tracks that are parts of another: its corners came into view one by one, now what is between."""
    parts: list[Track] = []
    for owners in assigned.owners:
        if len(owners) > 1 and not any(track.lengths for track in owners):
            parts += owners[1:]
            del owners[1:]
    return parts


def _overlap(track: Track, blob: Blob) -> float:
    """Share of the smaller of the two that both cover."""
    wide = min(track.right + SLACK, blob.right) - max(track.left - SLACK, blob.left)
    high = min(track.bottom + SLACK, blob.bottom) - max(track.top - SLACK, blob.top)
    if wide <= 0 or high <= 0:
        return 0.0
    track_area = (track.right - track.left) * (track.bottom - track.top)
    blob_area = blob.length * (blob.bottom - blob.top)
    return wide * high / max(1.0, min(track_area, blob_area))


def _own_parts(track: Track, linked: list[int], blobs: list[Blob]) -> list[int]:
    """Keep the best blob, and others that lie almost wholly where the thing is expected."""
    if len(linked) < 2:
        return linked
    best = max(linked, key=lambda n: _overlap(track, blobs[n]) * blobs[n].area)
    return [
        n for n in linked if n == best or ((track.is_one or not blobs[n].split) and inside(track, blobs[n]) >= PART)
    ]


def inside(track: Track, blob: Blob) -> float:
    """Return the share of a blob that lies where a thing is expected."""
    wide = min(track.right + SLACK, blob.right) - max(track.left - SLACK, blob.left)
    high = min(track.bottom + SLACK, blob.bottom) - max(track.top - SLACK, blob.top)
    return max(0.0, wide) * max(0.0, high) / max(1.0, blob.length * (blob.bottom - blob.top))


def _search_lost(assigned: _Assignment, tracks: list[Track], blobs: list[Blob], step: float, usual_step: float) -> None:
    """Look for tracks without a blob where a belt that just changed its pace would have them, foremost first."""
    for track in sorted(tracks, key=lambda t: -t.right):
        if assigned.taken[track.track_id]:
            continue
        near: list[tuple[float, int]] = []
        for n, blob in enumerate(blobs):
            if assigned.owners[n] or min(track.bottom, blob.bottom) <= max(track.top, blob.top):
                continue
            ahead = blob.right - track.right
            if -step - SLACK <= ahead <= 2 * usual_step - step + SLACK:
                near.append((abs(ahead), n))
        if near:
            assigned.give(track, [min(near)[1]])


def _keep_in_place(sharing: list[Track], blob: Blob) -> None:
    """Shift things that share a blob together, so that the foremost ends where the blob ends."""
    foremost = max(track.right for track in sharing)
    shift = max(-2.0, min(2.0, blob.right - foremost))
    for track in sharing:
        track.move(shift)


def _union(parts: list[Blob]) -> Blob:
    if len(parts) == 1:
        return parts[0]
    return Blob(
        min(p.left for p in parts),
        min(p.top for p in parts),
        max(p.right for p in parts),
        max(p.bottom for p in parts),
        sum(p.area for p in parts),
        any(p.touching for p in parts),
    )
