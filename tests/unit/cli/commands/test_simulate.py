"""`sorter simulate` as a person calls it."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import pytest
from support.paths import STATIONS
from typer.testing import CliRunner

from edge.cli import root
from edge.cli.commands.simulate import FAST_STATION
from edge.errors import ConfigError

RUN = ["simulate", "--minutes", "0.1", "--perfect-model", "--rate", "120", "--fps", "20"]


def test_json_has_the_figures_and_the_same_seed_gives_the_same() -> None:
    first = CliRunner().invoke(root, [*RUN, "--seed", "5", "--json"], catch_exceptions=False)
    again = CliRunner().invoke(root, [*RUN, "--seed", "5", "--json"], catch_exceptions=False)
    assert first.stdout == again.stdout
    figures = json.loads(first.stdout)
    assert figures["items"] > 5
    assert figures["seed"] == 5
    assert figures["missed"] == figures["double_counted"] == figures["mis_timed"] == 0
    assert set(figures) >= {"items_per_min", "residual_share", "decision_latency_ms", "margin_before_deadline_ms"}
    assert set(figures["bins"]["glass"]) == {"purity", "recovery", "landed", "belonging", "right"}


def test_the_table_names_every_bin() -> None:
    shown = CliRunner().invoke(root, RUN, catch_exceptions=False).stdout
    for name in ("plastic", "metal", "paper", "cardboard", "glass", "organic", "residual", "diverted"):
        assert name in shown


def test_the_report_says_which_faults_were_raised_and_when_they_ended() -> None:
    faults = ["--fault", "camera-lost@2+1.5", "--fault", "hot@4"]
    told = json.loads(CliRunner().invoke(root, [*RUN, *faults, "--json"], catch_exceptions=False).stdout)["faults"]
    assert [(fault["fault"], fault["ended_s"] is None) for fault in told] == [("camera-lost", False), ("hot", True)]
    lost, hot = told
    assert 2 <= lost["raised_s"] < 2.5
    assert 3.5 <= lost["ended_s"] < 6
    assert 4 <= hot["raised_s"] < 4.2
    shown = CliRunner().invoke(root, [*RUN, *faults], catch_exceptions=False).stdout
    assert f"fault camera-lost, from {lost['raised_s']:.1f} s to {lost['ended_s']:.1f} s: The camera is gone." in shown
    assert "fault hot, from" in shown


def test_a_jam_at_the_demo_is_raised_within_a_second_or_so_and_ends() -> None:
    command = [*RUN, "--fault", "jam@2+2", "--json"]
    (told,) = json.loads(CliRunner().invoke(root, command, catch_exceptions=False).stdout)["faults"]
    assert told["fault"] == "jam"
    assert 3 <= told["raised_s"] < 3.5
    assert 4 <= told["ended_s"] < 5.5


def test_a_run_without_faults_says_so() -> None:
    assert "no fault was raised" in CliRunner().invoke(root, RUN, catch_exceptions=False).stdout


@pytest.mark.slow
def test_a_clip_is_a_video_of_the_whole_run(tmp_path: Path) -> None:
    clip = tmp_path / "run.mp4"
    CliRunner().invoke(root, [*RUN, "--video", str(clip)], catch_exceptions=False)
    reader = cv2.VideoCapture(str(clip))
    assert reader.get(cv2.CAP_PROP_FPS) == 20
    assert reader.get(cv2.CAP_PROP_FRAME_COUNT) > 6 * 20
    there, page = reader.read()
    assert there
    assert page.shape == (720, 1280, 3)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--rate", "2000"], "a faster belt, fewer or smaller items"),
        (["--fault", "boredom@3"], "expected KIND"),
        (["--fault", "diverter-stuck:nobody@3"], "expected one of the actuators"),
        (["--station", str(FAST_STATION), "--fault", "emergency-stop@3"], "no pin for it"),
        (["--station", str(FAST_STATION), "--fault", "jam@3"], "nothing here would see it"),
        (["--photos", "nowhere"], "no such folder"),
        (["--texture", "velvet"], "expected one of rubber"),
        (["--station", "nowhere.toml"], "no such file"),
        (["--video", "nowhere/clip.mp4"], "can't be written as a video"),
    ],
)
def test_mistakes_are_named(options: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=message):
        CliRunner().invoke(root, [*RUN, *options], catch_exceptions=False)


def test_a_bin_station_has_no_belt_speed() -> None:
    flap = STATIONS / "bin-flap.toml"
    with pytest.raises(ConfigError, match="leave --speed out"):
        CliRunner().invoke(root, ["simulate", "--station", str(flap), "--speed", "300"], catch_exceptions=False)
