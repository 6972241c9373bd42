"""What ten items a label teach a simulated station whose light, camera and belt its model never saw.

    python benchmarks/teaching.py [--bundle B] [--rounds N] [--minutes M] [--json]

The demo's conveyor in a place of its own: warm lamps under a camera whose white balance stays as it was, a darker tone
curve, few pixels, a lens that is a little out of focus, a noisy sensor and a dirty dark belt. In each round two of the
twelve photos of each label, neighbours by name since those may show one and the same thing, are judged and the other ten
taught: six rounds judge each photo once. The ten are laid on that belt one after the other, and what the station's own eyes
cut out is taught as `sorter teach` does it. Then items from the photos that were not taught come by at random, the same ones
for the base and for the taught head, and what counts is the bin that each of them lands in.

Purity is the share of right items of what was diverted, recovery the share of what belongs in a bin of its own that got there,
both at the model's own thresholds. Since the two heads divert at different purities, the last columns compare them at the
same one: the recovery that one threshold for all labels, chosen in hindsight, would give each at 95 % purity, and at the
purity that the base has here. On a busy machine set OPENBLAS_NUM_THREADS=1.
"""

from __future__ import annotations

import argparse
import json
import logging
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np

from edge.bundle.archive import Bundle, open_bundle, read_bundle
from edge.bundle.preprocess import InputGeometry, prepare_crop
from edge.bundle.taught import check_can_be_taught
from edge.config import RESIDUAL, Station, load_station
from edge.errors import ConfigError
from edge.inference.classifier import shipped_bundle_path
from edge.inference.interpreter import open_interpreter
from edge.line import Outcome
from edge.simulate.render.photo_stock import SHIPPED, find_photos, load_cut_out
from edge.simulate.render.sprite import Pose, Sprite
from edge.simulate.world.belt import BeltScene
from edge.simulate.world.traffic import Arrival
from edge.teaching.learning import Learnt, learn
from edge.teaching.pictures import find_in_folders, look
from edge.teaching.shown import ShownItems
from edge.teaching.taught import pack_taught
from edge.tools.simulate.build import Conditions, build_virtual_run, run_and_score
from edge.tools.simulate.virtual_run import VirtualRun
from edge.types import Frame

STATION = Path(__file__).resolve().parents[1] / "edge" / "stations" / "demo.toml"
CAMERA = {"red_gain": 1.0, "blue_gain": 1.0, "frames_per_s": 15, "width": 640, "height": 480}
MM_PER_PIXEL = 0.8
PLACE = {"texture": "dirty", "noise": 6.0, "items_per_min": 60.0}
SURROUNDINGS = {"tint": (1.3, 0.72), "gamma": 1.5, "defocus_px": 1.2}
JUDGED, ROUNDS = 2, 6
PURITY = 0.95
APART_MM = 200.0
AT, STAMP = "2026-11-28T00:00:00Z", "20261128T000000Z"

Photos = Mapping[str, Sequence[Path]]


def split(photos: Photos, number: int) -> tuple[Photos, Photos]:
    """Return the photos that are taught and those that are judged in a round, counted from 0."""
    mine = slice(JUDGED * number, JUDGED * (number + 1))
    judged = {label: paths[mine] for label, paths in photos.items()}
    return {label: [path for path in photos[label] if path not in judged[label]] for label in photos}, judged


def place(seed: int, photos: Path) -> Station:
    """The demo station in its place; its items come from a list of photos."""
    table: dict[str, Any] = load_station(STATION).model_dump()
    table["camera"] |= CAMERA
    table["belt"] |= {"mm_per_pixel": MM_PER_PIXEL, "run_pin": None}  # it runs from the beginning: nothing waits on it
    table["simulation"] |= PLACE | {"seed": seed, "photos": photos}
    return Station.model_validate(table)


def run_in_place(station: Station, bundle: Bundle | None) -> VirtualRun:
    """A run in the light of the place; without a bundle nothing is decided."""
    run = build_virtual_run(station, Conditions(bundle))
    for name, value in SURROUNDINGS.items():
        setattr(run.world.surroundings, name, value)
    return run


