"""The world and its pins: what the product drives moves, what happens is sensed."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from support.stations import BELT, make_station

from edge.clock import NS_PER_S, VirtualClock, ms
from edge.config import Station
from edge.devices.actuators import open_actuators
from edge.errors import CameraError, ConfigError
from edge.simulate.backend.camera import SimulatedCamera
from edge.simulate.backend.pins import WorldPins
from edge.simulate.world.faults import InjectedFault
from edge.simulate.world.world import World

START = NS_PER_S
ARM = {
    "type": "servo",
    "pin": 18,
    "safe_us": 1100,
    "positions_us": {"out": 1800},
    "lead_ms": 200,
    "return_ms": 200,
}


def station(**changes: object) -> Station:
    """A belt with a relay and all sensors, an actuator of each type, and one bin."""
    return make_station(
        BELT,
        camera={"width": 320, "height": 240, "frames_per_s": 50},
        belt={
            "speed_mm_per_s": 400,
            "mm_per_pixel": 1.0,
            "run_pin": 13,
            "encoder": {"pin_a": 5, "pin_b": 6, "ticks_per_mm": 0.5},
            **changes,
        },
        sensing={"beam_pin": 16, "beam_to_line_mm": 100},
        safety={"estop_pin": 20, "jam_pin": 21},
        simulation={"items_per_min": 100, "min_gap_mm": 30, "frame_age_ms": 30},
        actuators={
            "flap": {"lead_ms": 40, "return_ms": 40},
            "arm": ARM,
            "table": {
                "type": "stepper",
                "step_pin": 22,
                "direction_pin": 23,
                "home_pin": 24,
                "positions_steps": {"third": 66},
            },
        },
        bins={"glass": {"labels": ["glass", "metal"], "distance_mm": 200, "exit_pin": 25}},
    )


def test_a_flap_moves_as_its_real_actuators_pin_says() -> None:
    clock = VirtualClock()
    world = World(station(), clock)
    pins = WorldPins(world, clock)
    actuators = open_actuators(world.station, pins, clock)
    at = clock.now()
    actuators["flap"].fire("")
    actuators["arm"].fire("out")
    actuators["table"].fire("third")
    while (step_at := actuators["table"].next_at()) is not None:  # type: ignore[attr-defined]
        clock.advance_to(max(step_at, clock.now()))
        actuators["table"].run_due(clock.now())  # type: ignore[attr-defined]
    end = max(clock.now(), at + ms(250))
    world.run_due(end)
    assert world.flaps["flap"].extension("", at + ms(20)) == pytest.approx(0.5)
    assert world.flaps["arm"].extension("out", at + ms(100)) == pytest.approx(0.5)
    assert world.flaps["table"].extension("third", end) == 1.0
    for actuator in actuators.values():
        actuator.close()
    world.run_due(clock.now() + NS_PER_S)
    for name, position in (("flap", ""), ("arm", "out"), ("table", "third")):
        assert world.flaps[name].extension(position, clock.now() + NS_PER_S) == 0.0


def test_the_belt_runs_only_while_its_relay_lets_it() -> None:
    clock = VirtualClock()
    world = World(station(), clock)
    pins = WorldPins(world, clock)
    pin = pins.pin(13)
    world.run_due(clock.now())
    assert world.surface.speed == 0
    pin.output_with_state(True)
    clock.advance_to(START + NS_PER_S)
    world.run_due(clock.now())
    assert world.surface.position(clock.now()) == pytest.approx(400)
    world.disturb(InjectedFault.EMERGENCY_STOP)
    assert world.surface.speed == 0
    assert world.inputs[20] is False


def test_sensors_show_what_happens() -> None:
    clock = VirtualClock()
    world = World(station(run_pin=None), clock)
    pins = WorldPins(world, clock)
    edges = dict.fromkeys((5, 6, 16, 25), 0)
    listeners = []  # gpiozero holds them weakly

    def listen(number: int) -> None:
        def changed(ticks: float, level: bool) -> None:
            edges[number] += 1

        listeners.append(changed)
        pins.pin(number).input_with_pull("up")
        pins.pin(number).when_changed = changed

    for number in edges:
        listen(number)
    stop = threading.Event()
    world.events.at(START + 10 * NS_PER_S, lambda at: stop.set())
    world.follow(stop)
    assert edges[5] + edges[6] == pytest.approx(10 * 400 * 0.5, abs=2)
    crossed = [item for item in world.items if item.crossed_at]
    assert edges[16] == pytest.approx(2 * len(crossed), abs=6)
    assert edges[25] == 0  # the flap never moved


def test_a_slipping_belt_falls_behind_its_drum() -> None:
    clock = VirtualClock()
    world = World(station(run_pin=None), clock)
    world.disturb(InjectedFault.BELT_SLIPPING)
    assert world.drum.position(START + NS_PER_S) == pytest.approx(400)
    assert world.surface.position(START + NS_PER_S) == pytest.approx(240)


def test_frames_are_those_of_their_instants_and_late_readers_lose_some() -> None:
    clock = VirtualClock()
    world = World(station(), clock)
    camera = SimulatedCamera(world, clock)
    first = camera.read()
    assert clock.now() - first.captured_at == ms(30)
    clock.advance_to(clock.now() + ms(205))
    second = camera.read()
    assert second.captured_at - first.captured_at == ms(200)
    assert camera.dropped == 9
    assert second.sequence - first.sequence == 10
    assert clock.now() - second.captured_at < ms(50)


def test_the_same_instant_gives_the_same_picture() -> None:
    pictures = []
    for _ in range(2):
        clock = VirtualClock()
        world = World(station(), clock)
        clock.advance_to(START + 2 * NS_PER_S)
        world.run_due(clock.now())
        pictures.append(world.camera.render(clock.now()))
    assert np.array_equal(*pictures)
    assert pictures[0].shape == (240, 320, 3)


def test_camera_faults_show_in_the_picture() -> None:
    clock = VirtualClock()
    world = World(station(), clock)
    camera = SimulatedCamera(world, clock)
    clear = camera.read().pixels
    world.disturb(InjectedFault.CAMERA_FROZEN)
    assert np.array_equal(camera.read().pixels, clear)
    world.disturb(InjectedFault.CAMERA_FROZEN, active=False)
    world.disturb(InjectedFault.CAMERA_BLACK)
    assert camera.read().pixels.mean() < 12
    world.disturb(InjectedFault.CAMERA_BLACK, active=False)
    world.disturb(InjectedFault.CAMERA_OVEREXPOSED)
    assert camera.read().pixels.mean() > 200
    world.disturb(InjectedFault.CAMERA_LOST)
    with pytest.raises(CameraError, match="unplugged"):
        camera.read()


def test_a_fault_that_the_station_cannot_have_is_refused() -> None:
    world = World(station(), VirtualClock())
    with pytest.raises(ConfigError, match="expected one of the actuators"):
        world.disturb(InjectedFault.DIVERTER_STUCK, "nobody")
    with pytest.raises(ConfigError, match="full_pin"):
        world.disturb(InjectedFault.BIN_FULL, "one")
    with pytest.raises(ConfigError, match="no pin for it"):
        world.disturb(InjectedFault.RESET)
