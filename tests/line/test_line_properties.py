"""The whole line on the virtual clock: whatever comes, one decision for each item and no flap in the wrong place.

What a flap does to an item is reckoned here from the pins' movements alone: it needs its lead time to be out and its
return time to be back, and an item meets it from the moment its front is there until its back has passed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from support.moving_belt import MovingBelt, Thing, conveyor

from edge.clock import NS_PER_S, VirtualClock, ms
from edge.config import RESIDUAL, Station
from edge.devices.actuators.fake import FakeActuator
from edge.devices.actuators.schedule import TOLERANCE_NS, Schedule
from edge.interfaces import Sighting
from edge.line import Line, Outcome
from edge.policy import Policy
from edge.sensing import build_trigger
from edge.transport import BeltModel, build_transport
from edge.types import Box, Crop, Frame, Item, Prediction, Reason, Stroke

SPEED, START, PERIOD = 250.0, 10 * NS_PER_S, NS_PER_S // 30
LEAD_MS, RETURN_MS, MAX_ON_MS = 40, 30, 1500
DISTANCES = {"a": 300.0, "b": 500.0, "c": 700.0}
PICTURE = np.zeros((8, 8, 3), np.uint8)


def station() -> Station:
    flap = {"type": "digital", "lead_ms": LEAD_MS, "return_ms": RETURN_MS, "max_on_ms": MAX_ON_MS}
    bins = [{"name": n, "labels": [n], "actuator": n, "distance_mm": d, "dwell_ms": 80} for n, d in DISTANCES.items()]
    actuators = [flap | {"name": name, "pin": 5 + n} for n, name in enumerate(DISTANCES)]
    return conveyor(SPEED, bins=[*bins, {"name": "residual"}], actuators=actuators)


@dataclass
class Coming:
    """One item that is going to cross, and what the model will say of it."""

    item: Item
    label: str
    score: float


@dataclass
class Script:
    """A trigger and a classifier that know what comes."""

    comings: Sequence[Coming]
    spend: Callable[[], None]
    labels: tuple[str, ...] = ("a", "b", "c", "rest")

    def observe(self, frame: Frame) -> Sequence[Item]:
        return [c.item for c in self.comings if frame.captured_at - PERIOD < c.item.crossed_at <= frame.captured_at]

    def sightings(self) -> Sequence[Sighting]:
        return []

    def classify(self, crops: Sequence[Crop], budget: int) -> Prediction:
        coming = next(c for c in self.comings if c.item.item_id == crops[0].box.x)
        self.spend()
        rest = (1 - coming.score) / (len(self.labels) - 1)
        scores = tuple(coming.score if label == coming.label else rest for label in self.labels)
        return Prediction(coming.label, coming.score, coming.score - rest, self.labels, scores)


@dataclass
class Plant:
    """A line with fake actuators; `age_ns` is how old a frame is when the program sees it."""

    comings: Sequence[Coming]
    age_ns: int = ms(30)
    invoke_ns: int = ms(8)
    outcomes: list[Outcome] = field(default_factory=list)
    strokes: list[Stroke] = field(default_factory=list)
    happened: int = 0

    def __post_init__(self) -> None:
        chosen = station()
        self.clock = VirtualClock(START)
        self.script = Script(self.comings, self._infer)
        self.actuators = {name: FakeActuator(name, self.clock) for name in DISTANCES}
        self.schedule = Schedule(self.actuators, dict.fromkeys(DISTANCES, ms(MAX_ON_MS)))
        policy = Policy(chosen.bins, dict.fromkeys(self.script.labels, 0.6), 0.0)
        self.line = Line(self.clock, self.script, self.script, policy, build_transport(chosen, BeltModel(SPEED)))

    def run(self, stop_after: int | None = None) -> None:
        """Run until all has landed, or until so many things have happened; then hold."""
        end = max((c.item.crossed_at for c in self.comings), default=START) + 6 * NS_PER_S
        captured_at = START
        while captured_at < end and (stop_after is None or self.happened < stop_after):
            self._run_strokes(captured_at + self.age_ns)
            self.clock.advance_to(max(self.clock.now(), captured_at + self.age_ns))
            for outcome in self.line.step(Frame(PICTURE, captured_at, 0)):
                self.outcomes.append(outcome)
                self.happened += 1
                if outcome.actuation is not None:
                    self.schedule.plan(outcome.actuation)
            for before, after in self.line.transport.revise(self.clock.now()):
                self.schedule.revise(before, after)
            captured_at += PERIOD
        self.strokes += self.schedule.inhibit(self.clock.now())

    def _infer(self) -> None:
        """Let an inference take its time, during which the actuation thread goes on."""
        end = self.clock.now() + self.invoke_ns
        self._run_strokes(end)
        self.clock.advance_to(end)

    def _run_strokes(self, until: int) -> None:
        while (due := self.schedule.next_at()) is not None and due <= max(until, self.clock.now()):
            self.clock.advance_to(max(due, self.clock.now()))
            ended = self.schedule.run_due(self.clock.now())
            self.happened += 1
            self.strokes += ended


def comings(spec: list[tuple[float, float, str, float]]) -> list[Coming]:
    """Build items from (gap before mm, length mm, label, score), as they follow each other on the belt."""
    made: list[Coming] = []
    front = 50.0
    for number, (gap, length, label, score) in enumerate(spec, 1):
        front += gap + length  # its back is `gap` behind... the next one's front comes after it
        crossed_at = START + round((front - length / 2) / SPEED * NS_PER_S)
        behind = spec[number][0] if number < len(spec) else math.inf
        crop = Crop(PICTURE, Box(number, 0, 4, 4), crossed_at, 1.0, 1.0)
        item = Item(number, crossed_at, (crop,), length_mm=length, speed_mm_per_s=SPEED, gap_behind_mm=behind)
        made.append(Coming(item, label, score))
    return made


def passage(item: Item, distance: float) -> tuple[float, float]:
    """When the item's front and back are at a diverter, nanoseconds."""
    return tuple(item.crossed_at + (distance + side * item.length_mm / 2) / SPEED * NS_PER_S for side in (-1, 1))  # type: ignore[return-value]


