"""What is whole before it is damaged: a station with two outputs and a belt, and a small model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from edge.bundle.archive import pack_bundle
from edge.bundle.geometry import InputGeometry
from edge.bundle.manifest import Golden, Manifest, Output, Provenance, Thresholds
from edge.clock import VirtualClock
from edge.devices.gpio.mock_pins import MockPins
from edge.inference.golden import make_golden
from edge.inference.interpreter import Interpreter
from edge.station.stops.safe_outputs import drive_safe, read_safe_outputs

ROOT = Path(__file__).resolve().parents[2]
STATIONS = ROOT / "edge" / "stations"
STATION = """
name = "fuzzed"
kind = "conveyor"
state_folder = "state"
camera = {type = "v4l2"}
belt = {speed_mm_per_s = 250, mm_per_pixel = 0.8, run_pin = 26}
inference = {allow_unsigned = true}
[[actuators]]
name = "arm"
type = "servo"
pin = 18
safe_us = 1500
positions_us = {out = 1700}
min_us = 1200
max_us = 1800
[[actuators]]
name = "valve"
type = "digital"
pin = 17
[[bins]]
name = "paper"
labels = ["paper"]
actuator = "arm"
position = "out"
distance_mm = 300
capacity = 50
[[bins]]
name = "residual"
labels = ["glass", "metal"]
"""
OUTPUTS = (26, 17, 18)
LABELS = ("paper", "glass", "metal")


def small_bundle(version: str = "1.0", key: Ed25519PrivateKey | None = None) -> bytes:
    """A bundle around a 2 kB model that fits the station."""
    model = (ROOT / "tests" / "models" / "tiny-uint8.tflite").read_bytes()
    interpreter = Interpreter(model, "tiny")
    golden = make_golden(interpreter, [np.full((32, 32, 3), 90, np.uint8)])
    manifest = Manifest(
        name="tiny",
        version=version,
        labels=LABELS,
        geometry=InputGeometry(height=32, width=32, margin=0.1),
        input=interpreter.input,
        output=Output(**interpreter.output.model_dump(), kind="logits"),
        thresholds=Thresholds(minimum_score=dict.fromkeys(LABELS, 0.5)),
        golden=Golden(count=1, tolerance=0, runtime=interpreter.runtime, runtime_version=interpreter.runtime_version),
        provenance=Provenance(data_digest="0" * 64, run="none", packages={}, created="2026-11-01"),
    )
    return pack_bundle(manifest, {"model.tflite": model, "golden.bin": golden}, key)


def make_safe(station: Path) -> MockPins:
    """Do what `sorter safe` does, on pins in memory; every output of the example has to be off afterwards."""
    pins = MockPins()
    drive_safe(read_safe_outputs(station).outputs, pins, VirtualClock())
    for number in OUTPUTS:
        pin = pins.pin(number)
        assert pin.function == "output", f"`sorter safe` does not drive GPIO {number}"
        assert not pin.state, f"`sorter safe` leaves GPIO {number} on"
    return pins
