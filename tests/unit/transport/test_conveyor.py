"""Meeting the item with its diverter, and every reason not to."""

from __future__ import annotations

import math
from typing import Any

import pytest
from support.stations import BELT, make_station

from edge.clock import NS_PER_S, ms
from edge.config import RESIDUAL, Station
from edge.transport import BeltModel, Conveyor, build_transport
from edge.types import Actuation, Decision, Item, Reason

START = 10 * NS_PER_S
SPEED = 200.0  # mm/s: 5 ms a millimetre


def station(lead_ms: float = 40, return_ms: float = 30, max_on_ms: float = 2000, **deciding: Any) -> Station:
    flap = {"type": "digital", "lead_ms": lead_ms, "return_ms": return_ms, "max_on_ms": max_on_ms}
    arm = {"type": "servo", "pin": 12, "safe_us": 1500, "positions_us": {"left": 1000, "right": 2000}, "lead_ms": 40}
    return make_station(
        BELT,
        belt={"speed_mm_per_s": SPEED},
        deciding=deciding,
        actuators={"flap": None, "one": {**flap, "pin": 5}, "two": {**flap, "pin": 6}, "arm": arm},
        bins=[
            {"name": "near", "labels": ["a"], "actuator": "one", "distance_mm": 300, "dwell_ms": 100},
            {"name": "far", "labels": ["b"], "actuator": "two", "distance_mm": 600, "dwell_ms": 100},
            {"name": "left", "labels": ["c"], "actuator": "arm", "position": "left", "distance_mm": 900},
            {"name": "right", "labels": ["d"], "actuator": "arm", "position": "right", "distance_mm": 900},
            {"name": "residual"},
        ],
    )


def conveyor(**changes: Any) -> Conveyor:
    return on(BeltModel(SPEED), **changes)


def on(belt: BeltModel, **changes: Any) -> Conveyor:
    transport = build_transport(station(**changes), belt)
    assert isinstance(transport, Conveyor)
    return transport


def item(number: int, crossed_ms: float = 0, length: float = 40, gap_behind: float = math.inf) -> Item:
    return Item(number, START + ms(crossed_ms), (), length_mm=length, speed_mm_per_s=SPEED, gap_behind_mm=gap_behind)


def sort(
    belt: Conveyor, thing: Item, where: str, now_ms: float | None = None, score: float = 0.9
) -> tuple[Decision, Actuation | None]:
    """Plan an item for a bin, decided 20 ms after it crossed unless said otherwise."""
    now = thing.crossed_at + ms(20) if now_ms is None else START + ms(now_ms)
    reason = Reason.RESIDUAL_LABEL if where == RESIDUAL else Reason.SORTED
    return belt.plan(thing, Decision(thing.item_id, where, reason, now, "x", score, score), now)


def window(stroke: Actuation | None) -> tuple[float, float]:
    assert stroke is not None
    return (stroke.fire_at - START) / 1e6, (stroke.release_at - START) / 1e6


def test_the_stroke_covers_the_item_with_half_the_dwell_on_each_side() -> None:
    decision, stroke = sort(conveyor(), item(1), "near")
    assert (decision.bin, decision.reason) == ("near", Reason.SORTED)
    # Its front is there after 280 mm or 1400 ms, its back after 320 mm or 1600 ms; 40 ms lead, 50 ms each side.
    assert window(stroke) == pytest.approx((1310, 1650), abs=0.01)
    assert stroke is not None
    assert stroke.item_ids == (1,)


def test_a_longer_item_is_given_a_longer_stroke() -> None:
    (fire, release), (fire_long, release_long) = (
        window(sort(conveyor(), item(1, length=length), "near")[1]) for length in (40, 100)
    )
    assert (release_long - fire_long) - (release - fire) == pytest.approx(300, abs=0.01)


@pytest.mark.parametrize("age_ms", [30, 100, 200])
def test_how_late_it_was_seen_moves_nothing(age_ms: float) -> None:
    assert sort(conveyor(), item(1), "near", now_ms=age_ms)[1] == sort(conveyor(), item(1), "near", now_ms=1)[1]


def test_too_late_is_residual_never_a_late_stroke() -> None:
    decision, stroke = sort(conveyor(), item(1), "near", now_ms=1309)
    assert (decision.bin, decision.reason, stroke) == (RESIDUAL, Reason.LATE, None)


def test_residual_needs_no_stroke() -> None:
    assert sort(conveyor(), item(1), RESIDUAL)[1] is None


def test_close_items_for_two_bins_are_both_residual() -> None:
    belt = conveyor()
    first, second = item(1, 0, gap_behind=5), item(2, 225)  # 45 mm apart: a gap of 5 mm
    assert sort(belt, first, "near")[0].reason is Reason.TOO_CLOSE
    assert sort(belt, second, "far")[0].reason is Reason.TOO_CLOSE


def test_a_stroke_is_kept_short_for_a_neighbour_that_still_fits() -> None:
    belt = conveyor()
    # 10 mm behind, 50 ms: the flap needs 30 ms to come back; half of what is left is for each of the two items.
    _, stroke = sort(belt, item(1, 0, gap_behind=10), "near")
    assert window(stroke)[1] == pytest.approx(1610, abs=0.01)
    decision, behind = sort(belt, item(2, 250), "far")
    assert decision.reason is Reason.SORTED
    assert window(behind)[0] == pytest.approx(250 + 2900 - 50 - 40, abs=0.01)


