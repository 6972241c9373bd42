"""What every monitor keeps to, whatever it is told, and that each fault has exactly one who watches for it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.assembled import assemble_for_test
from support.switching import start_switcher

from edge.clock import NS_PER_S, VirtualClock, ms
from edge.config import Station
from edge.devices.gpio.inputs import Edge
from edge.errors import CameraClockError, CameraError, CameraStalledError
from edge.health.faults import FaultKind
from edge.health.monitors import Monitor, Observer
from edge.journal import Journal, open_journal
from edge.line import Outcome
from edge.models.store import ModelStore
from edge.types import (
    Actuation,
    Box,
    Crop,
    Decision,
    Event,
    EventKind,
    Frame,
    Item,
    Prediction,
    Reason,
    Stroke,
    StrokeOutcome,
)

STATION = Station.model_validate(
    {
        "name": "everything",
        "kind": "conveyor",
        "camera": {"type": "folder", "path": "."},
        "belt": {"speed_mm_per_s": 200, "mm_per_pixel": 2.0, "run_pin": 21},
        "actuators": [{"name": "flap", "type": "digital", "pin": 17}],
        "bins": [
            {
                "name": "glass",
                "labels": ["glass"],
                "actuator": "flap",
                "distance_mm": 400,
                "exit_pin": 9,
                "full_pin": 16,
            },
            {"name": "residual", "capacity": 3},
        ],
        "safety": {"jam_pin": 13, "estop_pin": 5},
    }
)
# What can't wait for the next tick is raised by whoever meets it; what a thread that hangs can't say, its heartbeat does.
AT_ONCE = {FaultKind.EMERGENCY_STOP, FaultKind.CAMERA_LOST, FaultKind.CLASSIFIER_FAILED, FaultKind.PROGRAM_ERROR}
BY_HEARTBEAT = {
    FaultKind.CAMERA_STALLED,
    FaultKind.CLASSIFIER_STUCK,
    FaultKind.ACTUATOR_HUNG,
    FaultKind.JOURNAL_SLOW,
    FaultKind.JOURNAL_BLOCKED,
}
T0 = NS_PER_S
PICTURES = [np.full((120, 160, 3), level, np.uint8) for level in (0, 90, 255)]


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    kept = open_journal(tmp_path / "journal", STATION.journal, VirtualClock())
    yield kept
    kept.close()


@pytest.fixture
def monitors(journal: Journal, tmp_path: Path, tiny_bundle: Callable[..., bytes]) -> Sequence[Monitor]:
    """Those of a station that has everything, and the one that a store brings along."""
    built = assemble_for_test(STATION, VirtualClock(), journal=journal)
    store = ModelStore(tmp_path / "models")
    switcher = start_switcher(
        store, STATION, built.clock, lambda serving: serving.classifier.close(), lambda event: None
    )
    return [*built.supervisor.monitors, switcher]


def test_a_monitor_has_kinds_and_is_silent_at_rest(monitors: Sequence[Monitor]) -> None:
    for monitor in monitors:
        assert isinstance(monitor, Monitor)
        assert monitor.kinds, monitor
        assert list(monitor.faults(T0)) == [], monitor


def test_each_fault_is_watched_for_by_exactly_one(monitors: Sequence[Monitor]) -> None:
    watched = Counter(kind for monitor in monitors for kind in monitor.kinds)
    assert {kind: count for kind, count in watched.items() if count > 1} == {}
    assert set(FaultKind) - set(watched) == AT_ONCE | BY_HEARTBEAT
    assert not set(watched) & (AT_ONCE | BY_HEARTBEAT)


@st.composite
def outcomes(draw: st.DrawFn) -> Outcome:
    at, number, reason = draw(st.integers(0, T0)), draw(st.integers(1, 20)), draw(st.sampled_from(Reason))
    crops = draw(st.sampled_from([(), (Crop(PICTURES[1], Box(5, 5, 20, 20), at, 1.0, 1.0),)]))
    prediction = draw(st.none() | st.just(Prediction("glass", 0.9, 0.8, ("glass",), (0.9,))))
    where = draw(st.sampled_from(["glass", "residual"]))
    actuation = draw(st.none() | st.just(Actuation("flap", at, at + ms(50), (number,))))
    speed = draw(st.sampled_from([0.0, 100.0, 200.0]))
    item = Item(number, at, crops, speed_mm_per_s=speed, reject_reason=draw(st.sampled_from([None, Reason.TOUCHING])))
    return Outcome(item, prediction, Decision(number, where, reason, at), actuation, 0)


STROKES = st.builds(
    lambda outcome, number, name: Stroke(Actuation(name, 0, ms(50), (number,)), None, None, outcome),
    st.sampled_from([outcome for outcome in StrokeOutcome if outcome is not StrokeOutcome.PENDING]),
    st.integers(1, 20),
    st.sampled_from(["flap", "gone"]),
)
HAPPENINGS: st.SearchStrategy[Callable[[Observer, int], None]] = st.one_of(
    st.builds(
        lambda pixels, off: lambda o, now: o.on_frame(Frame(pixels, now + off, 1), now),
        st.sampled_from(PICTURES),
        st.sampled_from([0, -ms(40), 3600 * NS_PER_S]),
    ),
    st.builds(lambda error: lambda o, now: o.on_camera_failed(error("gone")),
              st.sampled_from([CameraError, CameraClockError, CameraStalledError])),
    st.builds(lambda outcome: lambda o, now: o.on_outcome(outcome, now), outcomes()),
    st.builds(lambda stroke: lambda o, now: o.on_stroke(stroke), STROKES),
    st.builds(lambda name, active: lambda o, now: o.on_edge(Edge(name, active, now)),
              st.sampled_from(list(STATION.input_pins())), st.booleans()),
    st.just(lambda o, now: o.on_event(Event(EventKind.STATE, now, "something"))),
    st.builds(lambda span: lambda o, now: o.on_stall(span, now), st.integers(1, 10 * NS_PER_S)),
    st.builds(lambda held, faults: lambda o, now: o.on_state(held, faults), st.booleans(), st.sets(st.sampled_from(FaultKind))),
    st.builds(lambda after: lambda o, now: o.on_reset(after_stop=after), st.booleans()),
)  # fmt: skip


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(told=st.lists(st.tuples(HAPPENINGS, st.integers(0, 15 * NS_PER_S)), max_size=40))
def test_whatever_it_is_told_it_names_only_its_own_kinds_and_raises_nothing(
    monitors: Sequence[Monitor], told: list[tuple[Callable[[Observer, int], None], int]]
) -> None:
    """The monitors outlive the example: what an earlier one left them with must not matter either."""
    now = T0
    for tell, later in told:
        now += later
        for monitor in monitors:
            assert isinstance(monitor, Observer)
            tell(monitor, now)
            for kind, detail in monitor.faults(now):
                assert kind in monitor.kinds
                assert isinstance(detail, str)


def test_a_reset_ends_what_only_lasts_until_somebody_has_seen_to_it(monitors: Sequence[Monitor]) -> None:
    """Three items that an exit sensor missed, and a bin that was counted full."""
    by_kind = {kind: monitor for monitor in monitors for kind in monitor.kinds}
    levels, full = by_kind[FaultKind.RESIDUAL_FULL], (FaultKind.RESIDUAL_FULL, "residual")
    assert isinstance(levels, Observer)
    for number in range(3):
        decision = Decision(number, "residual", Reason.UNSURE, T0)
        levels.on_outcome(Outcome(Item(number, T0, ()), None, decision, None, 0), T0)
    assert list(levels.faults(T0)) == [full]
    levels.on_reset(after_stop=True)
    assert list(levels.faults(T0)) == [full], "the reset that ends an emergency stop empties no bin"
    levels.on_reset(after_stop=False)
    assert list(levels.faults(T0)) == []
