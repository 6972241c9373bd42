"""The verdict on known items: what is surely too much, and what may be chance."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom
from support.paths import STATIONS

from edge.config import load_station
from edge.tools.calibrate.verdict import MOST_WRONG, Checked, judge, surely_more_than
from edge.types import REASON_TEXT, Reason

STATION = load_station(STATIONS / "practice.toml")


def item(landed: str, margin_ms: float = 300.0) -> Checked:
    return Checked("metal", "metal", landed, "", "metal", margin_ms)


@pytest.mark.parametrize(
    ("landed", "verdict"),
    [
        ({"metal": 20}, "good"),
        ({"metal": 15, "residual": 5}, "usable"),
        ({"metal": 14, "plastic": 1}, "usable"),  # 1 of 15 is what 5 % brings often enough
        ({"metal": 12, "plastic": 3}, "bad"),
    ],
)
def test_a_few_wrong_items_are_bad_only_where_they_are_no_chance(landed: dict[str, int], verdict: str) -> None:
    checked = [item(name) for name, count in landed.items() for _ in range(count)]
    step: Any = judge(STATION, checked, 0, "x").changes["verify"]
    assert step.verdict == verdict


def missed(reason: Reason) -> Checked:
    return Checked("plastic", "plastic", "residual", REASON_TEXT[reason], "plastic", None)


@pytest.mark.parametrize("others", [{"metal": 40}, {"metal": 3}, {}])
@pytest.mark.parametrize("reason", [Reason.UNSURE, Reason.LATE])
def test_a_bin_that_got_none_of_its_items_is_a_failed_verdict(others: dict[str, int], reason: Reason) -> None:
    checked = [missed(reason)] * 5 + [item(name) for name, count in others.items() for _ in range(count)]
    outcome = judge(STATION, checked, 0, "x")
    step: Any = outcome.changes["verify"]
    assert step.verdict == "bad"
    assert f"plastic got none of its 5 items (plastic): {REASON_TEXT[reason]}." in outcome.warnings


def test_of_few_items_the_model_may_have_been_sure_of_none_by_chance_but_nothing_else_is_chance() -> None:
    others = [item("metal")] * 20
    outcome = judge(STATION, [missed(Reason.UNSURE), missed(Reason.UNKNOWN), *others], 0, "x")
    step: Any = outcome.changes["verify"]
    assert step.verdict == "usable"
    assert outcome.warnings[0].endswith(". So few may be chance: verify with more (--items).")
    step = judge(STATION, [missed(Reason.UNSURE), missed(Reason.LATE), *others], 0, "x").changes["verify"]
    assert step.verdict == "bad"


def test_one_item_is_enough_to_show_that_a_bin_is_reached() -> None:
    unsure = Checked("metal", "metal", "residual", "not sure enough", "metal", None)
    step: Any = judge(STATION, [item("metal"), unsure, unsure, unsure], 0, "x").changes["verify"]
    assert step.verdict == "usable"


def test_a_bin_of_which_no_item_came_is_named() -> None:
    warnings = judge(STATION, [item("metal")] * 20, 0, "x").warnings
    assert warnings == ("plastic was not tried: no item that belongs in it came; verify with more items.",)


def test_a_stroke_decided_too_late_is_bad() -> None:
    step: Any = judge(STATION, [item("metal"), item("metal", -1.0)], 0, "x").changes["verify"]
    assert step.verdict == "bad"


@given(st.integers(0, 60), st.integers(0, 60))
def test_what_is_surely_too_much_is_so_by_the_binomial_law(wrong: int, more: int) -> None:
    expected = wrong > 0 and binom.sf(wrong - 1, wrong + more, MOST_WRONG) < 0.05
    assert surely_more_than(MOST_WRONG, wrong, wrong + more) == expected
