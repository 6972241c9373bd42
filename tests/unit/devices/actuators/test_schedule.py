"""The schedule: every pulse bounded and closed, nothing fired late, everything safe on a hold."""

from __future__ import annotations

import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.clock import NS_PER_S, SystemClock, VirtualClock, ms
from edge.devices.actuators.fake import FakeActuator
from edge.devices.actuators.schedule import TOLERANCE_NS, Jog, Schedule
from edge.types import Actuation, Stroke, StrokeOutcome

START = NS_PER_S


def stroke(fire_ms: float, release_ms: float, actuator: str = "a", item: int = 1, position: str = "") -> Actuation:
    return Actuation(actuator, START + ms(fire_ms), START + ms(release_ms), (item,), position)


class Rig:
    """A schedule over fake actuators on a virtual clock."""

    def __init__(
        self, *names: str, max_on_ms: float = 1000, broken: str = "", positions: tuple[str, ...] = ("",)
    ) -> None:
        self.clock = VirtualClock(START)
        self.actuators = {
            name: FakeActuator(name, self.clock, positions, frozenset({broken} if broken and name == "a" else ()))
            for name in names or ("a",)
        }
        self.schedule = Schedule(self.actuators, dict.fromkeys(self.actuators, ms(max_on_ms)))
        self.strokes: list[Stroke] = []

    def run_until(self, end_ms: float) -> None:
        """Run everything at its own instant."""
        end = START + ms(end_ms)
        while (due := self.schedule.next_at()) is not None and due <= end:
            self.clock.advance_to(max(due, self.clock.now()))
            self.strokes += self.schedule.run_due(self.clock.now())
        self.clock.advance_to(end)

    def pulses(self, name: str = "a") -> list[tuple[float, float]]:
        return [((f - START) / 1e6, (r - START) / 1e6) for f, r in self.actuators[name].pulses]


def test_stroke_is_fired_and_released_at_its_instants() -> None:
    rig = Rig()
    planned = stroke(10, 60)
    rig.schedule.plan(planned)
    rig.run_until(100)
    assert rig.pulses() == [(10, 60)]
    assert rig.strokes == [Stroke(planned, START + ms(10), START + ms(60), StrokeOutcome.FIRED)]
    assert rig.schedule.next_at() is None


def test_next_at_is_the_earliest_fire_or_release() -> None:
    rig = Rig("a", "b")
    rig.schedule.plan(stroke(50, 90))
    rig.schedule.plan(stroke(20, 30, "b"))
    assert rig.schedule.next_at() == START + ms(20)
    rig.run_until(25)
    assert rig.schedule.next_at() == START + ms(30)


def test_late_fire_is_refused() -> None:
    rig = Rig()
    rig.schedule.plan(stroke(10, 60))
    rig.clock.advance_to(START + ms(10) + TOLERANCE_NS + 1)
    (refused,) = rig.schedule.run_due(rig.clock.now())
    assert (refused.outcome, refused.fired_at) == ("refused", None)
    assert rig.pulses() == []


def test_fire_within_the_tolerance_is_carried_out() -> None:
    rig = Rig()
    rig.schedule.plan(stroke(10, 60))
    rig.clock.advance_to(START + ms(10) + TOLERANCE_NS)
    rig.run_until(100)
    assert [s.outcome for s in rig.strokes] == ["fired"]


def test_overlapping_strokes_share_one_pulse() -> None:
    rig = Rig()
    rig.schedule.plan(stroke(10, 60, item=1))
    rig.schedule.plan(stroke(40, 120, item=2))
    rig.schedule.plan(stroke(120, 150, item=3))
    rig.run_until(200)
    assert rig.pulses() == [(10, 150)]
    assert sorted(s.actuation.item_ids for s in rig.strokes) == [(1,), (2,), (3,)]
    assert {s.released_at for s in rig.strokes} == {START + ms(150)}


def test_a_shared_pulse_never_exceeds_the_maximum_on_time() -> None:
    rig = Rig(max_on_ms=100)
    rig.schedule.plan(stroke(10, 90, item=1))
    rig.schedule.plan(stroke(80, 160, item=2))
    rig.run_until(300)
    assert rig.pulses() == [(10, 90)]
    assert {s.actuation.item_ids[0]: s.outcome for s in rig.strokes} == {1: "fired", 2: "refused"}


def test_a_stroke_longer_than_the_maximum_is_cut() -> None:
    rig = Rig(max_on_ms=30)
    rig.schedule.plan(stroke(10, 90))
    rig.run_until(200)
    assert rig.pulses() == [(10, 40)]


