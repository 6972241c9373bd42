"""The head of a bundle: whole numbers, the same on every machine, and proven with the network."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.bundle.archive import GOLDEN, HEAD, MODEL, Bundle, pack_bundle, read_bundle
from edge.bundle.head import LinearHead, quantize_head, read_head
from edge.bundle.manifest import FORMAT_VERSION, Output, Quantization
from edge.clock import SystemClock
from edge.errors import BundleError
from edge.inference.classifier import BundleClassifier
from edge.inference.golden import check_golden, make_golden
from edge.inference.interpreter import open_interpreter
from edge.types import Image

FEATURES = Quantization(dtype="uint8", scale=0.03, zero_point=3)


@pytest.fixture
def plain(tiny_bundle: Callable[..., bytes]) -> Bundle:
    """Format 1: four times the mean of red, green and blue are the scores of paper, glass and metal."""
    return read_bundle(tiny_bundle(), "tiny")


@pytest.fixture
def headed(plain: Bundle) -> Bundle:
    """Format 2: the same network's output taken for features; its head gives each label the next one's score."""
    return read_bundle(with_head(plain, np.roll(np.eye(3), 1, axis=0)), "headed")


def with_head(plain: Bundle, weights: np.ndarray, none_of_these: bool = False) -> bytes:
    interpreter = open_interpreter(plain)
    head = quantize_head(weights, np.zeros(len(weights)), interpreter.output, none_of_these)
    output = Output(**interpreter.output.model_dump(), kind="features")
    manifest = plain.manifest.model_copy(
        update={"format_version": FORMAT_VERSION, "output": output, "head": head.shape()}
    )
    colours = np.array([[250, 10, 90], [30, 200, 60], [5, 60, 240]], np.uint8)
    inputs = [np.tile(colour, (32, 32, 1)) for colour in colours]
    members = {MODEL: plain.model, HEAD: head.to_bytes(), GOLDEN: make_golden(interpreter, inputs, head)}
    return pack_bundle(manifest, members)


def drawn_head(seed: int) -> LinearHead:
    random = np.random.default_rng(seed)
    return quantize_head(random.normal(size=(4, 50)), random.normal(size=4), FEATURES)


@given(st.integers(0, 99), st.lists(st.integers(0, 255), min_size=50, max_size=50))
def test_sums_are_those_of_whole_numbers_of_any_length(seed: int, codes: list[int]) -> None:
    head = drawn_head(seed)
    exact = [
        sum(int(weight) * (code - head.zero_point) for weight, code in zip(row, codes, strict=True)) + int(bias)
        for row, bias in zip(head.weights, head.bias, strict=True)
    ]
    assert head.totals(np.array(codes, np.uint8)).tolist() == exact


@given(st.integers(0, 99))
def test_rounding_a_head_changes_a_score_by_less_than_a_step_of_its_features(seed: int) -> None:
    random = np.random.default_rng(seed)
    weights, bias = random.normal(size=(4, 50)), random.normal(size=4)
    codes = random.integers(0, 256, (20, 50), dtype=np.uint8)
    exact = FEATURES.dequantize(codes) @ weights.T + bias
    largest = FEATURES.scale * float(np.abs(weights).max())
    assert np.abs(quantize_head(weights, bias, FEATURES).logits(codes) - exact).max() < largest


def test_a_head_turns_the_same_network_to_other_labels(plain: Bundle, headed: Bundle) -> None:
    red: Image = np.zeros((32, 32, 3), np.uint8)
    red[..., 0] = 250
    assert BundleClassifier(plain).classify_photo(red).label == "paper"
    assert BundleClassifier(headed).classify_photo(red).label == "glass"


def test_many_rows_are_scored_like_one_after_the_other(headed: Bundle) -> None:
    head, codes = read_head(headed), np.random.default_rng(1).integers(0, 256, (7, 3), dtype=np.uint8)
    np.testing.assert_array_equal(head.logits(codes), [head.logits(row) for row in codes])


def test_a_bundle_with_a_head_proves_both(headed: Bundle) -> None:
    result = check_golden(headed, open_interpreter(headed), SystemClock().now)
    assert (result.count, result.worst_steps) == (3, 0)


def test_a_head_of_another_model_is_found_out_by_its_golden_sums(plain: Bundle, headed: Bundle) -> None:
    other = read_bundle(with_head(plain, np.eye(3)), "other")
    mixed = replace(headed, members={**headed.members, HEAD: other.members[HEAD]})
    with pytest.raises(BundleError, match="the head gives other sums"):
        check_golden(mixed, open_interpreter(mixed), SystemClock().now)


def test_format_one_is_written_as_before_so_that_older_devices_take_it(plain: Bundle) -> None:
    assert b'"head"' not in plain.manifest_bytes
    assert plain.manifest.format_version == 1


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"format_version": 1}, "a head belongs to format 2"),
        ({"head": None}, "a head belongs to format 2"),
        ({"output": Output(dtype="uint8", scale=0.1, zero_point=0)}, "of the kind features"),
    ],
)
def test_head_format_and_kind_of_output_belong_together(
    headed: Bundle, changes: dict[str, object], expected: str
) -> None:
    members = {name: content for name, content in headed.members.items() if name in (MODEL, HEAD, GOLDEN)}
    with pytest.raises(BundleError, match=expected):
        pack_bundle(headed.manifest.model_copy(update=changes), members)


def test_a_head_that_is_missing_or_cut_off_is_refused(headed: Bundle) -> None:
    members = {name: content for name, content in headed.members.items() if name in (MODEL, HEAD, GOLDEN)}
    for wrong, expected in ((members[HEAD][:-1], r"bytes of head\.bin"), (None, r"head\.bin is missing")):
        changed = {name: content for name, content in members.items() if name != HEAD}
        if wrong is not None:
            changed[HEAD] = wrong
        with pytest.raises(BundleError, match=expected):
            pack_bundle(headed.manifest, changed)


def test_a_head_without_weights_can_be_packed(plain: Bundle) -> None:
    bundle = read_bundle(with_head(plain, np.zeros((3, 3))), "empty")
    assert not read_head(bundle).logits(np.array([9, 99, 255], np.uint8)).any()


@pytest.mark.parametrize("bias", [1 << 62, -(1 << 62), -(1 << 63)])
def test_a_bias_beyond_all_measure_is_refused_before_anything_is_computed(headed: Bundle, bias: int) -> None:
    wild = replace(
        headed, members={**headed.members, HEAD: headed.members[HEAD][:-8] + bias.to_bytes(8, "little", signed=True)}
    )
    with pytest.raises(BundleError, match="beyond all measure"):
        BundleClassifier(wild)


@pytest.fixture
def doubting(plain: Bundle) -> Bundle:
    """Red, green and blue are the labels' scores; dark things, of little of each, are none of these."""
    return read_bundle(with_head(plain, np.vstack([np.eye(3), [[0.5, 0.5, 0.5]]]), none_of_these=True), "doubting")


