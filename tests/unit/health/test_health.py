"""The station's states, one rule at a time."""

from __future__ import annotations

from itertools import pairwise

import pytest

from edge.clock import NS_PER_S
from edge.health.faults import SPECS, FaultKind, RecoveryAction
from edge.health.health import Health
from edge.health.heartbeats import Heartbeat
from edge.health.state import State
from edge.types import Severity

T0 = 10 * NS_PER_S
S = NS_PER_S


def running(at: int = T0, **changes: object) -> Health:
    """A station that has just had its first frame through and an item."""
    health = Health(started_at=at, **changes)  # type: ignore[arg-type]
    health.beat(at)
    health.item_seen(at)
    return health


def live(health: Health, at: int) -> None:
    """Every sign of life at the instant."""
    health.beat(at)
    health.item_seen(at)
    health.heartbeat(Heartbeat.ACTUATION, at)
    health.heartbeat(Heartbeat.JOURNAL, at)


def kinds(health: Health) -> list[FaultKind]:
    return [fault.kind for fault in health.faults]


def test_strokes_are_held_until_the_first_frame_is_through() -> None:
    health = Health(started_at=T0)
    assert health.state is State.STARTING
    assert health.inhibited
    health.beat(T0 + 1)
    assert health.state is State.RUNNING
    assert not health.inhibited


@pytest.mark.parametrize("kind", [k for k in FaultKind if k is not FaultKind.EMERGENCY_STOP])
def test_each_fault_holds_or_degrades_and_goes_again(kind: FaultKind) -> None:
    health = running()
    health.tick(T0)
    health.raise_fault(kind, T0 + 1, "bin glass")
    fault = SPECS[kind].severity is Severity.FAULT
    assert health.state is (State.FAULT if fault else State.DEGRADED)
    assert health.inhibited is fault
    assert health.faults[0].text.endswith("(bin glass)")
    health.clear_fault(kind, T0 + 2)
    assert health.state is State.RUNNING
    assert [event.kind for event in health.tick(T0 + 2)] == ["fault", "state", "cleared", "state"]


def test_every_kind_says_what_is_wrong_and_what_to_do() -> None:
    assert set(SPECS) == set(FaultKind)
    for kind, spec in SPECS.items():
        assert spec.sentence.endswith("."), kind
        assert spec.advice.endswith("."), kind
        assert spec.action is not None or not spec.restarts, kind


def test_emergency_stop_needs_the_button_out_and_then_a_reset() -> None:
    health = running()
    health.estop(T0 + 1)
    assert health.state is State.ESTOP
    assert not health.reset(T0 + 2)
    health.chain_closed(T0 + 3)
    health.beat(T0 + 3)
    health.resume(T0 + 3, "somebody")
    health.clear_fault(FaultKind.EMERGENCY_STOP, T0 + 3)
    assert health.state is State.ESTOP
    assert health.reset(T0 + 4)
    assert health.state is State.RUNNING


def test_emergency_stop_outlives_a_restart() -> None:
    health = running(estopped=True)
    assert health.state is State.ESTOP
    assert health.reset(T0 + 1)
    assert health.state is State.RUNNING


def test_no_items_is_starved_and_ends_with_one() -> None:
    health = running()
    later = T0 + health.limits.starved
    for heartbeat in Heartbeat:
        health.heartbeat(heartbeat, later)
    health.tick(later)
    assert health.state is State.STARVED
    health.item_seen(later)
    assert health.state is State.RUNNING