def write_list(path: Path, photos: Photos) -> Path:
    path.write_text("".join(f"{photo}\n" for paths in photos.values() for photo in paths), encoding="utf-8")
    return path


def show(station: Station, photos: Photos, geometry: InputGeometry, shown: ShownItems) -> int:
    """Let each photo's thing pass the station once; keep what it cut out as `sorter teach` does, and return how many it saw."""
    run = run_in_place(station, None)
    run.world.stop_feeding()
    scene, seen = run.world.scene, 0
    assert isinstance(scene, BeltScene)

    def keep(_: Frame, outcomes: Sequence[Outcome]) -> None:
        nonlocal seen
        for item in (outcome.item for outcome in outcomes):
            if item.reject_reason is None and item.crops:
                label = scene.label_at(item.crops[0].in_frame.centre, item.crops[0].captured_at)
                shown.keep(label, STAMP, [prepare_crop(crop.pixels, crop.box, geometry) for crop in item.crops])
                seen += 1

    run.run(lay(scene, photos, station), on_frame=keep)
    return seen


def lay(scene: BeltScene, photos: Photos, station: Station) -> float:
    """Lay one thing after the other on the belt, in any order and turn; return in how many seconds all have passed."""
    rng = np.random.default_rng([station.simulation.seed, 5])
    simulation, view, ahead_mm = station.simulation, scene.view, 0.0
    things = [(label, path) for label, paths in photos.items() for path in paths]
    for number in rng.permutation(len(things)):
        label, path = things[number]
        cut_out = load_cut_out(path, label)
        if cut_out is None:
            raise ConfigError(f"{path}: no object can be cut out of this photo")
        size = float(rng.uniform(simulation.smallest_mm, simulation.largest_mm)) / view.mm_per_pixel
        sprite = Sprite(cut_out, Pose(size, float(rng.uniform(0, 360)), float(rng.uniform(0.85, 1.1))))
        ahead_mm += APART_MM
        scene.lay(Arrival(label, cut_out.name, sprite, ahead_mm, view.across_px * float(rng.uniform(0.4, 0.6)), 0))
    assert station.belt is not None
    return (ahead_mm + 2 * view.along_mm) / station.belt.speed_mm_per_s


def teach(base: Bundle, pictures: Path) -> tuple[Learnt, Bundle]:
    """Teach as `sorter teach --photos` does."""
    seen = look(base, open_interpreter(base), find_in_folders(pictures), lambda _: None)
    learnt = learn(base, seen.lessons, PURITY)
    content = pack_taught(base, seen.lessons, learnt, ("benchmark", 1, "benchmark", AT), None)
    return learnt, read_bundle(content, "taught")


@dataclass
class Judged:
    """What became of the items of one model: counts, and how sure it was of each that it gave the label of a bin of its own.

    `sure` holds (score, is it right) of each such item, whatever the thresholds made of it.
    """

    items: int = 0
    named: int = 0
    landed: int = 0
    right: int = 0
    belonging: int = 0
    residual: int = 0
    sure: list[tuple[float, bool]] = field(default_factory=list)

    def __add__(self, other: Judged) -> Judged:
        return Judged(**{f.name: getattr(self, f.name) + getattr(other, f.name) for f in fields(self)})

    def shares(self, base: Judged) -> dict[str, float]:
        """All named rightly; purity and recovery of the bins but residual; share in residual; best recovery at two purities."""
        return {
            "named": self.named / max(1, self.items),
            "purity": self.right / max(1, self.landed),
            "recovery": self.right / max(1, self.belonging),
            "residual": self.residual / max(1, self.items),
            "recovery_at_95": self.best_recovery(PURITY),
            "recovery_at_the_purity_of_the_base": self.best_recovery(base.right / max(1, base.landed)),
        }

    def best_recovery(self, purity: float) -> float:
        """The recovery that one threshold for all labels, chosen in hindsight, would give at this purity."""
        right = best = 0
        for count, (_, is_right) in enumerate(sorted(self.sure, reverse=True), 1):
            right += is_right
            best = right if right >= purity * count else best
        return best / max(1, self.belonging)


