"""Thresholds fitted on site: true temperature, honest purity, and a refusal where the photos say nothing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from support.stations import BIN, station_in

from edge.bundle.archive import Bundle, open_bundle
from edge.bundle.photo import PhotoError
from edge.config import Station
from edge.config.calibration.record import Calibration, ThresholdStep
from edge.errors import CalibrationError
from edge.inference.thresholds import fitted
from edge.tools.calibrate.operator.operator import Onlooker
from edge.tools.calibrate.steps.thresholds import measure_thresholds

LABELS = ("paper", "glass", "metal")


@pytest.fixture
def bundle(tiny_bundle: Callable[..., bytes], tmp_path: Path) -> Bundle:
    path = tmp_path / "tiny.sorter"
    path.write_bytes(tiny_bundle())
    return open_bundle(path)


@pytest.fixture
def station(tmp_path: Path) -> Station:
    return station_in(tmp_path, BIN, state_folder="state", camera={"type": "simulated"})


def photograph(folder: Path, label: str, count: int) -> None:
    """Photos of the label's own colour, some clearer than others: the tiny model tells red, green and blue."""
    (folder / label).mkdir(parents=True)
    for n in range(count):
        picture = np.full((40, 40, 3), 60, np.uint8)
        picture[..., 2 - LABELS.index(label)] = 110 + 3 * n  # OpenCV writes blue first
        cv2.imwrite(str(folder / label / f"{n}.png"), picture)


def test_photos_of_this_station_give_thresholds_and_are_kept(bundle: Bundle, station: Station, tmp_path: Path) -> None:
    for label in LABELS:
        photograph(tmp_path / "photos", label, 24)
    step = measure_thresholds(station, Onlooker(), "x", bundle, tmp_path / "photos", 0.9).changes["thresholds"]
    assert step.samples == 72
    assert step.minimum_score["paper"] < 1
    assert len(list((station.state_folder / "samples" / "paper").iterdir())) == 24


def test_thresholds_that_would_send_all_of_a_label_to_residual_are_refused_and_the_photos_kept(
    bundle: Bundle, station: Station, tmp_path: Path
) -> None:
    for label in LABELS:
        photograph(tmp_path / "photos", label, 24)
    for photo in (tmp_path / "photos" / "paper").iterdir():  # all that looks like paper is glass
        photo.rename(tmp_path / "photos" / "glass" / f"p{photo.name}")
        cv2.imwrite(str(photo), np.full((40, 40, 3), 60, np.uint8))
    with pytest.raises(
        CalibrationError, match=r"^paper: no threshold reaches a purity of 90% .* is unchanged"
    ) as refused:
        measure_thresholds(station, Onlooker(), "x", bundle, tmp_path / "photos", 0.9)
    samples = station.state_folder / "samples"
    assert str(samples) in str(refused.value)
    assert len(list((samples / "paper").iterdir())) == 24


def test_what_a_mac_leaves_and_one_unreadable_photo_do_not_end_the_measuring(
    bundle: Bundle, station: Station, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for label in LABELS:
        photograph(tmp_path / "photos", label, 24)
    (tmp_path / "photos" / "paper").rename(tmp_path / "photos" / "Paper")
    (tmp_path / "photos" / ".ipynb_checkpoints").mkdir()
    (tmp_path / "photos" / "Paper" / "._0.png").write_bytes(b"Mac OS X")
    (tmp_path / "photos" / "Paper" / "0.png").write_bytes(b"")
    step = measure_thresholds(station, Onlooker(), "x", bundle, tmp_path / "photos", 0.9).changes["thresholds"]
    assert step.samples == 71
    assert "Paper/0.png: the file is empty" in caplog.text
    for number in range(8):
        (tmp_path / "photos" / "glass" / f"{number}.png").write_bytes(b"")
    with pytest.raises(PhotoError, match="9 of 72 photos can't be read"):
        measure_thresholds(station, Onlooker(), "x", bundle, tmp_path / "photos", 0.9)


def test_too_few_photos_are_refused_with_how_many_are_missing(bundle: Bundle, station: Station, tmp_path: Path) -> None:
    photograph(tmp_path / "photos", "paper", 7)
    photograph(tmp_path / "photos", "glass", 30)
    with pytest.raises(CalibrationError, match="13 more of paper"):
        measure_thresholds(station, Onlooker(), "x", bundle, tmp_path / "photos")


def test_a_folder_that_is_no_label_is_named(bundle: Bundle, station: Station, tmp_path: Path) -> None:
    photograph(tmp_path / "photos", "paper", 3)
    (tmp_path / "photos" / "papper").mkdir()
    with pytest.raises(CalibrationError, match="papper: no labels of the model"):
        measure_thresholds(station, Onlooker(), "x", bundle, tmp_path / "photos")


def test_thresholds_of_the_site_are_used_for_the_model_that_they_were_fitted_for_only(bundle: Bundle) -> None:
    step = ThresholdStep(
        measured_at="2026-01-01T00:00:00Z", of="x", bundle=bundle.digest, temperature=1.5,
        minimum_score={"paper": 0.77}, purity=0.9, samples=60,
    )  # fmt: skip
    used = fitted(bundle, Calibration(station="line", thresholds=step))
    assert used.manifest.thresholds.temperature == 1.5
    assert used.manifest.thresholds.minimum_score == {"paper": 0.77, "glass": 0.5, "metal": 0.5}
    other = step.model_copy(update={"bundle": "0" * 64})
    assert fitted(bundle, Calibration(station="line", thresholds=other)) is bundle
    assert fitted(bundle, None) is bundle
