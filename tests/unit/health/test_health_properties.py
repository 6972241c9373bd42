"""What holds for the station's states whatever happens, in any order."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from edge.clock import NS_PER_MS, NS_PER_S
from edge.health.faults import SPECS, FaultKind, RecoveryAction
from edge.health.health import Health
from edge.health.heartbeats import Heartbeat
from edge.health.state import INHIBITED_STATES, State

FAULTS = st.sampled_from([kind for kind in FaultKind if kind is not FaultKind.EMERGENCY_STOP])
DETAILS = st.sampled_from(["", "glass", "paper"])


class Station(RuleBasedStateMachine):
    """Anything may happen to it at any instant."""

    def __init__(self) -> None:
        super().__init__()
        self.at = NS_PER_S
        self.health = Health(started_at=self.at)
        self.chain_open = False
        self.latched = False
        self.stopped = False
        self.beat_at: int | None = None
        self.heartbeats = {Heartbeat.ACTUATION: self.at, Heartbeat.JOURNAL: self.at}
        self.step_times: dict[FaultKind, list[int]] = {}
        self.shown: State = State.STARTING

    @rule(span=st.integers(0, 200_000))
    def wait(self, span: int) -> None:
        self.at += span * NS_PER_MS

    @rule()
    def beat(self) -> None:
        self.health.beat(self.at)
        self.beat_at = self.at

    @rule(heartbeat=st.sampled_from([Heartbeat.FRAME, Heartbeat.ACTUATION, Heartbeat.JOURNAL]))
    def heartbeat(self, heartbeat: Heartbeat) -> None:
        self.health.heartbeat(heartbeat, self.at)
        self.heartbeats[heartbeat] = self.at

    @rule()
    def item(self) -> None:
        self.health.item_seen(self.at)

    @rule(kind=FAULTS, detail=DETAILS)
    def raise_fault(self, kind: FaultKind, detail: str) -> None:
        self.health.raise_fault(kind, self.at, detail)
        assert any(fault.kind is kind and fault.detail == detail for fault in self.health.faults)

    @rule(kind=st.sampled_from(FaultKind), detail=st.none() | DETAILS)
    def clear_fault(self, kind: FaultKind, detail: str | None) -> None:
        self.health.clear_fault(kind, self.at, detail)

    @rule(by_name=st.booleans())
    def estop(self, by_name: bool) -> None:
        if by_name:
            self.health.raise_fault(FaultKind.EMERGENCY_STOP, self.at)
        else:
            self.health.estop(self.at)
        self.chain_open = self.latched = True

    @rule()
    def chain_closed(self) -> None:
        self.health.chain_closed(self.at)
        self.chain_open = False

    @rule()
    def reset(self) -> None:
        assert self.health.reset(self.at) is not self.chain_open
        self.latched = self.latched and self.chain_open

    @rule(stopped=st.booleans())
    def stop_or_start(self, stopped: bool) -> None:
        (self.health.pause if stopped else self.health.resume)(self.at, "somebody")
        self.stopped = stopped

    @rule()
    def tick(self) -> None:
        for event in self.health.tick(self.at):
            assert event.at <= self.at
            if event.kind == "state":
                before, after = event.text.split(" -> ")
                assert before == self.shown
                self.shown = State(after)
        assert self.shown is self.health.state

    @rule()
    def due_actions(self) -> None:
        there = {fault.kind for fault in self.health.faults}
        for kind, step in self.health.due_actions(self.at):
            assert kind in there
            assert step in {SPECS[kind].action, RecoveryAction.RESTART_SERVICE}
        assert self.health.due_actions(self.at) == []

    @rule()
    def after_the_longest_wait_every_remedy_is_due(self) -> None:
        curable = {fault.kind for fault in self.health.faults if fault.spec.action is not None}
        self.at += self.health.backoff.longest
        assert {kind for kind, _ in self.health.due_actions(self.at)} == curable

    @invariant()
    def estop_lasts_until_the_reset(self) -> None:
        assert (self.health.state is State.ESTOP) is self.latched

    @invariant()
    def held_while_anything_holds(self) -> None:
        reasons = [fault.spec.inhibits for fault in self.health.faults]
        expected = any(reasons) or self.stopped or self.beat_at is None
        assert self.health.inhibited is expected
        assert (self.health.state in INHIBITED_STATES) is expected

    @invariant()
    def watchdog_is_fed_by_life_alone(self) -> None:
        limits = self.health.limits
        lives = (
            self.beat_at is not None
            and self.at - self.beat_at <= limits.stall
            and self.at - self.heartbeats[Heartbeat.ACTUATION] <= limits.actuation
            and self.at - self.heartbeats[Heartbeat.JOURNAL] <= limits.journal_blocked
        )
        assert self.health.watchdog_due(self.at) is lives


Station.TestCase.settings = settings(max_examples=60, stateful_step_count=40)
TestStation = Station.TestCase
