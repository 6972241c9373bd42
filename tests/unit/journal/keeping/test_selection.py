"""What the writer chooses: quotas, near duplicates, rare labels, novelty; and that a restart changes nothing of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.bundle.head import Codes
from edge.config.service import JournalSettings
from edge.journal.keeping.candidates import Candidate, Kept
from edge.journal.keeping.selection import FEW, NEAR, SKETCH_BYTES, Remembered, Selection, sketch_of

DIMENSIONS = 256


def features(seed: int, noise: float = 0.0, noise_seed: int = 0) -> Codes:
    """Return codes as of a network that ends in a ReLU: of one thing for one seed, seen with that much noise."""
    values = np.random.default_rng(seed).exponential(20, DIMENSIONS)
    values += noise * values.mean() * np.random.default_rng((seed, noise_seed)).standard_normal(DIMENSIONS)
    return (np.clip(values, 0, 255) - 128).astype(np.int8)


def candidate(label: str = "glass", kept: Kept | None = None, seen: Codes | None = None) -> Candidate:
    return Candidate(kept, label, (), seen)


def run(selection: Selection, stream: Sequence[tuple[Candidate, int]]) -> list[tuple[Kept, Remembered | None] | None]:
    """Offer all candidates with their days, as the writer does; return what became of each."""
    choices = []
    for one, day in stream:
        choice = selection.choose(one, day)
        if choice is not None and choice[1] is not None:
            selection.remember(choice[1])
        choices.append(choice)
    return choices


def reasons(selection: Selection, candidates: Sequence[Candidate]) -> list[Kept | None]:
    return [None if choice is None else choice[0] for choice in run(selection, [(c, 7) for c in candidates])]


streams = st.lists(
    st.tuples(
        st.builds(
            candidate,
            st.sampled_from(["glass", "metal", "paper", ""]),
            st.sampled_from([None, *Kept]),
            st.one_of(st.none(), st.builds(features, st.integers(0, 30), st.sampled_from([0.0, 0.1, 0.5]))),
        ),
        st.integers(0, 2),
    ),
    max_size=150,
)


@settings(max_examples=60, deadline=None)
@given(streams, st.integers(1, 12), st.integers(1, 20))
def test_no_sequence_of_items_goes_over_the_quotas(
    stream: list[tuple[Candidate, int]], per_label: int, per_day: int
) -> None:
    selection = Selection(JournalSettings(crops_per_label=per_label, crops_per_day=per_day))
    kept = [
        (one.label, day)
        for (one, day), choice in zip(stream, run(selection, stream), strict=True)
        if choice is not None and choice[0] not in (Kept.RANDOM, Kept.ALL)
    ]
    assert max(Counter(kept).values(), default=0) <= per_label
    assert max(Counter(day for _, day in kept).values(), default=0) <= per_day
    for day in range(3):
        used = selection.quotas(day)
        assert used.full_labels == {name for name in {n for n, _ in kept} if kept.count((name, day)) == per_label}
        assert used.is_day_full == (sum(d == day for _, d in kept) == per_day)


@settings(max_examples=40, deadline=None)
@given(streams, st.integers(0, 150))
def test_what_is_remembered_makes_a_restart_unnoticed(stream: list[tuple[Candidate, int]], cut: int) -> None:
    journal = JournalSettings(crops_per_label=5, crops_per_day=12)
    before = run(Selection(journal), stream[:cut])
    again = Selection(journal, [choice[1] for choice in before if choice is not None and choice[1] is not None])
    assert before + run(again, stream[cut:]) == run(Selection(journal), stream)


def test_what_chance_keeps_is_bounded_by_no_quota() -> None:
    selection = Selection(JournalSettings(crops_per_label=1, crops_per_day=1))
    one = features(1)
    offered = [candidate(kept=Kept.UNSURE, seen=one), *[candidate(kept=Kept.RANDOM, seen=one)] * 50]
    assert reasons(selection, offered) == [Kept.UNSURE, *[Kept.RANDOM] * 50]


@pytest.mark.parametrize("kept", [Kept.UNSURE, Kept.DISAGREEING, Kept.UNKNOWN, None])
def test_a_hundred_pictures_of_one_cup_are_kept_once(kept: Kept | None) -> None:
    cup = [candidate(kept=kept, seen=features(5, noise=0.15, noise_seed=n)) for n in range(100)]
    chosen = reasons(Selection(JournalSettings(crops_per_label=1000)), cup)
    assert chosen == [kept or Kept.RARE, *[None] * 99]


def test_a_hundred_doubtful_things_are_all_kept_while_there_is_room() -> None:
    things = [candidate(kept=Kept.UNSURE, seen=features(seed)) for seed in range(100)]
    assert reasons(Selection(JournalSettings(crops_per_label=100)), things) == [Kept.UNSURE] * 100


def test_sure_items_leave_half_of_each_quota_to_doubtful_ones() -> None:
    offered = [*[candidate()] * 9, *[candidate(kept=Kept.UNSURE)] * 9]
    by_label = reasons(Selection(JournalSettings(crops_per_label=6)), offered)
    assert [kept for kept in by_label if kept] == [Kept.RARE] * 3 + [Kept.UNSURE] * 3
    by_day = reasons(Selection(JournalSettings(crops_per_day=4)), offered)
    assert [kept for kept in by_day if kept] == [Kept.RARE] * 2 + [Kept.UNSURE] * 2


def test_a_sure_item_is_kept_while_its_label_is_rare_and_then_only_if_it_is_unlike_all_others() -> None:
    selection = Selection(JournalSettings(crops_per_label=1000))
    alike = [candidate(seen=features(9, noise=0.9, noise_seed=n)) for n in range(FEW + 10)]
    assert reasons(selection, alike) == [Kept.RARE] * FEW + [None] * 10
    unlike = np.full(DIMENSIONS, -128, np.int8)
    unlike[::8] = 100
    assert reasons(selection, [candidate(seen=unlike), candidate(seen=unlike)]) == [Kept.NOVEL, None]
    assert reasons(selection, [candidate("metal", seen=features(9, noise=0.9, noise_seed=99))]) == [Kept.RARE]


def test_without_features_quotas_and_rarity_decide() -> None:
    selection = Selection(JournalSettings(crops_per_label=1000))
    assert reasons(selection, [candidate()] * (FEW + 3)) == [Kept.RARE] * FEW + [None] * 3
    assert reasons(selection, [candidate(kept=Kept.UNSURE)] * 3) == [Kept.UNSURE] * 3


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 1000), st.integers(0, 1000), st.floats(0, 1), st.sampled_from([np.int8, np.uint8]))
def test_sketches_have_nearly_the_angles_of_the_features(one: int, other: int, noise: float, kind: type) -> None:
    def unit(codes: Codes, zero: int) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        values = codes.astype(np.float64) - zero
        return values / np.linalg.norm(values)

    first, second = features(one), features(other, noise)
    exact = 1 - unit(first, -128) @ unit(second, -128)
    if kind is np.uint8:
        first, second = ((codes.astype(int) + 128).astype(np.uint8) for codes in (first, second))
    sketches = [np.frombuffer(sketch_of(codes) or b"", np.int8) for codes in (first, second)]
    assert [len(sketch) for sketch in sketches] == [SKETCH_BYTES] * 2
    assert 1 - unit(sketches[0], 0) @ unit(sketches[1], 0) == pytest.approx(exact, abs=0.3)
    if exact < NEAR / 4:
        assert 1 - unit(sketches[0], 0) @ unit(sketches[1], 0) < NEAR


def test_features_that_say_nothing_and_those_of_another_network_are_taken() -> None:
    selection = Selection(JournalSettings())
    offered = [np.full(16, -128, np.int8), np.zeros(16, np.uint8), features(1), features(1)[:100], features(1)]
    chosen = reasons(selection, [candidate(kept=Kept.UNSURE, seen=one) for one in offered])
    assert chosen == [Kept.UNSURE] * 4 + [None]


def test_a_sketch_of_zeros_is_near_to_nothing() -> None:
    selection = Selection(
        JournalSettings(), [Remembered(1, "glass", bytes(SKETCH_BYTES)), Remembered(1, "glass", None)]
    )
    assert reasons(selection, [candidate(kept=Kept.UNSURE, seen=features(3))]) == [Kept.UNSURE]
