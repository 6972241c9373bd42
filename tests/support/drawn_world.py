"""What the simulator draws, as digests: of surfaces, lens and sensor, and of pictures with items, arms, hands and faults.

Run as a program it prints them: two processors, or one with and without its newer instructions, must agree on every line.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

import edge
from edge.clock import NS_PER_S, VirtualClock
from edge.config import Station, load_station
from edge.sensing.marker_sheet import PAGE_MM
from edge.simulate.render.texture import TEXTURES, build_strip
from edge.simulate.world.faults import InjectedFault
from edge.simulate.world.surroundings import Paper
from edge.simulate.world.world import World
from edge.types import Image

STATIONS = Path(edge.__file__).parent / "stations"


def drawn() -> dict[str, str]:
    """Digest of everything drawn, by what it shows."""
    return {name: hashlib.sha256(picture.tobytes()).hexdigest()[:16] for name, picture in _all()}


def _all() -> Iterator[tuple[str, Image]]:
    for texture in TEXTURES:
        yield f"surface {texture}", build_strip(texture, 120, seed=1)
    belt = _world("practice", texture="dirty")
    for name, world in (
        ("belt", belt),
        ("bin", _world("bin-lids")),
        ("carousel", _world("bin-carousel", texture="wood")),
    ):
        for second in range(3, 12, 2):
            yield f"{name} after {second} s", _picture(world, second)
    for fault in (InjectedFault.CAMERA_MOVED, InjectedFault.SHADOW, InjectedFault.LAMP_STEP):
        belt.disturb(fault)
        yield f"belt with {fault}", _picture(belt, 12)
        belt.disturb(fault, active=False)
    around = belt.surroundings
    around.flicker, around.gamma, around.tint, around.uneven = 0.3, 1.5, (1.2, 0.8), 0.2
    yield "belt in bad light", _picture(belt, 13)
    around.roll_degrees, around.pitch_degrees, around.defocus_px = 3.0, 2.0, 1.2
    yield "belt seen aslant", _picture(belt, 14)
    around.paper = Paper((PAGE_MM[0], PAGE_MM[1]), turn_degrees=7.0)
    yield "belt with the printed sheet", _picture(belt, 15)


def _world(name: str, texture: str = "rubber") -> World:
    station = load_station(STATIONS / f"{name}.toml")
    simulation = station.simulation.model_copy(update={"texture": texture, "items_per_min": 30})
    belt = None if station.belt is None else station.belt.model_copy(update={"run_pin": None})
    changed: Station = station.model_copy(update={"simulation": simulation, "belt": belt})
    return World(changed, VirtualClock())


def _picture(world: World, second: int) -> Image:
    at = world.started_at + second * NS_PER_S
    world.run_due(at)
    return np.ascontiguousarray(world.camera.render(at))


if __name__ == "__main__":
    sys.stdout.write(json.dumps(drawn()))
