"""Stations for tests: a few whole ones, and a way to say in what a test's own differs from one of them.

`make_station(BELT, belt={"run_pin": 21}, bins={"glass": {"exit_pin": 9}})` is the small belt with a relay, and with a sensor at
one of its bins. What is written passes through TOML and the product's own checks, as a person's file does.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeGuard

import tomli_w
from support.paths import STATIONS

from edge.config import Station, load_station

# A flap beside the lens, for the tiny model, which knows paper, glass and metal; photos of a folder stand for a camera.
BIN: dict[str, Any] = {
    "name": "line-1",
    "kind": "bin",
    "camera": {"type": "folder", "path": "."},
    "actuators": [{"name": "flap", "type": "digital", "pin": 17}],
    "bins": [
        {"name": "paper", "labels": ["paper"], "actuator": "flap"},
        {"name": "residual", "labels": ["glass", "metal"]},
    ],
}
# What the shipped model knows besides paper.
ALL_BUT_PAPER = ["cardboard", "glass", "metal", "organic", "plastic", "trash"]
# A simulated belt in a picture so small that it runs in real time on any machine.
BELT: dict[str, Any] = {
    "name": "belt",
    "kind": "conveyor",
    "camera": {"type": "simulated", "width": 160, "height": 120, "frames_per_s": 10},
    "belt": {"speed_mm_per_s": 200, "mm_per_pixel": 2.0},
    "actuators": [{"name": "flap", "type": "digital", "pin": 17}],
    "bins": [
        {"name": "glass", "labels": ["glass"], "actuator": "flap", "distance_mm": 400},
        {"name": "residual"},
    ],
    "simulation": {"items_per_min": 60},
    "page": {"enabled": False},
}
# A belt with a flap for glass and one for metal.
YARD: dict[str, Any] = {
    "name": "yard",
    "kind": "conveyor",
    "camera": {"type": "simulated"},
    "belt": {"speed_mm_per_s": 250, "mm_per_pixel": 0.8},
    "actuators": [
        {"name": "flap-glass", "type": "digital", "pin": 17},
        {"name": "flap-metal", "type": "digital", "pin": 27},
    ],
    "bins": [
        {"name": "glass", "labels": ["glass"], "actuator": "flap-glass", "distance_mm": 300},
        {"name": "metal", "labels": ["metal"], "actuator": "flap-metal", "distance_mm": 500},
        {"name": "residual", "labels": ["trash"]},
    ],
}


def shipped(name: str) -> dict[str, Any]:
    """The table of a station that ships, as in "conveyor": real cameras and pins."""
    return tomllib.loads((STATIONS / f"{name}.toml").read_text("utf-8"))


def make_station(base: Mapping[str, Any], **changes: Any) -> Station:
    """Return a station that differs from `base` in these tables; see `varied`."""
    return Station.model_validate(tomllib.loads(station_text(base, **changes)))


def station_in(folder: Path, base: Mapping[str, Any], **changes: Any) -> Station:
    """Write `station.toml` into the folder and load it: relative paths begin there."""
    return load_station(write_station(folder, base, **changes))


def write_station(folder: Path, base: Mapping[str, Any], **changes: Any) -> Path:
    """Write `station.toml` into the folder; what is wrong with it is for whoever reads it to say."""
    path = folder / "station.toml"
    path.write_text(station_text(base, **changes), "utf-8")
    return path


def station_text(base: Mapping[str, Any], **changes: Any) -> str:
    return tomli_w.dumps(varied(base, changes))


def varied(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return a copy in which what both have as tables is merged; None takes a key away, a list replaces a list.

    Bins and actuators are named: `bins={"glass": {...}}` changes or adds that one. A table with another `type` is another.
    """
    merged = dict(base)
    for key, change in changes.items():
        before = merged.get(key)
        if change is None:
            merged.pop(key, None)
        elif isinstance(change, Mapping) and isinstance(before, list):
            merged[key] = list(varied({table["name"]: table for table in before}, _named(change)).values())
        elif isinstance(change, Mapping):
            merged[key] = varied(before if _is_changed(before, change) else {}, change)
        else:
            merged[key] = str(change) if isinstance(change, Path) else change
    return merged


def _named(tables: Mapping[str, Any]) -> dict[str, Any]:
    return {name: table if table is None else {"name": name, **table} for name, table in tables.items()}


def _is_changed(before: object, change: Mapping[str, Any]) -> TypeGuard[Mapping[str, Any]]:
    return isinstance(before, Mapping) and change.get("type", before.get("type")) == before.get("type")
