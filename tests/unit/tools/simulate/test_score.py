"""Counting what was found, missed and counted twice."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.stations import BELT, make_station

from edge.clock import NS_PER_S
from edge.config import RESIDUAL
from edge.simulate.world.truth import SPILLED, TrueItem
from edge.tools.simulate.score import Record, Score, score
from edge.types import Reason

STATION = make_station(
    BELT,
    belt={"speed_mm_per_s": 100, "mm_per_pixel": 1},
    bins={"glass": None, "metal": {"labels": ["metal"], "actuator": "flap", "distance_mm": 100}},
)


def place(at: int) -> float:
    """A belt at 100 mm/s."""
    return at / NS_PER_S * 100


def item(number: int, at_mm: float, landed: str = "metal", label: str = "metal") -> TrueItem:
    return TrueItem(number, label, "", 0, 60.0, 60.0, 1, round(at_mm / 100 * NS_PER_S), landed, 1)


def record(number: int, at_mm: float, bin_name: str = "metal", **changes: object) -> Record:
    at = round(at_mm / 100 * NS_PER_S)
    values: dict[str, object] = {
        "item_id": number,
        "crossed_at": at,
        "lane": 0,
        "length_mm": 60.0,
        "bin": bin_name,
        "reason": Reason.SORTED,
        "label": "metal",
        "decided_at": at + 1000,
        "fire_at": at + 5000,
        "crops_used": 1,
    }
    return Record(**(values | changes))  # type: ignore[arg-type]


def result(items: list[TrueItem], records: list[Record]) -> Score:
    return score(STATION, items, records, place, 60.0)


def test_each_item_has_its_own_record() -> None:
    found = result([item(1, 100), item(2, 200)], [record(1, 103), record(2, 196)])
    assert (found.items, found.found, found.missed, found.doubled, found.phantom) == (2, 2, 0, 0, 0)
    assert [(truth.number, seen.item_id) for truth, seen in found.pairs] == [(1, 1), (2, 2)]


def test_an_item_without_a_record_is_missed() -> None:
    assert result([item(1, 100), item(2, 200)], [record(1, 100)]).missed == 1


def test_a_second_record_of_an_item_is_a_double_and_one_of_nothing_a_phantom() -> None:
    found = result([item(1, 100)], [record(1, 101), record(2, 120), record(3, 900)])
    assert (found.found, found.doubled, found.phantom, found.missed) == (1, 1, 1, 0)
    assert found.pairs[0][1].item_id == 1


def test_neighbours_are_not_mixed_up_when_one_is_missed() -> None:
    found = result([item(1, 100), item(2, 170), item(3, 240)], [record(1, 100), record(3, 240)])
    assert [(truth.number, seen.item_id) for truth, seen in found.pairs] == [(1, 1), (3, 3)]
    assert found.missed == 1


def test_a_touching_group_stands_for_all_that_lie_in_it() -> None:
    group = record(1, 130, RESIDUAL, reason=Reason.TOUCHING, length_mm=120.0, label="")
    found = result([item(1, 100, RESIDUAL), item(2, 160, RESIDUAL), item(3, 400)], [group, record(2, 400)])
    assert (found.touching, found.found, found.missed, found.doubled) == (2, 1, 0, 0)


def test_landing_elsewhere_than_decided_is_mis_timed() -> None:
    found = result([item(1, 100, RESIDUAL), item(2, 200, SPILLED)], [record(1, 100), record(2, 200)])
    assert (found.mis_timed, found.spilled) == (2, 1)


def test_purity_and_recovery_are_of_what_landed() -> None:
    items = [item(1, 100), item(2, 200, "metal", "glass"), item(3, 300, RESIDUAL), item(4, 400, RESIDUAL, "glass")]
    metal, residual = result(items, []).bins
    assert (metal.purity, metal.recovery) == (0.5, 0.5)
    assert (residual.purity, residual.recovery) == (0.5, 0.5)
    assert result(items, []).residual_share == 0.5


def test_items_that_are_still_under_way_do_not_count() -> None:
    under_way = TrueItem(1, "metal", "", crossed_at=NS_PER_S)
    assert result([under_way], []).items == 0
    assert result([], []).to_json()["purity"] is None


@settings(max_examples=60)
@given(
    st.lists(st.integers(1, 3000), max_size=30, unique=True),
    st.lists(st.integers(1, 3000), max_size=30, unique=True),
    st.booleans(),
)
def test_every_item_and_every_record_is_accounted_for_once(
    items_mm: list[int], records_mm: list[int], touching: bool
) -> None:
    items = [item(n, at) for n, at in enumerate(sorted(items_mm), 1)]
    reason = Reason.TOUCHING if touching else Reason.SORTED
    records = [record(n, at, reason=reason if n % 3 == 0 else Reason.SORTED) for n, at in enumerate(records_mm, 1)]
    found = result(items, records)
    assert found.found + found.touching + found.missed == len(items)
    groups = sum(r.reason is Reason.TOUCHING for r in records)
    assert found.found + found.doubled + found.phantom >= len(records) - groups
    assert len({seen.item_id for _, seen in found.pairs}) == len({truth.number for truth, _ in found.pairs})
    assert sum(b.landed for b in found.bins) == len(items)


def test_the_spread_of_the_margin_leaves_out_items_without_a_stroke() -> None:
    found = result([item(1, 100)], [record(1, 100), record(2, 600, fire_at=None)])
    assert found.margin.least == pytest.approx(0.004)
