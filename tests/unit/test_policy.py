"""Thresholds, purity and what bins can't take."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from support.stations import BIN, make_station

from edge.config import RESIDUAL, Station
from edge.policy import Policy
from edge.types import Confidence, Item, Prediction, Reason

LABELS = ("paper", "cardboard", "glass", "trash")
ITEM = Item(1, 1000, ())


def station(glass: Mapping[str, Any] | None = None, **changes: Any) -> Station:
    """Fibre by a flap, glass by a lid, and the rest."""
    bins = {
        "paper": None,
        "fibre": {"labels": ["paper", "cardboard"], "actuator": "flap"},
        "glass": {"labels": ["glass"], "actuator": "lid", **(glass or {})},
        "residual": {"labels": ["trash"]},
    }
    return make_station(BIN, actuators={"lid": {"type": "digital", "pin": 6}}, bins=bins, **changes)


def policy(min_score: float = 0.6, min_margin: float = 0.0, **changes: Any) -> Policy:
    return Policy(station(**changes).bins, dict.fromkeys(LABELS, min_score), min_margin)


def saw(*scores: float) -> Prediction:
    ranked = sorted(zip(scores, LABELS, strict=True), reverse=True)
    return Prediction(ranked[0][1], ranked[0][0], ranked[0][0] - ranked[1][0], LABELS, scores)


def bin_and_reason(chosen: Policy, prediction: Prediction | None, item: Item = ITEM) -> tuple[str, Reason]:
    decision = chosen.decide(item, prediction, 5)
    assert (decision.item_id, decision.decided_at) == (item.item_id, 5)
    return decision.bin, decision.reason


def test_a_sure_item_goes_to_its_bin() -> None:
    assert bin_and_reason(policy(), saw(0.1, 0.1, 0.7, 0.1)) == ("glass", Reason.SORTED)


def test_an_unsure_item_goes_to_residual_with_what_the_model_saw() -> None:
    decision = policy().decide(ITEM, saw(0.2, 0.1, 0.5, 0.2), 5)
    assert (decision.bin, decision.reason, decision.label, decision.score) == (RESIDUAL, Reason.UNSURE, "glass", 0.5)


def test_a_decision_tells_how_sure_the_model_was_of_the_bin_and_how_sure_it_had_to_be() -> None:
    chosen = policy(0.9, min_margin=0.3)
    decision = chosen.decide(ITEM, saw(0.45, 0.375, 0.125, 0.05), 5)
    assert decision.reason is Reason.UNSURE
    assert decision.confidence == Confidence(score=0.825, min_score=0.9, margin=0.7, min_margin=0.3)
    assert chosen.decide(ITEM, None, 5).confidence is None
    assert chosen.decide(ITEM, saw(0.0, 0.0, 0.0, 1.0), 5).confidence is None, "it asks for no bin"


def test_labels_of_one_bin_need_no_telling_apart() -> None:
    assert bin_and_reason(policy(min_margin=0.3), saw(0.45, 0.4, 0.1, 0.05)) == ("fibre", Reason.SORTED)


def test_a_close_second_bin_is_unsure() -> None:
    assert bin_and_reason(policy(0.5, min_margin=0.3), saw(0.4, 0.0, 0.55, 0.05)) == (RESIDUAL, Reason.UNSURE)


def test_a_label_of_residual_is_no_failure() -> None:
    assert bin_and_reason(policy(), saw(0.1, 0.0, 0.0, 0.9)) == (RESIDUAL, Reason.RESIDUAL_LABEL)


def test_no_prediction_and_a_concern_are_residual() -> None:
    assert bin_and_reason(policy(), None) == (RESIDUAL, Reason.NOT_CLASSIFIED)
    touching = Item(2, 1000, (), reject_reason=Reason.TOUCHING)
    assert bin_and_reason(policy(), saw(0, 0, 1, 0), touching) == (RESIDUAL, Reason.TOUCHING)


def test_a_bin_may_ask_for_more_purity_than_the_model() -> None:
    assert bin_and_reason(policy(glass={"min_purity": 0.9}), saw(0.1, 0.0, 0.85, 0.05)) == (RESIDUAL, Reason.UNSURE)
    assert bin_and_reason(policy(glass={"min_purity": 0.9}), saw(0.05, 0.0, 0.92, 0.03)) == ("glass", Reason.SORTED)


def test_a_full_bin_gets_nothing() -> None:
    chosen = policy()
    chosen.restrict(inhibited=False, full=["glass"])
    assert bin_and_reason(chosen, saw(0, 0, 1, 0)) == (RESIDUAL, Reason.BIN_FULL)
    assert bin_and_reason(chosen, saw(1, 0, 0, 0)) == ("fibre", Reason.SORTED)


def test_a_bin_switched_off_in_the_settings() -> None:
    assert bin_and_reason(policy(glass={"enabled": False}), saw(0, 0, 1, 0)) == (RESIDUAL, Reason.BIN_DISABLED)


def test_while_held_nothing_is_sorted() -> None:
    chosen = policy()
    chosen.restrict(inhibited=True, full=[])
    assert bin_and_reason(chosen, saw(0, 0, 1, 0)) == (RESIDUAL, Reason.HELD)
