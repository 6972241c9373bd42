"""Calibrations: files that are damaged, and numbers that would drive a pin beyond its limits or leave it on."""

from __future__ import annotations

import copy
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import tomli_w

from edge.clock import VirtualClock
from edge.config import Station, load_station
from edge.config.calibration.files import FILE_NAME, parse_calibration
from edge.config.calibration.overlay import apply_calibration, step_digest
from edge.config.calibration.recover import load_or_quarantine
from edge.devices.actuators import open_actuators
from edge.devices.gpio.mock_pins import MockPins
from edge.station.stops.safe_outputs import NOTE, save_outputs
from fuzzing.case import THINGS, Case, mutate, mutate_value
from fuzzing.examples import STATION, STATIONS, make_safe


def calibration(folder: Path) -> Callable[[Case], None]:
    """It is applied, or refused."""
    station = load_station(STATIONS / "demo.toml")
    whole = example(station)

    def run(case: Case) -> None:
        table = copy.deepcopy(whole)
        content = tomli_w.dumps(table).encode()
        if case.chance.random() < 0.3:
            content = mutate(content, case.chance)
        else:
            mutate_value(table, case.chance)
            content = tomli_w.dumps(table).encode()
        apply_calibration(station, parse_calibration(content, Path("calibration.toml")))

    return run


def pins(folder: Path) -> Callable[[Case], None]:
    """Calibration numbers, and things in the place of files: no pulse leaves its limits, and no output stays on."""

    def run(case: Case) -> None:
        chance, state = case.chance, case.folder / "state"
        state.mkdir()
        (case.folder / "station.toml").write_text(STATION)
        station = load_station(case.folder / "station.toml")
        save_outputs(state, station.model_dump())
        step: dict[str, Any] = {"lead_ms": 80.0, "lead_spread_ms": 1.0, "return_ms": 90.0, "repeats": 5}
        step |= {"safe_us": 1500, "min_us": 1250, "max_us": 1750, "positions_us": {"out": 1700}}
        mutate_value(step, chance)
        if chance.random() < 0.5:
            step |= {chance.choice(("safe_us", "min_us", "max_us")): chance.randint(400, 2600)}
        step |= {"measured_at": "", "of": step_digest(station, "diverters", "arm")}
        table = {"format_version": 1, "station": station.name, "diverters": {"arm": step}}
        (state / FILE_NAME).write_bytes(tomli_w.dumps(table).encode())
        files = (None, case.folder / "station.toml", state / FILE_NAME, state / NOTE)
        if (path := chance.choice(files)) is not None:
            path.unlink()
            THINGS[chance.choice(list(THINGS))](path)
        os.environ["STATE_DIRECTORY"] = str(state)
        safe, driven = make_safe(case.folder / "station.toml"), MockPins()
        _fire_all(apply_calibration(station, load_or_quarantine(station)[0]), driven)
        widths = [state.state * 20_000 for pins in (safe, driven) for state in pins.pin(18).states if state.state]
        assert all(1199.5 < width < 1800.5 for width in widths), f"pulses of {widths} us; expected 1200 to 1800"

    return run


def _fire_all(station: Station, pins: MockPins) -> None:
    for actuator in open_actuators(station, pins, VirtualClock()).values():
        for position in actuator.positions:
            actuator.fire(position)
        actuator.close()


def example(station: Station) -> dict[str, Any]:
    """Every step of a calibration that holds for the station."""

    def step(name: str, part: str = "") -> dict[str, str]:
        return {"measured_at": "2026-11-01T10:00:00Z", "of": step_digest(station, name, part)}

    region = {"identity": "camera", "x": 0, "y": 0, "width": 640, "height": 480}
    light = {"focus": 0.4, "brightness": 90.0, "brightness_spread": 1.0, "mm_per_pixel": 0.8}
    speed = {"speed_mm_per_s": 251.2, "speed_spread": 0.5, "direction": "right", "repeats": 3}
    stroke = {"lead_ms": 38.0, "lead_spread_ms": 1.0, "return_ms": 41.0, "repeats": 5}
    limits = {"bundle": "0" * 64, "temperature": 1.2, "minimum_score": {"glass": 0.6}, "purity": 0.95, "samples": 90}
    table = {
        "format_version": 1,
        "station": station.name,
        "camera": {**step("camera"), **region, **light},
        "background": {**step("background"), "seconds": 8.0, "separability": 5.0, "false_items": 0},
        "belt": {**step("belt"), **speed},
        "diverters": {a.name: {**step("diverters", a.name), **stroke} for a in station.actuators},
        "thresholds": {**step("thresholds"), **limits},
    }
    apply_calibration(station, parse_calibration(tomli_w.dumps(table).encode(), Path("example")))
    return table
