"""The live view: counting, forgetting, and never making a writer wait."""

from __future__ import annotations

import weakref

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.clock import NS_PER_S, VirtualClock, ms
from edge.health.faults import Fault, FaultKind
from edge.health.monitors.machine import MachineState
from edge.health.state import State
from edge.interfaces import Sighting
from edge.line import Outcome
from edge.status.live import KEEP_ITEMS, MAX_UNCUT, LiveView
from edge.types import Actuation, Box, Crop, Decision, Frame, Item, Reason, Stroke, StrokeOutcome

GLASS = Actuation("flap", fire_at=0, release_at=0, item_ids=())


def make_frame(sequence: int = 1, captured_at: int = 0) -> Frame:
    return Frame(np.full((120, 160, 3), sequence % 256, np.uint8), captured_at, sequence)


def make_outcome(
    clock: VirtualClock, item_id: int, reason: Reason = Reason.SORTED, frame: Frame | None = None, took_ms: float = 10
) -> Outcome:
    where = "glass" if reason is Reason.SORTED else "residual"
    now = clock.now()
    crops = () if frame is None else (Crop(frame.pixels, Box(40, 30, 60, 50), frame.captured_at, 1.0, 1.0),)
    item = Item(item_id, crossed_at=now - ms(took_ms), crops=crops)
    actuation = Actuation("flap", now + ms(300), now + ms(400), (item_id,)) if where == "glass" else None
    return Outcome(item, None, Decision(item_id, where, reason, now, "glass", 0.9, 0.8), actuation, ms(15))


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def live(clock: VirtualClock) -> LiveView:
    return LiveView(clock, ("waste", "1.0"))


def test_nothing_has_happened_yet(live: LiveView) -> None:
    snapshot = live.snapshot()
    assert snapshot.state is State.STARTING
    assert (snapshot.total, snapshot.items, snapshot.picture_age_ns, snapshot.items_per_min) == (0, (), None, 0)
    assert live.newest() is None
    assert live.picture(1) is None


def test_counts_by_bin_reason_and_label(live: LiveView, clock: VirtualClock) -> None:
    for item_id, reason in enumerate((Reason.SORTED, Reason.SORTED, Reason.LATE), start=1):
        live.publish_outcome(make_outcome(clock, item_id, reason))
    assert live.snapshot().counts == {("glass", Reason.UNDER_WAY): 2, ("residual", Reason.LATE): 1}
    for item_id, became in enumerate((StrokeOutcome.FIRED, StrokeOutcome.REFUSED), start=1):
        live.publish_stroke(Stroke(Actuation("flap", 1, 2, (item_id,)), None, None, became))
    snapshot = live.snapshot()
    assert snapshot.counts == {
        ("glass", Reason.SORTED): 1,
        ("glass", Reason.NOT_DIVERTED): 1,
        ("residual", Reason.LATE): 1,
    }
    assert snapshot.labels == {"glass": 3}
    assert [item.decision.item_id for item in snapshot.items] == [3, 2, 1]


def test_latencies(live: LiveView, clock: VirtualClock) -> None:
    for item_id, took in enumerate((4, 8, 400), start=1):
        live.publish_outcome(make_outcome(clock, item_id, took_ms=took))
    snapshot = live.snapshot()
    assert (snapshot.deciding.median, snapshot.deciding.worst, snapshot.deciding.count) == (ms(8), ms(400), 3)
    assert snapshot.deciding.total == ms(412)
    assert dict(snapshot.deciding.buckets)[0.005] == 1
    assert dict(snapshot.deciding.buckets)[0.5] == 3
    assert snapshot.spare.median == ms(300)
    assert snapshot.frame_age.p99 == ms(15)


def test_rate_is_over_the_last_minute_only(live: LiveView, clock: VirtualClock) -> None:
    for item_id in range(1, 31):
        clock.advance_to(clock.now() + NS_PER_S)
        live.publish_outcome(make_outcome(clock, item_id))
    assert live.snapshot().items_per_min == pytest.approx(60)  # 30 in the 30 s since the start
    clock.advance_to(clock.now() + 45 * NS_PER_S)
    assert live.snapshot().items_per_min == pytest.approx(15)
    clock.advance_to(clock.now() + 60 * NS_PER_S)
    assert live.snapshot().items_per_min == 0


def test_stroke_marks_its_item(live: LiveView, clock: VirtualClock) -> None:
    outcome = make_outcome(clock, 1)
    assert outcome.actuation is not None
    live.publish_outcome(outcome)
    before = live.snapshot()
    live.publish_stroke(Stroke(outcome.actuation, None, None, StrokeOutcome.CANCELLED))
    after = live.snapshot()
    assert (before.items[0].stroke, after.items[0].stroke) == ("", "cancelled")
    assert after.items[0].revision > before.items[0].revision
    assert after.strokes == {("flap", "cancelled"): 1}


