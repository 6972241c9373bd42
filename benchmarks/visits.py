"""What a bin station makes of a person's visits, by kind: each is known, so that every mistake is seen.

    python benchmarks/visits.py [--visits 100] [--seeds 1 2 3 4 5] [--textures rubber wood blue dirty]
                                [--station edge/stations/bin-flap.toml] [--photos DIR|LIST] [--pictures DIR]

Runs the station on the virtual clock with a model that is never wrong, so many visits of each kind spread evenly over
surfaces and seeds, and an hour in which nobody comes. `--pictures` keeps what the camera saw of each visit that went
wrong, with the boxes of what was counted.
"""

from __future__ import annotations

import argparse
from bisect import bisect_right
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2

from edge.cli.commands.simulate import STATIONS
from edge.clock import NS_PER_S, ms
from edge.config import RESIDUAL, Station, load_station
from edge.line import Outcome
from edge.simulate.world.bin import BinScene, Visit
from edge.simulate.world.truth import TrueItem
from edge.tools.simulate.build import Conditions, build_virtual_run
from edge.tools.simulate.score import Record
from edge.tools.simulate.simulated_station import Changes, simulated_variant
from edge.types import Frame, Image, Reason

EVERY_S, FIRST_S = 8.0, 4.0  # between two visits; who finds the plate taken waits
LYING_NS = ms(1500)  # after its begin a visit's hand is gone
SINGLE = (Reason.SORTED, Reason.RESIDUAL_LABEL)


@dataclass
class Seen:
    """One visit: what was laid down, what was counted, and a picture of it."""

    kind: Visit
    begin: int
    items: list[TrueItem] = field(default_factory=list)
    records: list[Record] = field(default_factory=list)
    picture: Image | None = None

    def verdict(self, station: Station) -> str:
        """Return what became of it; empty if all is right."""
        reasons = [record.reason for record in self.records]
        in_residual = all(item.landed_in == RESIDUAL for item in self.items)
        if self.kind in (Visit.TAKEN_AWAY, Visit.EMPTY_HAND):
            return "counted" if reasons else ""
        if self.kind is Visit.TWO_ITEMS:
            if in_residual and reasons and set(reasons) <= {Reason.TOO_CLOSE, Reason.TOUCHING}:
                return ""
            return "sorted as one" if reasons else "missed"
        if not reasons:
            return "missed"
        if self.kind is Visit.LARGE_ITEM:
            return "" if reasons == [Reason.TOO_LARGE] and in_residual else " ".join(reasons)
        right = all(item.landed_in == station.route(item.label).name for item in self.items)
        if len(reasons) > 1 or reasons[0] not in SINGLE:
            return " ".join(reasons)
        return "" if right else "in a wrong bin"


def station_of(options: argparse.Namespace, texture: str, seed: int) -> Station:
    """Return the station in the simulated world; nobody comes by himself."""
    changes = Changes(
        seed=seed, texture=texture, photos=options.photos, items_per_min=0.01, frames_per_s=options.fps
    )  # fmt: skip
    return simulated_variant(load_station(options.station), changes)


def watch(station: Station, kinds: Sequence[Visit]) -> list[Seen]:
    """Let people come one after the other; return what was made of each visit."""
    run = build_virtual_run(station, Conditions())
    world = run.world
    scene = world.scene
    assert isinstance(scene, BinScene)
    for n, kind in enumerate(kinds):
        scene.visit_at(kind, world.started_at + round((FIRST_S + n * EVERY_S) * NS_PER_S))
    pictures: list[tuple[int, Image]] = []

    def keep(frame: Frame, outcomes: Sequence[Outcome]) -> None:
        boxes = [outcome.item.crops[0].in_frame for outcome in outcomes]
        due = scene.visits and frame.captured_at - scene.visits[-1][0] >= LYING_NS and len(pictures) < len(scene.visits)
        if boxes or due:
            picture = frame.pixels.copy()
            for box in boxes:
                cv2.rectangle(picture, (box.x, box.y), (box.x + box.width, box.y + box.height), (255, 40, 40), 2)
            pictures.append((frame.captured_at, picture))

    run.run(FIRST_S + len(kinds) * EVERY_S, 12.0, keep)
    return _sort_out(scene, run.records, pictures)


def _sort_out(scene: BinScene, records: Sequence[Record], pictures: Sequence[tuple[int, Image]]) -> list[Seen]:
    """Give items, records and pictures to the visits in which they came."""
    seen = [Seen(kind, begin) for begin, kind in scene.visits]
    begins = [visit.begin for visit in seen]
    for item in scene.items:
        seen[bisect_right(begins, item.entered_at) - 1].items.append(item)
    for record in records:
        seen[bisect_right(begins, record.crossed_at) - 1].records.append(record)
    for at, picture in pictures:
        seen[bisect_right(begins, at) - 1].picture = picture
    return seen


def measure(options: argparse.Namespace) -> dict[Visit, list[str]]:
    """Return the verdicts of all visits by kind, and keep pictures of those that went wrong."""
    kinds = [Visit(kind) for kind in options.kinds]
    runs = [(texture, seed) for texture in options.textures for seed in options.seeds]
    each = -(-options.visits // len(runs))
    verdicts: dict[Visit, list[str]] = {kind: [] for kind in kinds}
    for texture, seed in runs:
        station = station_of(options, texture, seed)
        for number, visit in enumerate(watch(station, kinds * each)):
            verdict = visit.verdict(station)
            verdicts[visit.kind].append(verdict)
            if verdict:
                print(f"{texture} seed {seed} visit {number}: {visit.kind.value}: {verdict}", flush=True)
                _keep_picture(options.pictures, f"{texture}-{seed}-{number}-{verdict.replace(' ', '-')}", visit)
    return verdicts


def _keep_picture(folder: Path | None, name: str, visit: Seen) -> None:
    if folder is not None and visit.picture is not None:
        folder.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(folder / f"{name}.png"), visit.picture[..., ::-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else "")
    parser.add_argument("--visits", type=int, default=100, help="of each kind")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3, 4, 5])
    parser.add_argument("--textures", nargs="+", default=["rubber", "wood", "blue", "dirty"])
    parser.add_argument("--kinds", nargs="+", default=[kind.value for kind in Visit])
    parser.add_argument("--station", type=Path, default=STATIONS / "bin-flap.toml")
    parser.add_argument("--photos", type=Path)
    parser.add_argument("--pictures", type=Path)
    parser.add_argument("--fps", type=float, default=15.0)
    parser.add_argument("--idle-hours", type=float, default=1.0)
    options: Any = parser.parse_args()
    verdicts = measure(options)
    print(f"\n{'visit':34} {'visits':>6} {'wrong':>6}   what")
    for kind, found in verdicts.items():
        wrong = Counter(filter(None, found))
        what = ", ".join(f"{name}: {count}" for name, count in wrong.most_common())
        print(f"{kind.value:34} {len(found):6d} {wrong.total():6d}   {what}")
    if options.idle_hours:
        station = station_of(options, options.textures[0], options.seeds[0])
        run = build_virtual_run(station, Conditions())
        run.world.stop_feeding()
        run.run(3600 * options.idle_hours)
        print(f"{'nobody for hours: ' + format(options.idle_hours, 'g'):34} {'':6} {len(run.records):6d}   counted")


if __name__ == "__main__":
    main()