def lands_in(item: Item, plant: Plant) -> str:
    """Where the item goes by what the flaps really did; `struck` if one moved or came half-way while it passed."""
    for name, distance in DISTANCES.items():
        front, back = passage(item, distance)
        for fired, released in plant.actuators[name].pulses:
            if fired + ms(LEAD_MS) <= front and back <= released:
                return name
            if fired < back and front < released + ms(RETURN_MS):
                return "struck"
    return RESIDUAL


# Shrinking a failure takes minutes, and what fails here can be read as it is.
PHASES = (Phase.explicit, Phase.reuse, Phase.generate)
ITEMS = st.lists(
    st.tuples(
        st.one_of(st.floats(1, 30), st.floats(30, 300)),
        st.floats(15, 120),
        st.sampled_from(["a", "b", "c", "rest"]),
        st.sampled_from([0.3, 0.7, 0.99]),
    ),
    max_size=12,
)


@settings(max_examples=40, phases=PHASES)
@given(spec=ITEMS, age=st.sampled_from([30, 100, 200]), invoke=st.sampled_from([5, 40]))
def test_every_item_lands_where_it_was_decided(
    spec: list[tuple[float, float, str, float]], age: int, invoke: int
) -> None:
    plant = Plant(comings(spec), ms(age), ms(invoke))
    plant.run()
    assert [o.decision.item_id for o in plant.outcomes] == [c.item.item_id for c in plant.comings]
    for outcome in plant.outcomes:
        assert lands_in(outcome.item, plant) == outcome.decision.bin, outcome.decision
        assert (outcome.decision.reason is Reason.SORTED) == (outcome.decision.bin != RESIDUAL)
        assert (outcome.actuation is not None) == (outcome.decision.bin != RESIDUAL)


