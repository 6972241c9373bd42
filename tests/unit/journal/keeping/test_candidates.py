"""What an item tells by itself: chance that knows nothing of it, doubt, and pictures as the network is shown them."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.journal import outcome, photo

from edge.bundle.geometry import InputGeometry
from edge.bundle.preprocess import prepare_crop
from edge.clock import NS_PER_S
from edge.config.service import JournalSettings
from edge.journal.keeping.candidates import LOW_MARGIN, MARGIN, MOST_WAITING, Kept, Picker, Quotas, RandomShare, doubt
from edge.line import Outcome
from edge.types import Box, Crop, Decision, Item, Prediction, Reason

LABELS = ("glass", "paper")
FRAME = photo(1)


def prediction(margin: float, looks: tuple[str, ...] = ("glass", "glass"), *, is_unknown: bool = False) -> Prediction:
    best = (1 + margin) / 2
    return Prediction("glass", best, margin, LABELS, (best, 1 - best), len(looks), is_unknown, looks=looks)


def picker(**changes: object) -> Picker:
    return Picker(JournalSettings.model_validate({"random_share": 0} | changes), "run-1")


def chosen_of(run_id: str, items: int, share: float) -> set[int]:
    chance = RandomShare(run_id, share)
    return {item for item in range(1, items + 1) if chance.takes(item)}


# -- chance -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("share", [0.0, 0.02, 0.3, 1.0])
def test_chance_keeps_its_share_of_the_items(share: float) -> None:
    items, runs = 5000, 8
    chosen = sum(len(chosen_of(f"run-{run}", items, share)) for run in range(runs))
    spread = math.sqrt(runs * items * share * (1 - share))
    assert abs(chosen - runs * items * share) <= 4 * spread


@pytest.mark.parametrize("period", [2, 3, 4, 5, 7, 8, 10, 16])
def test_what_comes_at_regular_intervals_is_chosen_as_often_as_all_else(period: int) -> None:
    items, share = 40_000, 0.1
    chosen = Counter(item % period for item in chosen_of("run-1", items, share))
    expected = items / period * share
    chi_squared = sum((chosen[n] - expected) ** 2 / (expected * (1 - share)) for n in range(period))
    # Mean and deviation of the law under chance: period - 1, sqrt(2 (period - 1)).
    assert chi_squared < period - 1 + 4 * math.sqrt(2 * (period - 1))


def test_neighbours_and_the_same_number_of_the_next_run_are_chosen_independently() -> None:
    items, share = 40_000, 0.1
    first, second = (chosen_of(run, items, share) for run in ("run-1", "run-2"))
    both = [len(first & second), len(first & {n + 1 for n in first})]
    expected = items * share**2
    assert all(abs(count - expected) < 4 * math.sqrt(expected) for count in both)


contents = st.builds(
    lambda label, reason, margin, looks: (label, reason, prediction(margin, looks)),
    st.sampled_from(["glass", "paper", ""]),
    st.sampled_from(Reason),
    st.floats(0, 1),
    st.lists(st.sampled_from(LABELS), min_size=1, max_size=3).map(tuple),
)


@settings(max_examples=30, deadline=None)
@given(st.lists(contents, min_size=60, max_size=60), st.sampled_from(["unsure", "useful", "all"]), st.booleans())
def test_nothing_that_is_known_of_an_item_changes_whether_chance_keeps_it(
    stream: list[tuple[str, Reason, Prediction]], keep: str, full: bool
) -> None:
    picks = picker(keep_crops=keep, random_share=0.2)
    picks.quotas = Quotas(is_day_full=full, full_labels=frozenset(LABELS) if full else frozenset())
    by_chance = []
    for number, (label, reason, said) in enumerate(stream, start=1):
        item = Item(number, NS_PER_S, (Crop(FRAME, Box(4, 4, 40, 30), NS_PER_S, 1.0, 1.0),))
        decision = Decision(number, "residual", reason, NS_PER_S, label, said.score, said.margin)
        candidate = picks.pick(Outcome(item, said, decision, None, 0), number, 0)
        by_chance += [number] if candidate is not None and candidate.kept is Kept.RANDOM else []
    assert by_chance == sorted(chosen_of("run-1", 60, 0.2))


# -- doubt --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reason", "said", "kept"),
    [
        (Reason.UNSURE, prediction(0.5), Kept.UNSURE),
        (Reason.TOUCHING, None, Kept.UNSURE),
        (Reason.NOT_CLASSIFIED, None, Kept.UNSURE),
        (Reason.SORTED, prediction(LOW_MARGIN - 0.01), Kept.UNSURE),
        (Reason.SORTED, prediction(LOW_MARGIN), None),
        (Reason.SORTED, prediction(0.9, ("glass", "paper", "glass")), Kept.DISAGREEING),
        (Reason.UNKNOWN, prediction(0.9), Kept.UNKNOWN),
        (Reason.RESIDUAL_LABEL, prediction(0.9, is_unknown=True), Kept.UNKNOWN),
        (Reason.LATE, prediction(0.9), None),
        (Reason.TOO_LARGE, None, None),
    ],
)
def test_doubt_is_a_low_margin_looks_that_disagree_or_a_reason_that_says_so(
    reason: Reason, said: Prediction | None, kept: Kept | None
) -> None:
    assert doubt(outcome(1, NS_PER_S, reason, FRAME, said)) is kept


def test_what_the_quotas_would_refuse_is_not_copied() -> None:
    picks = picker()
    unsure = outcome(1, NS_PER_S, Reason.UNSURE, FRAME)
    assert picks.pick(unsure, 0, 0) is not None
    picks.quotas = Quotas(full_labels=frozenset({unsure.decision.label}))
    assert picks.pick(unsure, 0, 0) is None
    assert picks.pick(outcome(2, NS_PER_S, Reason.UNSURE, FRAME), 0, 0) is not None
    picks.quotas = Quotas(is_day_full=True)
    assert picks.pick(outcome(2, NS_PER_S, Reason.UNSURE, FRAME), 0, 0) is None


def test_few_sure_items_wait_for_the_writer_and_every_doubtful_one() -> None:
    sure, unsure = (outcome(1, NS_PER_S, reason, FRAME) for reason in (Reason.SORTED, Reason.UNSURE))
    for waiting in range(MOST_WAITING):
        assert picker().pick(sure, waiting, 0) is not None
    assert picker().pick(sure, MOST_WAITING, 0) is None
    assert picker().pick(unsure, MOST_WAITING, 0) is not None


@pytest.mark.parametrize("changes", [{"keep_crops": "none"}, {"crops_max_mb": 0}])
def test_nothing_is_copied_where_nothing_is_to_be_kept(changes: dict[str, object]) -> None:
    assert picker(random_share=1, **changes).pick(outcome(1, NS_PER_S, Reason.UNSURE, FRAME), 0, 0) is None


# -- pictures -----------------------------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(st.integers(100, 200), st.integers(100, 200), st.integers(10, 90), st.integers(10, 90))
def test_a_kept_look_shows_the_network_what_it_was_shown(x: int, y: int, width: int, height: int) -> None:
    pixels = np.random.default_rng(2).integers(0, 256, (420, 420, 3), dtype=np.uint8)
    box, geometry = Box(x, y, width, height), InputGeometry(height=64, width=64, margin=MARGIN)
    item = Item(1, NS_PER_S, (Crop(pixels, box, NS_PER_S, 1.0, 1.0),))
    decision = Decision(1, "residual", Reason.UNSURE, NS_PER_S)
    candidate = picker().pick(Outcome(item, None, decision, None, 0), 0, 0)
    assert candidate is not None
    (look,) = candidate.looks()
    (cut,) = candidate.cut().looks()
    assert np.array_equal(look, cut)
    shown, again = prepare_crop(pixels, box, geometry), prepare_crop(look, None, geometry)
    assert np.abs(shown.astype(int) - again).mean() < 12 if look.shape[0] >= 128 else np.array_equal(shown, again)


def test_an_item_at_the_edge_is_kept_as_far_as_it_is_in_the_picture() -> None:
    item = Item(1, NS_PER_S, (Crop(FRAME, Box(50, 0, 14, 30), NS_PER_S, 1.0, 1.0),))
    candidate = picker().pick(Outcome(item, None, Decision(1, "residual", Reason.UNSURE, 1), None, 0), 0, 0)
    assert candidate is not None
    assert np.array_equal(candidate.looks()[0], FRAME[:34, 38:64])