def picture(colour: tuple[int, int, int]) -> Image:
    return np.full((32, 32, 3), colour, np.uint8)


def test_a_row_for_none_of_these_is_no_label_and_changes_no_score(doubting: Bundle) -> None:
    head = read_head(doubting)
    codes = np.array([[200, 10, 20], [9, 99, 255]], np.uint8)
    assert doubting.labels == ("paper", "glass", "metal")
    assert head.logits(codes).shape == (2, 3)
    assert head.logits(codes).argmax(axis=1).tolist() == [0, 2]


def test_what_is_more_like_none_of_these_than_like_any_label_is_unknown(doubting: Bundle) -> None:
    classifier = BundleClassifier(doubting)
    plainly_red, grey = (
        classifier.classify_photo(picture((250, 10, 20))),
        classifier.classify_photo(picture((150, 140, 145))),
    )
    assert not plainly_red.is_unknown
    assert grey.is_unknown
    assert not classifier.is_sure(grey)


def test_the_features_of_the_first_crop_come_with_the_prediction(doubting: Bundle, plain: Bundle) -> None:
    image = picture((250, 10, 90))
    features = BundleClassifier(doubting).classify_photo(image).features
    assert features is not None
    np.testing.assert_array_equal(features, open_interpreter(doubting).run(image))
    assert BundleClassifier(plain).classify_photo(image).features is None


def test_a_head_without_that_row_calls_nothing_unknown(headed: Bundle) -> None:
    assert read_head(headed).strangeness(np.array([[1, 2, 3]], np.uint8)).tolist() == [-np.inf]
    assert not BundleClassifier(headed).classify_photo(picture((9, 9, 9))).is_unknown
