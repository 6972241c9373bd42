"""What every classifier promises, for both input types and on every runtime that is installed here."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace

import numpy as np
import pytest

from edge.bundle.archive import Bundle, read_bundle
from edge.bundle.head import OwnScores
from edge.bundle.manifest import Golden, Output, Quantization, Thresholds
from edge.bundle.preprocess import InputGeometry
from edge.clock import SystemClock
from edge.errors import BundleError, SetupError
from edge.inference.classifier import BundleClassifier, rotated_view
from edge.inference.golden import check_golden, read_golden, run_golden
from edge.inference.interpreter import Inference, Interpreter, OpenInference, Runtime, open_interpreter
from edge.inference.process import open_in_process
from edge.system.statistics import softmax
from edge.types import Box, Crop


@pytest.fixture(params=["uint8", "int8"])
def bundle(request: pytest.FixtureRequest, tiny_bundle: Callable[..., bytes]) -> Bundle:
    return read_bundle(tiny_bundle(request.param), "tiny")


@pytest.fixture(params=[open_interpreter, open_in_process])
def open_model(request: pytest.FixtureRequest) -> Iterator[OpenInference]:
    """Open a model here or in a process of its own; closed after the test."""
    with ExitStack() as opened:

        def open_it(bundle: Bundle, threads: int = 1, runtime: Runtime = "auto") -> Inference:
            model: Inference = request.param(bundle, threads, runtime)
            opened.callback(model.close)
            return model

        yield open_it


def crop(red: int, green: int, blue: int) -> Crop:
    pixels = np.full((48, 64, 3), (red, green, blue), np.uint8)
    return Crop(pixels, Box(8, 8, 20, 20), captured_at=0, sharpness=1.0, centring=1.0)


def test_a_prediction_is_a_distribution_over_the_labels(bundle: Bundle) -> None:
    classifier = BundleClassifier(bundle)
    prediction = classifier.classify([crop(10, 250, 10)], budget=3)
    assert classifier.labels == prediction.labels == ("paper", "glass", "metal")
    assert prediction.label == "glass"
    assert sum(prediction.scores) == pytest.approx(1.0)
    assert prediction.score == max(prediction.scores)
    second = sorted(prediction.scores)[-2]
    assert prediction.margin == pytest.approx(prediction.score - second)


def test_it_stops_when_sure_and_looks_again_when_not(bundle: Bundle, open_model: OpenInference) -> None:
    classifier = BundleClassifier(bundle, open_model=open_model)
    clear, grey = crop(0, 0, 255), crop(100, 101, 102)
    assert classifier.classify([clear, clear, clear], budget=3).crops_used == 2  # one look alone may be surely wrong
    assert classifier.classify([clear], budget=3).crops_used == 1
    assert classifier.classify([clear, clear, clear], budget=1).crops_used == 1
    assert classifier.classify([grey, grey, clear], budget=3).crops_used == 3
    assert classifier.classify([grey, grey, clear], budget=2).crops_used == 2


def test_each_look_is_a_quarter_turn_further() -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    seen = Crop(pixels=pixels, box=Box(0, 0, 64, 64), captured_at=0, sharpness=1.0, centring=1.0)
    exact = InputGeometry(height=64, width=64, margin=0.0)
    np.testing.assert_array_equal(rotated_view(seen, 0, exact), pixels)
    np.testing.assert_array_equal(rotated_view(seen, 1, exact), pixels.transpose(1, 0, 2)[::-1])
    np.testing.assert_array_equal(rotated_view(seen, 2, exact), pixels[::-1, ::-1])
    np.testing.assert_array_equal(rotated_view(seen, 4, exact), pixels)
    assert rotated_view(seen, 1, exact).flags.c_contiguous


def test_views_are_fused_by_the_mean_of_their_log_probabilities(tiny_bundle: Callable[..., bytes]) -> None:
    never_sure = Thresholds(minimum_score=dict.fromkeys(("paper", "glass", "metal"), 1.0))
    classifier = BundleClassifier(read_bundle(tiny_bundle(thresholds=never_sure), "tiny"))
    first, second = crop(200, 180, 0), crop(190, 200, 10)
    alone = [classifier.classify([view], budget=1) for view in (first, second)]
    fused = classifier.classify([first, second], budget=2)
    mean = np.log([prediction.scores for prediction in alone]).mean(axis=0)
    np.testing.assert_allclose(fused.scores, np.exp(mean) / np.exp(mean).sum(), atol=5e-9)


def test_nothing_to_look_at_is_a_mistake_of_the_caller(bundle: Bundle) -> None:
    classifier = BundleClassifier(bundle)
    for crops, budget in (([], 1), ([crop(1, 2, 3)], 0)):
        with pytest.raises(ValueError, match="at least"):
            classifier.classify(crops, budget)


def test_the_same_view_gives_the_same_prediction(bundle: Bundle) -> None:
    one, four = BundleClassifier(bundle, threads=1), BundleClassifier(bundle, threads=4)
    view = crop(120, 60, 90)
    before = view.pixels.copy()
    assert one.classify([view], 1) == one.classify([view], 1) == four.classify([view], 1)
    assert (view.pixels == before).all()


def test_a_higher_temperature_is_less_sure() -> None:
    output = Output(dtype="int8", scale=0.1, zero_point=0, kind="logits")
    codes = np.array([10, 30, -20], np.int8)
    cold, hot = (softmax(OwnScores(output).logits(codes), temperature) for temperature in (1.0, 3.0))
    np.testing.assert_allclose(cold, np.exp([1, 3, -2]) / np.exp([1, 3, -2]).sum())
    assert hot.argmax() == cold.argmax()
    assert hot.max() < cold.max()


def test_probabilities_are_taken_as_they_are() -> None:
    output = Output(dtype="uint8", scale=1 / 256, zero_point=0, kind="probabilities")
    codes = np.array([64, 192, 0], np.uint8)
    np.testing.assert_allclose(softmax(OwnScores(output).logits(codes)), [0.25, 0.75, 0.0], atol=1e-5)


def test_thresholds_of_the_bundle_decide_what_is_sure(tiny_bundle: Callable[..., bytes]) -> None:
    strict = Thresholds(minimum_score={"paper": 0.5, "glass": 0.999, "metal": 0.5})
    classifier = BundleClassifier(read_bundle(tiny_bundle(thresholds=strict), "tiny"))
    assert not classifier.is_sure(classifier.classify([crop(0, 255, 0)], 1))
    assert classifier.is_sure(classifier.classify([crop(255, 0, 0)], 1))


def test_pixels_reach_the_network_as_they_are(bundle: Bundle, open_model: OpenInference) -> None:
    interpreter = open_model(bundle)
    for value in (0, 1, 127, 128, 254, 255):
        row = interpreter.run(np.full((32, 32, 3), value, np.uint8))
        np.testing.assert_allclose(interpreter.output.dequantize(row), 4 * value / 255, atol=interpreter.output.scale)


def test_a_picture_of_another_shape_is_refused(bundle: Bundle, open_model: OpenInference) -> None:
    interpreter = open_model(bundle)
    for picture in (np.zeros((31, 32, 3), np.uint8), np.zeros((32, 32, 3), np.int8)):
        with pytest.raises(ValueError, match="expected uint8"):
            interpreter.run(picture)


def test_golden_vectors_are_met_exactly(bundle: Bundle, open_model: OpenInference) -> None:
    result = check_golden(bundle, open_model(bundle), SystemClock().now)
    assert (result.count, result.same_labels, result.worst_steps) == (3, 3, 0)
    assert result.milliseconds > 0


def test_a_device_that_computes_something_else_is_noticed(tiny_bundle: Callable[..., bytes]) -> None:
    right = read_bundle(tiny_bundle(), "tiny")
    inputs, outputs = read_golden(right)

    class OneStepOff(Interpreter):
        def run(self, image: np.ndarray) -> np.ndarray:
            row = super().run(image)
            row[0] += 1
            return row

    wrong = OneStepOff(right.model, "tiny")
    assert run_golden(right, wrong, SystemClock().now).worst_steps == 1
    with pytest.raises(BundleError, match="computes something else"):
        check_golden(right, wrong, SystemClock().now)
    elsewhere = Golden(count=3, tolerance=0, tolerance_other_runtime=1, runtime="another", runtime_version="1")
    assert check_golden(read_bundle(tiny_bundle(golden=elsewhere), "tiny"), wrong, SystemClock().now).worst_steps == 1
    assert inputs.shape == (3, 32, 32, 3)
    assert outputs.shape == (3, 3)


def test_a_model_that_is_none_is_refused(tiny_bundle: Callable[..., bytes], open_model: OpenInference) -> None:
    whole = read_bundle(tiny_bundle(), "tiny")
    for model in (b"", b"TFL3" * 40, bytes(100)):
        with pytest.raises(BundleError, match=r"^tiny: ai-edge-litert can't load model\.tflite .*: convert it anew"):
            open_model(replace(whole, members={**whole.members, "model.tflite": model}))


def test_a_model_that_is_not_the_manifests_is_refused(
    tiny_bundle: Callable[..., bytes], open_model: OpenInference
) -> None:
    wrong = Quantization(dtype="uint8", scale=0.5, zero_point=0)
    with pytest.raises(BundleError, match="disagree on input: expected"):
        open_model(read_bundle(tiny_bundle(input=wrong), "tiny"))


def test_a_runtime_that_is_not_there_names_its_extra(
    tiny_bundle: Callable[..., bytes], open_model: OpenInference
) -> None:
    with pytest.raises(SetupError, match=r"edge-sorter\[tflite-runtime\]"):
        open_model(read_bundle(tiny_bundle(), "tiny"), runtime="tflite-runtime")