def test_another_position_while_it_is_out_is_refused() -> None:
    rig = Rig(positions=("left", "right"))
    rig.schedule.plan(stroke(10, 60, item=1, position="left"))
    rig.schedule.plan(stroke(30, 80, item=2, position="right"))
    rig.run_until(200)
    assert {s.actuation.item_ids[0]: s.outcome for s in rig.strokes} == {1: "fired", 2: "refused"}


def test_hold_releases_cancels_and_refuses_until_resume() -> None:
    rig = Rig("a", "b")
    rig.schedule.plan(stroke(10, 60, "a"))
    rig.schedule.plan(stroke(50, 90, "b"))
    rig.run_until(20)
    inhibited = rig.schedule.inhibit(rig.clock.now())
    assert {(s.actuation.actuator, s.outcome) for s in inhibited} == {("a", "fired"), ("b", "cancelled")}
    assert rig.pulses("a") == [(10, 20)]
    rig.schedule.plan(stroke(70, 80, "b", item=3))
    rig.run_until(100)
    assert [s.outcome for s in rig.strokes] == ["refused"]
    assert rig.pulses("b") == []
    rig.schedule.resume()
    rig.schedule.plan(stroke(120, 130, "b", item=4))
    rig.run_until(200)
    assert rig.pulses("b") == [(120, 130)]


def test_hold_twice_returns_each_stroke_once() -> None:
    rig = Rig()
    rig.schedule.plan(stroke(10, 60))
    assert len(rig.schedule.inhibit(START)) == 1
    assert rig.schedule.inhibit(START) == []


def test_a_jog_moves_one_thing_once_while_all_is_held() -> None:
    rig = Rig("a", "b")
    rig.schedule.inhibit(START)
    first, second = Jog("a", "", ms(50), lambda: True), Jog("b", "", ms(50), lambda: True)
    for jog in (first, second):
        rig.schedule.jog(jog)
    assert rig.schedule.run_due(START) == []
    rig.run_until(100)
    assert (first.outcome, rig.pulses("a")) == ("fired", [(0, 50)])
    assert (second.outcome, rig.pulses("b")) == ("refused", [])


def test_a_jog_is_no_longer_than_the_maximum_on_time() -> None:
    rig = Rig(max_on_ms=30)
    rig.schedule.inhibit(START)
    rig.schedule.jog(Jog("a", "", ms(5000), lambda: True))
    rig.schedule.run_due(START)
    rig.run_until(100)
    assert rig.pulses() == [(0, 30)]


@pytest.mark.parametrize("held", [False, True])
def test_a_jog_is_refused_unless_all_is_held_and_it_may_move(held: bool) -> None:
    rig = Rig()
    if held:
        rig.schedule.inhibit(START)
    jog = Jog("a", "", ms(50), lambda: not held)
    rig.schedule.jog(jog)
    rig.schedule.run_due(START)
    assert jog.outcome == "refused"
    assert rig.pulses() == []
    assert rig.schedule.next_at() is None


def test_an_emergency_stop_ends_a_jog_at_once_and_none_begins_after_it() -> None:
    rig, stopped = Rig(), threading.Event()
    rig.schedule.inhibit(START)
    rig.schedule.jog(Jog("a", "", ms(500), lambda: not stopped.is_set()))
    rig.schedule.run_due(START)
    rig.clock.advance_to(START + ms(20))
    stopped.set()
    assert rig.schedule.inhibit(rig.clock.now()) == []
    late = Jog("a", "", ms(500), lambda: not stopped.is_set())
    rig.schedule.jog(late)
    rig.schedule.run_due(rig.clock.now())
    rig.run_until(1000)
    assert rig.pulses() == [(0, 20)]
    assert late.outcome == "refused"


def test_a_jog_that_the_pin_refuses_is_told_and_released() -> None:
    rig = Rig(broken="fire")
    rig.schedule.inhibit(START)
    jog = Jog("a", "", ms(50), lambda: True)
    rig.schedule.jog(jog)
    rig.schedule.run_due(START)
    assert jog.outcome == "failed"
    assert rig.actuators["a"].position is None


def test_a_broken_actuator_does_not_keep_others_from_being_released() -> None:
    rig = Rig("a", "b", broken="release")
    rig.schedule.plan(stroke(10, 60, "a"))
    rig.schedule.plan(stroke(10, 60, "b"))
    rig.run_until(20)
    outcomes = {s.actuation.actuator: s.outcome for s in rig.schedule.inhibit(rig.clock.now())}
    assert outcomes == {"a": "failed", "b": "fired"}
    assert rig.actuators["b"].position is None


