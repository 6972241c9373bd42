"""Which messages are due: one a fault and one for its end, and no storm of a fault that comes and goes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from edge.clock import NS_PER_S
from edge.health.faults import Fault, FaultKind
from edge.notify.alerts import GATHER_NS, Alert, AlertKind, Alerts

AFTER_S, GATHER_S = 60, GATHER_NS // NS_PER_S
RAISED, ENDED = AlertKind.RAISED, AlertKind.ENDED


class Told:
    """Looks once a second at a fault that is there in some spans of seconds, and keeps what was told, with the second."""

    def __init__(self, after_s: float = AFTER_S, kinds: frozenset[FaultKind] = frozenset(FaultKind)) -> None:
        self.alerts = Alerts(kinds, round(after_s * NS_PER_S))
        self.messages: list[tuple[int, Alert]] = []

    def watch(
        self, *spans: tuple[int, int], until: int, kind: FaultKind = FaultKind.JAM
    ) -> list[tuple[int, AlertKind]]:
        for second in range(until):
            faults = [Fault(kind, start * NS_PER_S, "") for start, end in spans if start <= second < end]
            self.messages += [(second, alert) for alert in self.alerts.look(faults, second * NS_PER_S)]
        return [(second, alert.kind) for second, alert in self.messages]


def test_a_fault_that_lasts_is_told_once_and_its_end_once() -> None:
    assert Told().watch((100, 5000), until=9000) == [(160, RAISED), (5000, ENDED)]


def test_a_fault_that_ends_before_its_time_is_not_told() -> None:
    assert Told().watch((100, 159), until=3000) == []


def test_without_a_delay_it_is_told_at_once() -> None:
    assert Told(after_s=0).watch((100, 101), until=300) == [(100, RAISED), (101, ENDED)]


def test_only_chosen_faults_are_told() -> None:
    told = Told(kinds=frozenset({FaultKind.BIN_FULL}))
    assert told.watch((100, 5000), until=9000) == []
    assert Told(kinds=frozenset({FaultKind.JAM})).watch((100, 5000), until=9000) != []


def test_two_faults_of_one_kind_are_told_side_by_side() -> None:
    alerts = Alerts(frozenset(FaultKind), 0)
    bins = [Fault(FaultKind.BIN_FULL, 0, name) for name in ("glass", "paper")]
    assert [alert.fault.detail for alert in alerts.look(bins, 1)] == ["glass", "paper"]
    assert [(alert.kind, alert.fault.detail) for alert in alerts.look(bins[1:], 2)] == [(ENDED, "glass")]


def test_a_fault_that_comes_back_is_gathered_and_told_with_how_often_it_came() -> None:
    told = Told()
    spans = [(100, 200), *((start, start + 30) for start in range(300, 3000, 60))]
    messages = told.watch(*spans, until=5000)
    assert messages[:2] == [(160, RAISED), (200, ENDED)]
    assert [kind for _, kind in messages[2:]] == [RAISED, ENDED]
    (again_at, again), (ended_at, ended) = told.messages[2:]
    assert 200 + GATHER_S <= again_at <= 200 + GATHER_S + 60
    assert again.times == 1 + (again_at - 300) // 60
    assert ended_at == 2970 + GATHER_S
    assert again.times + ended.times == len(spans) - 1


def test_a_fault_that_never_lasts_but_comes_again_and_again_is_told() -> None:
    spans = [(start, start + 10) for start in range(100, 2000, 120)]
    messages = Told().watch(*spans, until=4000)
    assert [kind for _, kind in messages] == [RAISED, ENDED]
    assert messages[0] == (340, RAISED)


def test_a_fault_that_came_and_went_between_two_looks_is_counted() -> None:
    alerts = Alerts(frozenset(FaultKind), 10 * NS_PER_S)
    for second in range(4):  # a new one each time
        assert alerts.look([Fault(FaultKind.JAM, second * NS_PER_S, "")], second * NS_PER_S) == []
    (alert,) = alerts.look([Fault(FaultKind.JAM, 3 * NS_PER_S, "")], 10 * NS_PER_S)
    assert alert.times == 4


@given(st.lists(st.integers(1, 900), max_size=16), st.sampled_from([0, 60, 700]))
def test_however_a_fault_comes_and_goes_there_is_no_storm(spans: list[int], after_s: int) -> None:
    """`spans` are how long it is there and gone, in turns. Begin and end alternate, and none is left open at the end."""
    told, at, there = Told(after_s), 0, []
    for number, span in enumerate(spans):
        if number % 2 == 0:
            there.append((at, at + span))
        at += span
    messages = told.watch(*there, until=at + 2 * GATHER_S)
    assert [kind for _, kind in messages] == [RAISED, ENDED] * (len(messages) // 2)
    seconds = [second for second, _ in messages]
    assert all(third - first >= GATHER_S for first, third in zip(seconds, seconds[2:], strict=False))