def test_no_stroke_hits_an_item_that_passes() -> None:
    belt = conveyor()
    sort(belt, item(1, 0), RESIDUAL)
    decision, _ = sort(belt, item(2, 225), "near")
    assert decision.reason is Reason.TOO_CLOSE


def test_an_item_already_diverted_is_not_in_the_way_further_down() -> None:
    belt = conveyor()
    sort(belt, item(1, 0, gap_behind=60), "near")
    # Its own stroke ends before the second one comes by, and at the second diverter it is gone.
    assert sort(belt, item(2, 500), "far")[0].reason is Reason.SORTED


def test_an_item_that_an_earlier_diverter_would_hit_is_residual() -> None:
    belt = conveyor()
    sort(belt, item(1, 0), "near")  # nobody saw that the next one is so close
    assert sort(belt, item(2, 225), "far")[0].reason is Reason.TOO_CLOSE


def test_neighbours_for_one_bin_share_a_pulse() -> None:
    belt = conveyor()
    _, first = sort(belt, item(1, 0, gap_behind=20), "near")
    decision, second = sort(belt, item(2, 300), "near")
    assert decision.reason is Reason.SORTED
    assert first is not None
    assert second is not None
    assert second.fire_at <= first.release_at


def test_a_shared_pulse_is_never_longer_than_allowed() -> None:
    belt = conveyor(max_on_ms=600)
    reasons = [sort(belt, item(n, 300 * n, gap_behind=20), "near")[0].reason for n in range(4)]
    assert reasons[0] is Reason.SORTED
    assert Reason.DIVERTER_BUSY in reasons


def test_an_item_longer_than_the_pulse_may_last_is_too_large() -> None:
    decision, stroke = sort(conveyor(max_on_ms=300), item(1, length=90), "near")
    assert (decision.reason, stroke) == (Reason.TOO_LARGE, None)


def test_a_diverter_that_is_on_the_other_side_is_busy() -> None:
    belt = conveyor(min_gap_mm=0)
    assert sort(belt, item(1, 0, gap_behind=15), "left")[0].reason is Reason.SORTED
    assert sort(belt, item(2, 275), "right")[0].reason in (Reason.DIVERTER_BUSY, Reason.TOO_CLOSE)
    assert sort(belt, item(3, 1500), "right")[0].reason is Reason.SORTED


def test_the_least_gap_is_a_setting() -> None:
    assert sort(conveyor(min_gap_mm=30), item(1, gap_behind=25), "near")[0].reason is Reason.TOO_CLOSE
    assert sort(conveyor(min_gap_mm=20), item(1, gap_behind=25), "near")[0].reason is Reason.SORTED


def test_a_stopped_belt_never_fires() -> None:
    belt = conveyor()
    _, stroke = sort(belt, item(1), "near")
    belt.belt.seen_moving(START + ms(500), moving=False)
    assert belt.revise(START + ms(510)) == [(stroke, None)]
    decision, none = sort(belt, item(2, 505), "near")
    assert (decision.reason, none) == (Reason.BELT_STOPPED, None)


def test_a_slower_belt_moves_the_stroke() -> None:
    belt = on(BeltModel(SPEED, ticks_per_mm=1.0))
    at = START - NS_PER_S
    for _ in range(200):
        at += ms(5)
        belt.belt.tick(at)
    _, stroke = sort(belt, item(1), "near")
    for _ in range(60):
        at += ms(10)
        belt.belt.tick(at)
    ((before, after),) = belt.revise(at)
    assert before == stroke
    assert after is not None
    # 60 mm at half the speed and the rest of 280 mm too; 50 ms of belt and 40 ms of flap before.
    assert (after.fire_at - START) / 1e6 == pytest.approx(2800 - 100 - 40, abs=30)
    assert belt.revise(at) == []


def test_the_budget_shrinks_with_the_time_that_is_left() -> None:
    belt = conveyor()
    belt.pace.invoke_ns = float(ms(100))
    budgets = [belt.budget(item(1), 0, START + ms(now)) for now in (0, 1000, 1150, 1250)]
    assert budgets[0] == 3
    assert budgets == sorted(budgets, reverse=True)
    assert budgets[-1] == 1  # too late for the first diverter, but not for the others


def test_waiting_items_share_the_budget() -> None:
    belt = conveyor()
    belt.pace.invoke_ns = float(ms(300))
    assert belt.budget(item(1), 0, START) > belt.budget(item(2), 2, START)


def test_without_any_time_left_nothing_is_looked_at() -> None:
    belt = conveyor()
    belt.pace.invoke_ns = float(ms(100))
    assert belt.budget(item(1), 0, START + ms(5000)) == 0


def test_items_that_come_fast_are_looked_at_less() -> None:
    belt = conveyor()
    belt.pace.invoke_ns = float(ms(50))
    budgets = [belt.budget(item(n, 80 * n), 0, START + ms(80 * n)) for n in range(6)]
    assert budgets[0] == 3
    assert budgets[-1] == 1