@settings(max_examples=40, phases=PHASES)
@given(spec=ITEMS, stop_after=st.integers(0, 30))
def test_wherever_it_stops_the_pins_are_safe_and_every_pulse_is_closed(
    spec: list[tuple[float, float, str, float]], stop_after: int
) -> None:
    plant = Plant(comings(spec))
    plant.run(stop_after)
    decided = {o.decision.item_id: o.decision.reason for o in plant.outcomes}
    assert sorted(s.actuation.item_ids for s in plant.strokes) == sorted(
        o.actuation.item_ids for o in plant.outcomes if o.actuation is not None
    )
    for stroke in plant.strokes:
        assert all(decided[number] is Reason.SORTED for number in stroke.actuation.item_ids)
        if stroke.fired_at is not None:
            assert 0 <= stroke.fired_at - stroke.actuation.fire_at <= TOLERANCE_NS
    for actuator in plant.actuators.values():
        assert actuator.position is None
        assert all(released - fired <= ms(MAX_ON_MS) for fired, released in actuator.pulses)


def test_the_same_items_give_the_same_strokes() -> None:
    spec = [(40.0, 60.0, "abc"[n % 3], 0.9) for n in range(9)]
    runs = [Plant(comings(spec)) for _ in range(2)]
    for plant in runs:
        plant.run()
    assert runs[0].strokes == runs[1].strokes
    assert len(runs[0].strokes) == 9


def test_a_decision_that_comes_too_late_is_residual_and_fires_nothing() -> None:
    plant = Plant(comings([(100.0, 60.0, "a", 0.9), (400.0, 60.0, "a", 0.9)]), age_ns=ms(1200))
    plant.run()
    assert {o.decision.reason for o in plant.outcomes} <= {Reason.LATE, Reason.NOT_CLASSIFIED}
    assert plant.strokes == []
    assert all(actuator.movements == [] for actuator in plant.actuators.values())


@pytest.mark.parametrize("stop_after", range(12))
def test_stopped_after_each_thing_that_happens(stop_after: int) -> None:
    plant = Plant(comings([(60.0, 50.0, "abc"[n % 3], 0.9) for n in range(4)]))
    plant.run(stop_after)
    assert [a.position for a in plant.actuators.values()] == [None] * 3


@pytest.mark.parametrize("age_ms", [30, 100, 200])
def test_old_frames_place_real_items_as_exactly_as_fresh_ones(age_ms: int) -> None:
    """Pictures of a drawn belt, seen 30 to 200 ms after they were taken: the strokes are the same to the nanosecond."""
    belt = MovingBelt([Thing(0.2), Thing(1.0, across=80)], speed=SPEED, frames_per_s=20)
    chosen = station()

    def strokes(age: int) -> list[tuple[int, int]]:
        clock = VirtualClock(START)
        model = BeltModel(SPEED)
        script = Script([], lambda: None)
        trigger = build_trigger(chosen, model)
        line = Line(clock, trigger, script, Policy(chosen.bins, {}, 0.0), build_transport(chosen, model))
        planned = []
        for frame in MovingBelt(belt.things, speed=SPEED, frames_per_s=20).frames(2.6):
            clock.advance_to(START + frame.captured_at + age)
            shifted = Frame(frame.pixels, START + frame.captured_at, frame.sequence)
            for item in line.trigger.observe(shifted):
                sorted_item = Policy(chosen.bins, {"a": 0.5}, 0.0).decide(item, SURE, clock.now())
                _, actuation = line.transport.plan(item, sorted_item, clock.now())
                assert actuation is not None
                planned.append((actuation.fire_at, actuation.release_at))
        return planned

    fresh = strokes(0)
    assert len(fresh) == 2
    assert strokes(ms(age_ms)) == fresh


SURE = Prediction("a", 0.99, 0.98, ("a", "b", "c", "rest"), (0.99, 0.01, 0.0, 0.0))