def test_a_bug_in_one_actuator_surfaces_after_all_others_are_released() -> None:
    class Buggy(FakeActuator):
        def release(self) -> None:
            raise RuntimeError("bug")

    rig = Rig("a", "b")
    rig.actuators["a"] = Buggy("a", rig.clock)
    schedule = Schedule(rig.actuators, {"a": ms(1000), "b": ms(1000)})
    schedule.plan(stroke(10, 60, "b"))
    rig.clock.advance_to(START + ms(10))
    schedule.run_due(rig.clock.now())
    with pytest.raises(RuntimeError, match="bug"):
        schedule.inhibit(rig.clock.now())
    assert rig.actuators["b"].position is None


def test_a_pin_that_refuses_to_fire_is_reported_and_released() -> None:
    rig = Rig(broken="fire")
    rig.schedule.plan(stroke(10, 60))
    rig.run_until(100)
    assert [s.outcome for s in rig.strokes] == ["failed"]
    assert rig.actuators["a"].position is None


def test_revise_moves_or_cancels_what_is_not_fired_yet() -> None:
    rig = Rig()
    first, second = stroke(10, 60, item=1), stroke(100, 150, item=2)
    rig.schedule.plan(first)
    rig.schedule.plan(second)
    moved = stroke(30, 80, item=1)
    assert rig.schedule.revise(first, moved)
    assert rig.schedule.revise(second, None)
    rig.run_until(300)
    assert rig.pulses() == [(30, 80)]
    assert not rig.schedule.revise(moved, None)
    assert sorted(s.outcome for s in rig.strokes) == ["cancelled", "fired", "moved"]


@pytest.mark.parametrize(
    "wrong", [stroke(10, 10), stroke(10, 5), stroke(1, 2, "nobody"), stroke(1, 2, position="nowhere")]
)
def test_a_stroke_that_makes_no_sense_is_an_error(wrong: Actuation) -> None:
    with pytest.raises(ValueError, match="expected"):
        Rig().schedule.plan(wrong)


def test_an_actuator_without_a_maximum_is_an_error() -> None:
    with pytest.raises(ValueError, match="maximum on-time for a"):
        Schedule({"a": FakeActuator("a", VirtualClock())}, {})


def test_waiting_ends_when_an_earlier_stroke_is_planned() -> None:
    clock = SystemClock()
    schedule = Schedule({"a": FakeActuator("a", clock)}, {"a": ms(1000)})
    schedule.plan(Actuation("a", clock.now() + 60 * NS_PER_S, clock.now() + 61 * NS_PER_S, (1,)))
    woken = threading.Event()

    def wait_until_due() -> None:
        while schedule.next_at() != 0:
            schedule.wait(clock, threading.Event())
        woken.set()

    waiting = threading.Thread(target=wait_until_due, daemon=True)
    waiting.start()
    schedule.inhibit(clock.now())
    schedule.plan(Actuation("a", clock.now() + NS_PER_S, clock.now() + 2 * NS_PER_S, (2,)))
    assert woken.wait(10)
    waiting.join(10)


PLANS = st.lists(
    st.tuples(st.integers(0, 400), st.integers(1, 300), st.sampled_from("abc"), st.sampled_from(["", "other"])),
    max_size=12,
)


@settings(max_examples=150)
@given(plans=PLANS, stop_after=st.integers(0, 30), step=st.integers(1, 40))
def test_every_pulse_is_bounded_and_closed_wherever_it_is_stopped(
    plans: list[tuple[int, int, str, str]], stop_after: int, step: int
) -> None:
    rig = Rig("a", "b", "c", max_on_ms=200, positions=("", "other"))
    planned = [stroke(f, f + d, name, n, position) for n, (f, d, name, position) in enumerate(plans)]
    for actuation in planned:
        rig.schedule.plan(actuation)
    strokes: list[Stroke] = []
    for _ in range(stop_after):
        # As on a machine that is busy: looked after only now and then.
        rig.clock.advance_to(rig.clock.now() + ms(step))
        strokes += rig.schedule.run_due(rig.clock.now())
    strokes += rig.schedule.inhibit(rig.clock.now())
    assert sorted(s.actuation.item_ids for s in strokes) == sorted(a.item_ids for a in planned)
    for actuator in rig.actuators.values():
        assert actuator.position is None
        # Released at the first look after its time.
        assert all(released - fired <= ms(200 + step) for fired, released in actuator.pulses)
    for ended in strokes:
        if ended.fired_at is not None:
            assert 0 <= ended.fired_at - ended.actuation.fire_at <= TOLERANCE_NS
            assert ended.released_at >= ended.fired_at
