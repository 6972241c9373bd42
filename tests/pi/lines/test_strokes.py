"""Actuators of all types on real lines, through gpiozero and lgpio, read from outside by the kernel's own edge stamps."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from statistics import median

import pytest
from support.pi.machines import booted, running
from support.pi.sorting import ARM, DIRECTION, ENABLE, RELAY, SAFE, STATION, STEP, VALVE
from support.pi.wires import Record, Wires

from edge.clock import NS_PER_S
from edge.devices.actuators.ramp import Ramp
from edge.devices.actuators.schedule import TOLERANCE_NS
from edge.devices.gpio.pins import SERVO_HZ

Proven = Callable[..., None]
SCRIPT = Path(__file__).with_name("strokes.py")
REST_S = 0.5  # without an edge for so long its pulses have ended
STEPS, STEPS_PER_S, ACCELERATION = 50, 400.0, 4000.0
# Between the decision to fire and the edge there is the write, and another program of a machine that is emulated.
WRITE_S = 0.05


@dataclass(frozen=True)
class Stroke:
    """One that was planned: instants in seconds of the monotonic clock, and what the product says became of it."""

    fire_s: float
    release_s: float
    fired: bool


@dataclass(frozen=True)
class Strokes:
    """What was planned, by actuator, and what the kernel saw on the lines."""

    planned: dict[str, list[Stroke]]
    inferences: int
    real_time_threads: list[bool]
    seen: Record
    after: dict[int, bool]

    def fired(self, actuator: str) -> list[Stroke]:
        return [stroke for stroke in self.planned[actuator] if stroke.fired]


@pytest.fixture(scope="module")
def strokes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Strokes]:
    with running(booted(), tmp_path_factory.mktemp("machine")) as machine:
        machine.write("/root/station.toml", STATION)
        machine.put(SCRIPT, "/root/strokes.py")
        wires = Wires(machine)
        wires.clear()
        machine.run("/opt/edge-sorter/bin/python /root/strokes.py /root/station.toml > /root/planned.json", 900)
        told = json.loads(machine.run("cat /root/planned.json"))
        planned: dict[str, list[Stroke]] = {}
        for one in sorted(told["strokes"], key=lambda one: one["fire_at"]):
            stroke = Stroke(one["fire_at"] / NS_PER_S, one["release_at"] / NS_PER_S, one["outcome"] == "fired")
            planned.setdefault(one["actuator"], []).append(stroke)
        yield Strokes(planned, told["inferences"], told["real_time_threads"], wires.record(), wires.levels(*SAFE))


def test_every_pulse_is_a_stroke_that_was_fired_and_none_is_early_or_short(strokes: Strokes, proven: Proven) -> None:
    figures: dict[str, float] = {"inferences": strokes.inferences}
    for name, line, on in (("valve", VALVE, True), ("relay", RELAY, False)):
        edges = strokes.seen.of(line)
        # The first edge is the claim, at the level that is off: a relay that switches on at a low level does not click.
        assert edges[0].high is not on
        pulses = [(a.at_s, b.at_s) for a, b in pairwise(edges) if a.high is on]
        fired = strokes.fired(name)
        assert len(fired) == len(pulses) > 0
        late = [began - stroke.fire_s for stroke, (began, _) in zip(fired, pulses, strict=True)]
        over = [ended - stroke.release_s for stroke, (_, ended) in zip(fired, pulses, strict=True)]
        assert min(late) >= 0
        assert min(over) >= 0
        assert max(late) <= TOLERANCE_NS / NS_PER_S + WRITE_S
        figures |= {
            f"{name}_planned": len(strokes.planned[name]),
            f"{name}_fired": len(fired),
            f"{name}_late_median_ms": round(1000 * median(late), 2),
            f"{name}_late_most_ms": round(1000 * max(late), 2),
            f"{name}_released_late_median_ms": round(1000 * median(over), 2),
        }
    proven(
        "While inference runs, each pulse on the lines of a valve and of a relay board that is on at a low level is a"
        " stroke that was fired on time; a stroke that would come too late moves nothing.",
        **figures,
    )


def test_a_servo_is_left_low_whenever_its_pulses_end(strokes: Strokes, proven: Proven) -> None:
    edges = strokes.seen.of(ARM)
    pulses = strokes.seen.pulses(ARM)
    assert not edges[0].high
    periods = [later.began_s - sooner.began_s for sooner, later in pairwise(pulses)]
    # How long each is depends on the machine that emulates: a thread of lgpio's draws it.
    assert median(periods) == pytest.approx(1 / SERVO_HZ, abs=0.005)
    assert strokes.real_time_threads == [True] * len(strokes.real_time_threads) != []
    resting = [edge for edge, following in pairwise(edges) if following.at_s - edge.at_s > REST_S] + edges[-1:]
    assert len(resting) >= 1 + len(strokes.fired("arm"))
    assert [edge for edge in resting if edge.high] == []
    proven(
        "A servo's line is low whenever its pulses have ended, and the thread that draws them has real-time priority.",
        pulses=len(pulses),
        rests=len(resting),
        period_median_ms=round(1000 * median(periods), 2),
        width_median_us=round(1e6 * median(pulse.width_s for pulse in pulses)),
    )


def test_a_stepper_keeps_its_ramp_and_never_makes_up_for_lost_time(strokes: Strokes, proven: Proven) -> None:
    rises = [edge.at_s for edge in strokes.seen.of(STEP) if edge.high]
    moves = strokes.fired("carousel")
    # There and back.
    assert len(rises) == 2 * STEPS * len(moves)
    ramp, planned = Ramp(STEPS_PER_S, ACCELERATION), []
    for remaining in range(STEPS, 0, -1):
        ramp.step(remaining)
        planned.append(ramp.interval_ns() / NS_PER_S)
    early = []
    for start in range(0, len(rises), STEPS):
        way = rises[start : start + STEPS]
        early += [wanted - (later - sooner) for wanted, (sooner, later) in zip(planned, pairwise(way), strict=False)]
    # A late step is followed by one that is on time to it, not by one in a hurry: a motor would lose it.
    assert max(early) < 0.5e-3
    directions = strokes.seen.of(DIRECTION)
    assert [edge.high for edge in directions] == [False, True] + [False, True] * (len(moves) - 1) + [False]
    # Off when it is claimed, on, and off again at the end.
    assert [edge.high for edge in strokes.seen.of(ENABLE)] == [True, False, True]
    proven(
        "A stepper's line has exactly the steps there and back, with its direction set before them, and no two steps are"
        " closer than its ramp allows.",
        moves=len(moves),
        steps=len(rises),
        earliest_us=round(1e6 * max(early)),
    )


def test_no_line_is_ever_let_go_and_all_end_at_their_safe_levels(strokes: Strokes, proven: Proven) -> None:
    outputs = set(SAFE)
    assert [line for _, line in strokes.seen.floated if line in outputs] == []
    assert strokes.after == SAFE
    proven("No output line is let go while the program runs, and all are at their safe levels when it has ended.")
