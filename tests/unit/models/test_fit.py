"""One rule of fit: whether a model and a station go together is answered alike by every command."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from support.stations import BIN, write_station
from typer.testing import CliRunner

from edge.bundle.archive import open_bundle
from edge.cli import root
from edge.config import load_station
from edge.config.calibration.files import save_calibration
from edge.config.calibration.overlay import step_digest
from edge.config.calibration.record import Calibration, ThresholdStep
from edge.errors import BundleError
from edge.models.fit import check_fit
from edge.models.install import open_device, prove


@pytest.fixture
def station(tmp_path: Path, tiny_bundle: Callable[..., bytes]) -> Callable[..., Path]:
    """A simulated station with the tiny model, which knows paper, glass and metal."""
    (tmp_path / "tiny.sorter").write_bytes(tiny_bundle())

    def write(labels: list[str], residual: list[str], **wanted: float) -> Path:
        return write_station(
            tmp_path,
            BIN,
            state_folder="state",
            camera={"type": "simulated"},
            page={"enabled": False},
            inference={"bundle": "tiny.sorter", "allow_unsigned": True},
            bins={"paper": {"labels": labels, **wanted}, "residual": {"labels": residual}},
        )

    return write


def by_check(path: Path) -> str | None:
    answer = json.loads(CliRunner().invoke(root, ["check", "--station", str(path), "--json"]).stdout)
    return next((p["text"] for p in answer["problems"] if p["severity"] == "error"), None)


def by_command(*arguments: str) -> Callable[[Path], str | None]:
    def ask(path: Path) -> str | None:
        error = CliRunner().invoke(root, [*arguments, "--station", str(path)]).exception
        assert error is None or isinstance(error, BundleError)
        return None if error is None else str(error)

    return ask


def by_install(path: Path) -> str | None:
    try:
        prove(open_bundle(path.parent / "tiny.sorter"), open_device(path))
    except BundleError as error:
        return str(error)
    return None


COMMANDS: dict[str, Callable[[Path], str | None]] = {
    "check": by_check,
    "run": by_command("run", "--seconds", "0.3"),
    "simulate": by_command("simulate", "--minutes", "0.1"),
    "install": by_install,
}


@pytest.mark.parametrize("command", COMMANDS)
def test_a_label_that_no_bin_names_is_taken_by_every_command(command: str, station: Callable[..., Path]) -> None:
    assert COMMANDS[command](station(["paper"], [])) is None


@pytest.mark.parametrize("command", [*COMMANDS, "calibrate"])
def test_a_label_that_the_model_lacks_is_refused_in_the_same_words_by_every_command(
    command: str, station: Callable[..., Path], tmp_path: Path
) -> None:
    path = station(["paper", "wood"], ["glass"])
    with pytest.raises(BundleError) as refused:
        check_fit(open_bundle(tmp_path / "tiny.sorter"), load_station(path))
    (tmp_path / "photos").mkdir()
    calibrate = by_command("calibrate", "thresholds", "--photos", str(tmp_path / "photos"))
    said = (COMMANDS | {"calibrate": calibrate})[command](path)
    assert said == str(refused.value)
    assert "bin 'paper' waits for 'wood', which this model does not know (it knows paper, glass, metal)" in said


def calibrate(path: Path, purity: float) -> None:
    """Keep thresholds of the station's model as if they had been fitted there."""
    station = load_station(path)
    bundle = open_bundle(path.parent / "tiny.sorter")
    step = ThresholdStep(
        measured_at="2026-01-01T00:00:00Z", of=step_digest(station, "thresholds"), bundle=bundle.digest,
        temperature=1.0, minimum_score={"paper": 0.9}, purity=purity, samples=60,
    )  # fmt: skip
    save_calibration(station.state_folder, Calibration(station=station.name, thresholds=step), "20260101-000000")


@pytest.mark.parametrize(("at_the_station", "refused"), [(None, "none"), (0.9, "0.9"), (0.97, None)])
@pytest.mark.parametrize("command", COMMANDS)
def test_a_purity_is_had_where_the_thresholds_fitted_at_the_station_have_it_says_every_command(
    command: str, at_the_station: float | None, refused: str | None, station: Callable[..., Path]
) -> None:
    path = station(["paper"], [], min_purity=0.95)
    if at_the_station is not None:
        calibrate(path, at_the_station)
    said = COMMANDS[command](path)
    if refused is None:
        assert said is None
    else:
        assert said is not None
        assert f"bin 'paper' asks for a purity of 0.95, the model's thresholds were fitted for {refused}: " in said


def test_thresholds_are_fitted_for_no_less_than_a_bin_asks_for(station: Callable[..., Path], tmp_path: Path) -> None:
    path = station(["paper"], [], min_purity=0.95)
    (tmp_path / "photos").mkdir()
    fitting = ("calibrate", "thresholds", "--photos", str(tmp_path / "photos"), "--purity")
    assert "asks for a purity of 0.95" in (by_command(*fitting, "0.9")(path) or "")
    with pytest.raises(AssertionError, match="too few photos"):
        by_command(*fitting, "0.96")(path)