def test_stroke_that_is_told_before_its_item_is_not_lost(live: LiveView, clock: VirtualClock) -> None:
    outcome = make_outcome(clock, 1)
    assert outcome.actuation is not None
    live.publish_stroke(Stroke(outcome.actuation, 1, 2))
    live.snapshot()
    live.publish_outcome(outcome)
    assert live.snapshot().items[0].stroke == "fired"


def test_an_arrival_marks_its_item_whatever_its_stroke_says_later(live: LiveView, clock: VirtualClock) -> None:
    outcome = make_outcome(clock, 1)
    assert outcome.actuation is not None
    live.publish_outcome(outcome)
    live.publish_delivery(1, True)
    live.publish_delivery(99, True)  # long forgotten
    before = live.snapshot()
    live.publish_stroke(Stroke(outcome.actuation, 1, 2))
    after = live.snapshot()
    assert [(item.arrived, item.stroke) for item in (*before.items, *after.items)] == [(True, ""), (True, "fired")]


def test_state_faults_model_and_machine_are_the_latest(live: LiveView) -> None:
    fault = Fault(FaultKind.BIN_FULL, 0, "glass")
    live.publish_state(State.DEGRADED, [fault])
    live.publish_model("other", "2.0")
    live.publish_machine(MachineState(temperature_c=60.5))
    snapshot = live.snapshot()
    assert (snapshot.state, snapshot.faults, snapshot.model) == (State.DEGRADED, (fault,), ("other", "2.0"))
    assert snapshot.machine.temperature_c == 60.5


def test_picture_age_grows_until_the_next_frame(live: LiveView, clock: VirtualClock) -> None:
    live.publish_frame(make_frame(1, clock.now()), [Sighting(Box(0, 0, 5, 5), 1)])
    clock.advance_to(clock.now() + ms(250))
    assert live.snapshot().picture_age_ns == ms(250)
    live.publish_frame(make_frame(2, clock.now()), [])
    assert live.snapshot().picture_age_ns == 0
    newest = live.newest()
    assert newest is not None
    assert (newest.sequence, newest.sightings) == (2, ())


def test_whole_frames_are_let_go_once_read(live: LiveView, clock: VirtualClock) -> None:
    frame = make_frame()
    pixels = weakref.ref(frame.pixels)
    live.publish_outcome(make_outcome(clock, 1, frame=frame))
    del frame
    live.catch_up()
    assert pixels() is None
    thumbnail = live.picture(1)
    assert thumbnail is not None
    assert thumbnail.shape[:2] == (60, 70)  # the box and a twelfth of its longer side around it


def test_without_a_reader_only_a_few_frames_are_held(live: LiveView, clock: VirtualClock) -> None:
    frames = [make_frame(n) for n in range(100)]
    held = [weakref.ref(frame.pixels) for frame in frames]
    for item_id, frame in enumerate(frames, start=1):
        live.publish_outcome(make_outcome(clock, item_id, frame=frame))
    del frame, frames
    assert sum(pixels() is not None for pixels in held) == MAX_UNCUT
    assert live.snapshot().total == 100


def test_writers_do_not_wait_for_readers() -> None:
    """A clock that publishes while a snapshot is being taken would hang if a writer needed the readers' lock."""

    class BusyClock(VirtualClock):
        live: LiveView | None = None

        def now(self) -> int:
            if self.live is not None:
                view, self.live = self.live, None
                view.publish_outcome(make_outcome(self, 7))
                view.publish_stroke(Stroke(GLASS, 1, 2))
                view.publish_frame(make_frame(), [])
                view.publish_state(State.RUNNING)
            return super().now()

    clock = BusyClock()
    live = LiveView(clock)
    clock.live = live
    assert live.snapshot().total == 0
    assert live.snapshot().total == 1


@given(st.lists(st.tuples(st.sampled_from(list(Reason)), st.booleans(), st.booleans()), max_size=80))
def test_any_order_of_outcomes_strokes_and_readers(steps: list[tuple[Reason, bool, bool]]) -> None:
    clock = VirtualClock()
    live = LiveView(clock)
    strokes = 0
    for item_id, (reason, stroke_first, read) in enumerate(steps, start=1):
        outcome = make_outcome(clock, item_id, reason)
        stroke = None if outcome.actuation is None else Stroke(outcome.actuation, 1, 2)
        if stroke is not None and stroke_first:
            live.publish_stroke(stroke)
        if read:
            live.catch_up()
        live.publish_outcome(outcome)
        if stroke is not None and not stroke_first:
            live.publish_stroke(stroke)
        strokes += stroke is not None
    snapshot = live.snapshot()
    assert snapshot.total == len(steps)
    assert sum(snapshot.strokes.values()) == strokes
    assert len(snapshot.items) == min(len(steps), KEEP_ITEMS)
    revisions = [item.revision for item in snapshot.items]
    assert len(set(revisions)) == len(revisions)
    assert max(revisions, default=0) == snapshot.revision
    assert all(item.stroke == ("fired" if item.decision.reason is Reason.SORTED else "") for item in snapshot.items)
