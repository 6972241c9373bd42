"""The physical law of the simulated belt: an item is diverted only if the flap is there while it passes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.stations import BELT, make_station

from edge.clock import NS_PER_S, ms
from edge.config import RESIDUAL, Station
from edge.simulate.render.sprite import CutOut, Pose, Sprite
from edge.simulate.world.belt import BeltScene
from edge.simulate.world.event_queue import EventQueue
from edge.simulate.world.flap import CLEAR, IN_PATH, build_flap
from edge.simulate.world.input_pins import InputPins
from edge.simulate.world.motion import BeltMotion
from edge.simulate.world.traffic import Arrival
from edge.simulate.world.truth import SPILLED

SPEED = 500.0
FLAP = {"type": "digital", "lead_ms": 40, "return_ms": 40}
SPRITE = Sprite(
    CutOut("metal", "metal/none.jpg", np.full((40, 60, 3), 200, np.uint8), np.full((40, 60), 255, np.uint8)),
    Pose(60, 0),
)


def station(direction: str = "right", lanes: int = 1, **simulation: float) -> Station:
    return make_station(
        BELT,
        camera={"width": 320, "height": 240},
        belt={"speed_mm_per_s": SPEED, "mm_per_pixel": 1.0, "direction": direction, "lanes": lanes},
        simulation=simulation,
        actuators={"flap": None, "first": {**FLAP, "pin": 4}, "second": {**FLAP, "pin": 5}},
        bins=[
            {"name": "one", "labels": ["metal"], "actuator": "first", "distance_mm": 200},
            {"name": "two", "labels": ["glass"], "actuator": "second", "distance_mm": 400},
            {"name": RESIDUAL},
        ],
    )


class Nothing:
    """Traffic of which nothing ever comes."""

    def next(self) -> Arrival:
        return Arrival("metal", "", SPRITE, 1e12, 120, 0)


def scene_of(settings: Station) -> tuple[BeltScene, EventQueue, BeltMotion]:
    motion, events = BeltMotion(0, SPEED), EventQueue()
    flaps = {a.name: build_flap(a, 0) for a in settings.actuators}
    return BeltScene(settings, motion, Nothing(), flaps, events, InputPins(settings, events, 0)), events, motion  # type: ignore[arg-type]


strokes = st.lists(st.tuples(st.sampled_from(["first", "second"]), st.integers(1, 120), st.booleans()), max_size=24)


@settings(max_examples=80)
@given(strokes, st.lists(st.floats(0, 900), min_size=1, max_size=6))
def test_an_item_lands_where_the_flaps_really_were_while_it_passed(
    commands: list[tuple[str, int, bool]], fronts: list[float]
) -> None:
    scene, events, motion = scene_of(station())
    on_belt = [scene.lay(Arrival("metal", "", SPRITE, front, 120.0, 0)) for front in fronts]
    at = ms(300)
    for name, wait_ms, out in commands:
        at += ms(wait_ms)
        events.run_due(at)
        scene.flaps[name].command(at, "" if out else None)
    events.run_due(20 * NS_PER_S)
    assert scene.on_belt == []
    for item in on_belt:
        expected = RESIDUAL
        for gate in scene.gates:
            begin = motion.instant_at(item.front_mm + gate.distance_mm)
            end = motion.instant_at(item.front_mm + gate.distance_mm + item.truth.length_mm)
            assert begin is not None
            assert end is not None
            passage = [scene.flaps[gate.actuator].extension("", begin + (end - begin) * n // 300) for n in range(301)]
            if max(passage) > CLEAR:
                expected = gate.bin if min(passage) >= IN_PATH else SPILLED
                break
        near_the_limit = any(abs(abs(e - 0.5) - 0.45) < 0.012 for e in passage)
        assert near_the_limit or item.truth.landed_in == expected
        assert bool(item.truth.struck_by) == (item.truth.landed_in == SPILLED)


def test_a_stopped_belt_lands_nothing_until_it_runs_again() -> None:
    scene, events, motion = scene_of(station())
    scene.lay(Arrival("metal", "", SPRITE, 0.0, 120.0, 0))
    motion.set_speed(ms(200), 0.0)
    events.run_due(100 * NS_PER_S)
    assert scene.items[0].crossed_at == 0
    motion.set_speed(100 * NS_PER_S, SPEED)
    events.run_due(110 * NS_PER_S)
    assert scene.items[0].landed_in == RESIDUAL
    # Its middle at the decision line, 192 mm; 100 mm were done before the stop.
    left_mm = 192 + SPRITE.length / 2 - 100
    assert scene.items[0].crossed_at == pytest.approx(100 * NS_PER_S + left_mm / SPEED * NS_PER_S, abs=2)


def test_what_is_diverted_while_the_chute_is_jammed_lands_in_no_bin() -> None:
    scene, events, _ = scene_of(station())
    scene.blocked = True
    scene.lay(Arrival("metal", "", SPRITE, 0.0, 120.0, 0))
    scene.flaps["first"].command(0, "")
    events.run_due(10 * NS_PER_S)
    assert scene.items[0].landed_in == SPILLED


@pytest.mark.parametrize("direction", ["right", "left", "down", "up"])
@pytest.mark.parametrize("lanes", [1, 2])
def test_the_picture_shows_the_item_where_the_truth_says(direction: str, lanes: int) -> None:
    scene, events, motion = scene_of(station(direction, lanes))
    across = scene.view.across_px * 0.25
    scene.lay(Arrival("metal", "", SPRITE, 0.0, across, 0))
    at = motion.instant_at(scene.view.line_mm + SPRITE.length / 2)
    assert at is not None
    events.run_due(at)
    picture = scene.picture(at)
    bright = picture.mean(axis=2) > 150
    ys, xs = np.nonzero(bright)
    along_px, across_px = scene.view.from_picture((float(xs.mean()) + 0.5, float(ys.mean()) + 0.5))
    # A rolling shutter takes the upper rows up to 6 ms before the middle one, the lower ones after it.
    early_s = 0.012 * (0.25 - 0.5) if direction in ("right", "left") else 0.0
    assert along_px == pytest.approx(scene.view.line_mm + early_s * SPEED, abs=1.0)
    assert across_px == pytest.approx(across, abs=1.5)
    assert scene.label_at((float(xs.mean()), float(ys.mean())), at) == "metal"
    assert scene.items[0].crossed_at == at
    nearest_the_top = ys.mean() < 120 if direction in ("right", "left") else xs.mean() < 160
    assert (scene.items[0].lane == 0) == (lanes == 1 or nearest_the_top)


def test_an_item_that_moves_is_smeared_by_the_shutter() -> None:
    scene, _, motion = scene_of(station())
    scene.lay(Arrival("metal", "", SPRITE, 0.0, 120.0, 0))
    at = motion.instant_at(222.0)
    assert at is not None
    moving = scene.picture(at)
    motion.set_speed(at, 0.0)
    still = scene.picture(at + ms(100))

    def edge_width(picture: np.ndarray) -> int:
        row = picture[120].mean(axis=1)[100:]
        return int(((row > 80) & (row < 180)).sum())

    assert edge_width(moving) <= 6
    slow = station(exposure_ms=20.0)
    blurred, _, motion = scene_of(slow)
    blurred.lay(Arrival("metal", "", SPRITE, 0.0, 120.0, 0))
    assert edge_width(blurred.picture(motion.instant_at(222.0) or 0)) > edge_width(moving)
    assert edge_width(still) <= edge_width(moving)
