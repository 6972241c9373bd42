"""Thresholds and figures from sources that a network was never trained on."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from converter.sources import ENOUGH, Ground, figures_by_source, fit_by_source
from training.evaluation.evaluate import Answers, Scored

NAMES = ("can", "jar")


def scored_by(sure: np.ndarray, found: np.ndarray) -> np.ndarray:
    """Scores whose softmax at temperature 1 gives `sure` to the found label."""
    scores = np.zeros((len(sure), 2))
    scores[np.arange(len(sure)), found] = np.log(sure / (1 - sure))
    return scores


def a_place(name: str, photos: int, right_above: float, seed: int, right_share: float = 0.5) -> Ground:
    """Photos found as can with any certainty; below `right_above` only `right_share` of them are cans."""
    rng = np.random.default_rng(seed)
    sure = rng.uniform(0.55, 0.999, photos)
    truth = np.where((sure > right_above) | (rng.random(photos) < right_share), 0, 1)
    scores = scored_by(sure, np.zeros(photos, int))
    return Ground(name, {"int8": Scored(scores, 1.0)}, Answers(truth, NAMES))


def own() -> tuple[np.ndarray, np.ndarray]:
    """Validation photos that are all found rightly."""
    labels = np.arange(200) % 2
    return scored_by(np.full(200, 0.9), labels), labels


def purity_of(ground: Ground, minimum: float, temperature: float) -> float:
    scores = ground.scored["int8"].scores / temperature
    sure = 1 / (1 + np.exp(-scores[:, 0]))
    return float(np.mean(ground.right.labels[sure >= minimum] == 0))


@settings(max_examples=25)
@given(st.floats(0.6, 0.95), st.floats(0.6, 0.95), st.integers(0, 1000))
def test_the_purity_holds_on_the_worst_source_that_reaches_it(one: float, other: float, seed: int) -> None:
    places = [a_place("yard", 400, one, seed), a_place("shop", 400, other, seed + 1)]
    fitted = fit_by_source(own(), places, NAMES, 0.9)
    minimum, temperature = fitted.thresholds.minimum_score["can"], fitted.thresholds.temperature
    for place in places:
        assert fitted.unreached[place.name] == (() if purity_of(place, minimum, temperature) >= 0.9 else ("can",))


def test_a_purity_that_every_source_has_above_some_score_is_had_on_all() -> None:
    for seed in range(20):
        places = [a_place("yard", 400, 0.7, seed), a_place("shop", 400, 0.9, seed + 1)]
        assert not any(fit_by_source(own(), places, NAMES, 0.95).unreached.values())


def test_a_source_with_few_photos_of_a_label_has_no_say_in_its_threshold() -> None:
    few, enough = (
        fit_by_source(own(), [a_place("yard", photos, 1.0, 1, right_share=0.0)], NAMES, 0.9)
        for photos in (ENOUGH - 1, ENOUGH)
    )
    assert few.unreached["yard"] == ()
    assert enough.unreached["yard"] == ("can",)


def test_a_source_on_which_the_purity_can_not_be_had_is_named() -> None:
    hopeless = a_place("yard", 400, 1.0, 3, right_share=0.0)
    assert fit_by_source(own(), [hopeless], NAMES, 0.9).unreached["yard"] == ("can",)


def test_labels_that_a_source_does_not_tell_apart_are_right_for_each_other() -> None:
    place = a_place("yard", 400, 1.0, 3, right_share=0.0)
    merged = Ground("yard", place.scored, Answers(place.right.labels, NAMES, {"can": "jar"}))
    assert fit_by_source(own(), [place], NAMES, 0.9).unreached["yard"] == ("can",)
    assert fit_by_source(own(), [merged], NAMES, 0.9).unreached["yard"] == ()


def test_figures_are_given_for_each_network_and_source() -> None:
    places = [a_place("yard", 50, 0.7, 1), a_place("shop", 60, 0.7, 2)]
    fitted = fit_by_source(own(), places, NAMES, 0.9)
    table = figures_by_source(places, fitted.thresholds)
    assert {name: row["photos"] for name, row in table["int8"].items()} == {"yard": 50, "shop": 60}
