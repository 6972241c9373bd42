"""Drift: a lens that darkens, a lamp that dies, new kinds of items are noticed in time; ordinary variation is not."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from edge.clock import NS_PER_S, VirtualClock
from edge.health.drift import Appearance, Memory
from edge.health.faults import SPECS, FaultKind
from edge.health.monitors.drift import DriftMonitor, drift_path, read_told
from edge.line import Outcome
from edge.types import Box, Crop, Decision, Frame, Item, Prediction, Reason

LABELS = ("glass", "metal", "paper", "plastic")
SECONDS_AN_ITEM = 2
FEATURES = 256


@pytest.fixture(autouse=True)
def _in_utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@dataclass
class Place:
    """A line with an item every two seconds: batches of one kind, scores and light that vary as they do in a hall."""

    seed: int = 0
    folder: Path | None = None
    has_features: bool = True
    model: str = "model"
    calibrated: str = "calibration"
    lamp: float = 1.0
    focus: float = 1.0
    sureness: dict[str, float] = field(default_factory=dict)
    flutter: float = 0.006  # of the light from item to item; three times that in all
    threshold: float = 0.7
    strangers: float = 0.0  # share of a kind that nobody has taught
    items: int = 0

    def __post_init__(self) -> None:
        self.draw = np.random.default_rng(self.seed)
        self.dust = np.random.default_rng(self.seed)
        self.clock = VirtualClock(wall_start=1_780_000_000.0)
        self.kinds = {label: self.draw.normal(100, 20, FEATURES) for label in (*LABELS, "stranger")}
        self.batch, self.cloud = "paper", 1.0
        self.restart()

    def restart(self) -> None:
        self.monitor = DriftMonitor(self.clock, lambda: self.model, self.calibrated, self.folder)

    def run(self, items: int, until: Callable[[], object] = lambda: False) -> int:
        """Let items come, until that is true; return how many came."""
        for count in range(1, items + 1):
            self._come()
            if until():
                return count
        return items

    def _come(self) -> None:
        self.items += 1
        if self.draw.random() < 0.05:  # a sack of one kind
            self.batch = str(self.draw.choice(LABELS))
        self.cloud += self.flutter * self.draw.normal() + 0.05 * (1 - self.cloud)
        for _ in range(SECONDS_AN_ITEM):
            now = self.clock.now() + NS_PER_S
            self.clock.advance_to(now)
            level = 110 * self.lamp * self.cloud + self.draw.normal() * 2
            self.monitor.on_frame(Frame(np.full((48, 64, 3), np.clip(level, 0, 255), np.uint8), now, 1), now)
        label = self.batch if self.draw.random() < 0.5 else str(self.draw.choice(LABELS))
        is_strange = self.draw.random() < self.strangers
        kind = self.kinds["stranger" if is_strange else label] + self.draw.normal(0, 12, FEATURES)
        good = 0.0 if is_strange else self.sureness.get(label, 1.0)
        score = float(self.draw.beta(1 + 11 * good, 1))
        reason = Reason.SORTED if score > self.threshold else Reason.UNSURE
        codes = np.clip(kind, 0, 255).astype(np.uint8) if self.has_features else None
        prediction = Prediction(label, score, score / 2, LABELS, (score,) * 4, features=codes)
        decision = Decision(self.items, label, reason, now, label, score)
        sharpness = 900 * self.focus * float(np.exp(self.dust.normal() * 0.5))
        crop = Crop(np.zeros((8, 8, 3), np.uint8), Box(0, 0, 8, 8), now, sharpness, 1.0)
        self.monitor.on_outcome(Outcome(Item(self.items, now, (crop,)), prediction, decision, None, 0), now)
        self.told = [detail for kind_, detail in self.monitor.faults(now)]

    def is_told(self) -> bool:
        return bool(self.told)


LEARNT = 700  # items: some more than each of the tests takes to know what is usual


@pytest.mark.parametrize(("seed", "flutter"), [(0, 0.006), (1, 0.006), (2, 0.02), (3, 0.03)])
def test_ordinary_days_raise_nothing(seed: int, flutter: float) -> None:
    place = Place(seed, flutter=flutter)
    assert place.run(4000, until=place.is_told) == 4000, place.told


@pytest.mark.parametrize("seed", range(3))
def test_a_lens_that_darkens_by_a_fifth_is_told_within_300_items(seed: int) -> None:
    place = Place(seed)
    place.run(LEARNT)
    place.lamp = 0.8
    assert place.run(1000, until=place.is_told) <= 300
    assert re.fullmatch(r"the picture has been (1[5-9]|2[0-5]) % darker since \w+ \d\d:\d\d, \d+ \w+", place.told[0])


def test_a_lamp_that_dies_is_told_within_200_items() -> None:
    place = Place()
    place.run(LEARNT)
    place.lamp = 0.5
    assert place.run(1000, until=place.is_told) <= 200
    assert "darker" in place.told[0]


@pytest.mark.parametrize("seed", range(3))
def test_a_label_that_gets_less_sure_is_told_by_name_within_400_items_with_its_time(seed: int) -> None:
    place = Place(seed, has_features=False)
    place.run(LEARNT)
    began = place.clock.wall_time()
    place.sureness = {"paper": 0.2}
    assert place.run(1000, until=place.is_told) <= 400
    (told,) = place.told
    assert told.startswith("paper has been less sure since Thursday ")
    clock = re.search(r"(\d\d):(\d\d)", told)
    assert clock is not None
    minutes = int(clock[1]) * 60 + int(clock[2]) - began % 86_400 / 60
    assert -15 < minutes < 5, "it began when it began, not when it was noticed"


@pytest.mark.parametrize("seed", range(3))
def test_new_kinds_of_items_are_told_within_300_items(seed: int) -> None:
    place = Place(seed)
    place.run(LEARNT)
    place.strangers = 0.5
    assert place.run(1000, until=place.is_told) <= 300


def test_new_kinds_that_the_model_is_sure_of_are_seen_in_the_features() -> None:
    place = Place()
    place.run(LEARNT)
    place.kinds["paper"] = place.kinds["stranger"]
    assert place.run(1000, until=place.is_told) <= 300
    assert place.told[0].startswith("items have looked different since")


def test_the_advice_names_what_fits_a_model_to_new_items() -> None:
    assert "`sorter teach`" in SPECS[FaultKind.DRIFT].advice


def test_the_brightness_is_named_beside_what_it_may_have_done() -> None:
    place = Place()
    place.run(LEARNT)
    place.lamp, place.sureness = 0.8, dict.fromkeys(LABELS, 0.15)
    place.run(600)
    assert any(
        re.match(r"more items than usual have been unsure since .*; the picture is \d+ % darker", t) for t in place.told
    )
    assert not any("less sure" in told for told in place.told), "not label by label where it is all of them"


@pytest.mark.parametrize("labels", [1, 2, 3, 4])
@pytest.mark.parametrize("seed", range(2))
def test_sureness_that_falls_above_the_thresholds_is_told_however_many_labels_it_is_of(seed: int, labels: int) -> None:
    place = Place(seed, has_features=False, threshold=0.3)
    place.run(LEARNT)
    place.sureness = dict.fromkeys(LABELS[:labels], 0.3)
    assert place.run(1500, until=place.is_told) <= 500
    place.run(800)
    assert place.is_told(), "it stays while it is there"
    assert labels < 3 or re.fullmatch(r"many labels have been less sure since \w+ \d\d:\d\d, \d+ \w+", place.told[0])


def test_what_is_told_stays_as_it_is_until_it_is_over_and_ends_by_itself() -> None:
    place = Place()
    place.run(LEARNT)
    place.lamp = 0.75
    place.run(1000, until=place.is_told)
    (told,) = place.told
    place.lamp = 0.7
    place.run(300)
    assert place.told[0] == told
    place.lamp = 1.0
    assert place.run(2000, until=lambda: not place.told) < 2000


def test_a_hand_before_the_lens_is_no_change() -> None:
    place = Place()
    place.run(LEARNT)
    for _ in range(10):
        place.lamp = 0.3
        place.run(15)  # half a minute
        place.lamp = 1.0
        assert place.run(150, until=place.is_told) == 150


def test_a_camera_fault_speaks_for_itself() -> None:
    place = Place()
    place.run(LEARNT)
    place.monitor.on_state(True, {FaultKind.CAMERA_BLACK})
    place.lamp = 0.0
    place.run(300)
    assert not any("darker" in told for told in place.told)


@pytest.mark.parametrize("change", ["model", "calibrated"])
def test_another_model_or_calibration_begins_anew(change: str) -> None:
    place = Place()
    place.run(LEARNT)
    place.lamp = 0.7
    place.run(1000, until=place.is_told)
    setattr(place, change, "new")
    if change == "calibrated":
        place.restart()
    assert place.run(3000, until=place.is_told) == 3000, "what was new is usual now"


def test_a_reset_ends_it_and_it_comes_again_while_it_is_there() -> None:
    place = Place()
    place.run(LEARNT)
    place.lamp = 0.7
    place.run(1000, until=place.is_told)
    place.monitor.on_reset(after_stop=False)
    assert list(place.monitor.faults(place.clock.now())) == []
    assert place.run(1000, until=place.is_told) < 1000


def test_what_is_known_outlives_a_restart(tmp_path: Path) -> None:
    place = Place(folder=tmp_path)
    place.run(LEARNT)
    place.lamp = 0.8
    place.run(60)
    place.monitor.save()
    place.restart()
    assert place.run(1000, until=place.is_told) <= 300
    place.run(60)
    place.monitor.save()
    assert read_told(tmp_path) == place.told
    place.restart()
    assert [detail for _, detail in place.monitor.faults(place.clock.now())] == place.told


def test_how_light_and_sharpness_are_beside_how_they_were_is_told_without_a_fault() -> None:
    place = Place()
    place.run(20)
    assert place.monitor.appearance == Appearance(None, None)
    place.run(LEARNT)
    before = place.monitor.appearance
    assert before.brightness_change == pytest.approx(0, abs=0.05)
    assert before.sharpness_change == pytest.approx(0, abs=0.2)
    place.focus = 0.4
    place.run(400)
    assert place.monitor.appearance.sharpness_change == pytest.approx(-0.6, abs=0.1)
    assert place.monitor.appearance.brightness_change == pytest.approx(0, abs=0.05)


def test_the_memory_is_bounded(tmp_path: Path) -> None:
    place = Place(folder=tmp_path)
    place.run(50)
    for number in range(300):
        prediction = Prediction(f"label-{number}", 0.9, 0.5, LABELS, (0.9,) * 4, features=np.zeros(FEATURES, np.uint8))
        decision = Decision(number, "residual", Reason.SORTED, 0)
        place.monitor.on_outcome(Outcome(Item(number, 0, ()), prediction, decision, None, 0), 0)
    place.run(3000)
    place.monitor.save()
    assert drift_path(tmp_path).stat().st_size < 200_000


@pytest.mark.parametrize(
    "content", ["", "{", "[]", '{"labels": 3}', '{"unsure": {"score": NaN}}', '{"unsure": {"score": 1e9}}', "\x00" * 99]
)
def test_a_damaged_memory_is_set_aside_and_learnt_anew(tmp_path: Path, content: str) -> None:
    drift_path(tmp_path).write_text(content)
    assert read_told(tmp_path) == []
    place = Place(folder=tmp_path)
    place.run(100)
    place.monitor.save()
    assert len(list(tmp_path.glob("damaged-*"))) == 1
    assert Memory.model_validate_json(drift_path(tmp_path).read_text()).of == "model calibration"
