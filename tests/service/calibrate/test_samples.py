"""Thresholds from items that are put through: photographed label by label, kept, and fitted to."""

from __future__ import annotations

from pathlib import Path

import cv2
import pytest
from support.paths import STATIONS

from edge.bundle.archive import Bundle, open_bundle
from edge.clock import VirtualClock
from edge.config import load_station
from edge.errors import CalibrationError
from edge.inference.classifier import shipped_bundle_path
from edge.tools.calibrate.operator.operator import Onlooker, Prompt, SimulatedOperator
from edge.tools.calibrate.operator.samples import Wanted, take_samples
from edge.tools.calibrate.rig import MeasurementRig, open_rig
from edge.tools.calibrate.steps.thresholds import wanted_labels

PRACTICE = STATIONS / "practice.toml"


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return open_bundle(shipped_bundle_path())


class Noting(SimulatedOperator):
    """Notes what was put on the belt."""

    def ask(self, prompt: Prompt, subject: str = "") -> None:
        super().ask(prompt, subject)
        if prompt is Prompt.NEXT_ITEM:
            self.put = [*getattr(self, "put", []), subject]


def test_photos_are_what_the_model_gets_and_lie_by_label(tmp_path: Path, bundle: Bundle) -> None:
    with open_rig(load_station(PRACTICE), VirtualClock()) as rig:
        assert rig.world is not None
        operator = Noting(rig.world, Onlooker())
        wanted = Wanted(("plastic", "metal"), 2, bundle.manifest.geometry, "now")
        folder = take_samples(rig, operator, wanted, tmp_path)
        rig.world.run_due(rig.clock.now())
        assert rig.world.surface.speed == 0
    assert operator.put == ["plastic", "plastic", "metal", "metal"]
    assert sorted(str(path.relative_to(folder)) for path in folder.rglob("*.png")) == [
        "metal/now-001.png", "metal/now-002.png", "plastic/now-001.png", "plastic/now-002.png",
    ]  # fmt: skip
    size = (bundle.manifest.geometry.height, bundle.manifest.geometry.width, 3)
    assert {cv2.imread(str(path)).shape for path in folder.rglob("*.png")} == {size}


def test_items_that_do_not_come_are_named(tmp_path: Path, bundle: Bundle) -> None:
    def nobody(rig: MeasurementRig) -> Onlooker:
        assert rig.world is not None
        rig.world.stop_feeding()
        return Onlooker()

    with open_rig(load_station(PRACTICE), VirtualClock()) as rig:
        wanted = Wanted(("plastic",), 2, bundle.manifest.geometry, "now")
        with pytest.raises(CalibrationError, match="no further plastic was seen"):
            take_samples(rig, nobody(rig), wanted, tmp_path)


def test_labels_that_are_sorted_out_are_asked_for_first(bundle: Bundle) -> None:
    station = load_station(PRACTICE)
    assert wanted_labels(station, bundle, ())[:2] == ["metal", "plastic"]
    assert len(wanted_labels(station, bundle, ())) == len(bundle.labels)
    with pytest.raises(CalibrationError, match="papper: no labels of the model"):
        wanted_labels(station, bundle, ("papper",))