def judge(station: Station, bundle: Bundle, minutes: float) -> Judged:
    """Let items come by at random, and count the bins that they land in."""
    scores: dict[int, float] = {}

    def note(_: Frame, outcomes: Sequence[Outcome]) -> None:
        scores.update({o.item.item_id: o.prediction.score for o in outcomes if o.prediction is not None})

    score = run_and_score(station, run_in_place(station, bundle), 60 * minutes, note)
    diverted = score.diverted
    sure = []
    for item, record in score.pairs:
        if record.item_id in scores and (where := station.route(record.label).name) != RESIDUAL:
            sure.append((scores[record.item_id], where == station.route(item.label).name))
    return Judged(
        score.items,
        sum(record.label == item.label for item, record in score.pairs),
        diverted.landed,
        diverted.right,
        diverted.belonging,
        round(score.residual_share * score.items),
        sure,
    )


@dataclass
class Round:
    """One round: what was taught, and what the base and the taught head then did with the same items."""

    number: int
    taught_items: int
    refusal: str
    base: Judged
    taught: Judged

    def rows(self, name: str = "") -> list[str]:
        """Lines of the table."""
        rows = []
        for model, judged in (("base", self.base), ("taught", self.taught)):
            cells = "".join(f"{100 * share:>10.1f} %" for share in judged.shares(self.base).values())
            rows.append(f"{name or self.number + 1:>5} {model:>7} {judged.items:>6}{cells}")
        return rows + ([f"      refused: {self.refusal}"] if self.refusal else [])


def play(base: Bundle, number: int, minutes: float) -> Round:
    """Show, teach, and judge on the photos that were not taught."""
    taught_photos, judged_photos = split(find_photos(SHIPPED), number)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        station = place(number + 1, write_list(folder / "judged.txt", judged_photos))
        shown = ShownItems(folder)
        seen = show(station, taught_photos, base.manifest.geometry, shown)
        learnt, taught = teach(base, shown.folder)
        before, after = (judge(station, bundle, minutes) for bundle in (base, taught))
    return Round(number, seen, learnt.refusal, before, after)


def as_tree(rounds: Sequence[Round], total: Round) -> dict[str, Any]:
    """The rounds and all together as plain values for a JSON object."""
    return {
        "rounds": [
            {"round": one.number + 1, "taught_items": one.taught_items, "refusal": one.refusal,
             "base": one.base.shares(one.base), "taught": one.taught.shares(one.base)}
            for one in rounds
        ],
        "all": {"items": total.base.items, "base": total.base.shares(total.base), "taught": total.taught.shares(total.base)},
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bundle", type=Path, help="the base; without it the bundle that ships")
    parser.add_argument("--rounds", type=int, default=ROUNDS, choices=range(1, ROUNDS + 1))
    parser.add_argument("--minutes", type=float, default=1.0, help="of items that are judged, in each round")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    logging.disable(logging.WARNING)
    base = open_bundle(options.bundle or shipped_bundle_path())
    check_can_be_taught(base)
    head = ("round", "model", "items", "named", "purity", "recovery", "residual", "at 95 %", "at base's")
    if not options.json:
        print(
            f"{base.manifest.title}\n{head[0]:>5} {head[1]:>7} {head[2]:>6}" + "".join(f"{h:>12}" for h in head[3:]),
            flush=True,
        )
    rounds: list[Round] = []
    for number in range(options.rounds):
        rounds.append(play(base, number, options.minutes))
        if not options.json:
            print("\n".join(rounds[-1].rows()), flush=True)
    total = Round(
        -1,
        sum(one.taught_items for one in rounds),
        "",
        sum((one.base for one in rounds), Judged()),
        sum((one.taught for one in rounds), Judged()),
    )
    print(json.dumps(as_tree(rounds, total), indent=1) if options.json else "\n".join(total.rows("all")))


if __name__ == "__main__":
    main()