def test_a_silent_camera_is_noticed_named_and_reopened_with_growing_waits_then_the_service_restarts() -> None:
    health = running(watched=frozenset())
    at, steps = T0, []
    while len(steps) < 11:
        at += S
        health.tick(at)
        steps += [(at - T0, step) for _, step in health.due_actions(at)]
    assert kinds(health) == [FaultKind.CAMERA_STALLED]
    assert [step for _, step in steps] == [RecoveryAction.REOPEN_CAMERA] * 10 + [RecoveryAction.RESTART_SERVICE]
    gaps = [(b - a) // S for (a, _), (b, _) in pairwise(steps)]
    assert gaps == [2, 4, 8, 16, 32, 60, 60, 60, 60, 60]
    assert health.retries.counts[RecoveryAction.REOPEN_CAMERA] == 10
    assert health.watchdog_span() == health.limits.watchdog_recovering


def test_the_watchdog_waits_longer_than_all_tries_to_reopen_take() -> None:
    health = running(watched=frozenset())
    waits = sum(health.backoff.wait(n) for n in range(SPECS[FaultKind.CAMERA_LOST].tries + 1))
    assert waits < health.limits.watchdog_recovering


def test_a_frame_without_an_answer_is_the_classifier_not_the_camera() -> None:
    health = running(watched=frozenset())
    health.heartbeat(Heartbeat.FRAME, T0 + 1)
    at = T0 + health.limits.stall + 2
    health.tick(at)
    assert kinds(health) == [FaultKind.CLASSIFIER_STUCK]
    assert health.due_actions(at + S) == [(FaultKind.CLASSIFIER_STUCK, RecoveryAction.RESTART_SERVICE)]


def test_the_first_frame_after_an_outage_gives_the_classifier_as_long_as_any_other() -> None:
    health = running(watched=frozenset())
    at = T0 + 30 * S
    health.tick(at)
    assert kinds(health) == [FaultKind.CAMERA_STALLED]
    health.heartbeat(Heartbeat.FRAME, at)
    health.tick(at + S)
    assert FaultKind.CLASSIFIER_STUCK not in kinds(health)
    health.tick(at + health.limits.stall + 1)
    assert FaultKind.CLASSIFIER_STUCK in kinds(health)


@pytest.mark.parametrize(
    ("heartbeat", "kind"),
    [(Heartbeat.ACTUATION, FaultKind.ACTUATOR_HUNG), (Heartbeat.JOURNAL, FaultKind.JOURNAL_BLOCKED)],
)
def test_a_thread_without_life_is_a_fault_and_starves_the_watchdog(heartbeat: Heartbeat, kind: FaultKind) -> None:
    health = running()
    at = T0
    while at < T0 + 21 * S:
        at += S // 2
        for other in Heartbeat:
            if other is not heartbeat:
                health.heartbeat(other, at)
        health.tick(at)
    assert kinds(health) == [kind]
    assert health.state is State.FAULT
    assert not health.watchdog_due(at)
    live(health, at)
    health.tick(at)
    assert health.watchdog_due(at)
    assert health.state is State.RUNNING


def test_a_card_that_stalls_for_seven_seconds_does_not_stop_sorting() -> None:
    health = running()
    at = T0 + 7 * S
    for heartbeat in (Heartbeat.FRAME, Heartbeat.BEAT, Heartbeat.ACTUATION):
        health.heartbeat(heartbeat, at)
    health.tick(at)
    assert kinds(health) == [FaultKind.JOURNAL_SLOW]
    assert not health.inhibited
    assert health.watchdog_due(at)


def test_the_watchdog_is_not_fed_before_the_first_frame() -> None:
    health = Health(started_at=T0)
    for heartbeat in (Heartbeat.FRAME, Heartbeat.ACTUATION, Heartbeat.JOURNAL):
        health.heartbeat(heartbeat, T0)
    assert not health.watchdog_due(T0)


def test_a_fault_that_comes_back_stays_longer_and_a_calm_one_is_forgotten() -> None:
    health = running(watched=frozenset())
    health.raise_fault(FaultKind.CAMERA_BLACK, T0)
    health.clear_fault(FaultKind.CAMERA_BLACK, T0)
    assert kinds(health) == []
    health.raise_fault(FaultKind.CAMERA_BLACK, T0 + 1)
    health.clear_fault(FaultKind.CAMERA_BLACK, T0 + 2)
    live(health, T0 + 2)
    health.tick(T0 + 2)
    assert kinds(health) == [FaultKind.CAMERA_BLACK]
    gone = T0 + 2 + health.backoff.first
    live(health, gone)
    health.tick(gone)
    assert kinds(health) == []
    reset_time = gone + health.backoff.reset_time
    live(health, reset_time)
    health.tick(reset_time)
    health.raise_fault(FaultKind.CAMERA_BLACK, reset_time)
    health.clear_fault(FaultKind.CAMERA_BLACK, reset_time)
    assert kinds(health) == []


def test_a_loose_contact_writes_few_events() -> None:
    health = running(watched=frozenset())
    events = 0
    for n in range(30 * 3600):
        at = T0 + n * S // 30
        live(health, at)
        tell = health.raise_fault if n % 2 else health.clear_fault
        tell(FaultKind.CAMERA_LOST, at)
        events += len(health.tick(at))
    assert events < 200
    assert health.counts[FaultKind.CAMERA_LOST] > 10_000


def test_faults_of_one_kind_stand_side_by_side() -> None:
    health = running()
    health.raise_fault(FaultKind.BIN_FULL, T0, "glass")
    health.raise_fault(FaultKind.BIN_FULL, T0, "paper")
    health.raise_fault(FaultKind.JAM, T0 + 1)
    assert [(f.kind, f.detail) for f in health.faults] == [
        (FaultKind.JAM, ""),
        (FaultKind.BIN_FULL, "glass"),
        (FaultKind.BIN_FULL, "paper"),
    ]
    health.clear_fault(FaultKind.BIN_FULL, T0 + 2, "glass")
    assert [f.detail for f in health.faults] == ["", "paper"]


def test_a_person_stops_and_starts_it() -> None:
    health = running()
    health.pause(T0, "pi")
    health.pause(T0, "another")
    assert (health.state, health.hold.paused_by) == (State.STOPPED, "pi")
    assert health.inhibited
    health.resume(T0 + 1, "anna")
    assert (health.state, health.hold.paused_by) == (State.RUNNING, "")
    told = [event.text for event in health.tick(T0 + 2) if event.kind in ("pause", "resume")]
    assert told == ["Stopped by pi.", "Resumed by anna."]


def test_a_person_s_stop_outlasts_an_emergency_stop_and_its_reset() -> None:
    health = running()
    health.pause(T0, "pi")
    health.estop(T0 + 1)
    assert health.state is State.ESTOP
    health.chain_closed(T0 + 2)
    assert health.reset(T0 + 3)
    assert health.state is State.STOPPED
