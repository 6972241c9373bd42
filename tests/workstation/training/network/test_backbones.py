"""Backbones by name are the published networks, cut in two, with their pixel preparation folded in."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from edge.errors import ConfigError, DatasetError
from training.network.backbones import Backbone, begins_from_nothing, build_backbone
from training.recipe import Network

PHOTOS = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3)).astype(np.float32)


def features(backbone: Backbone) -> np.ndarray:
    scores, found = backbone.back.predict(backbone.front.predict(PHOTOS - 127.0, verbose=0), verbose=0)
    assert scores.shape == (2, 3)
    return np.asarray(found)


def pooled(whole: Any, prepare: Callable[[np.ndarray], Any]) -> np.ndarray:
    return np.asarray(whole.predict(np.asarray(prepare(PHOTOS.copy())), verbose=0)).mean(axis=(1, 2))


@pytest.mark.parametrize("frozen", [0, 9, 16])
def test_a_network_of_keras_applications_with_local_weights(tmp_path: Path, frozen: int) -> None:
    whole = keras.applications.MobileNetV2(include_top=False, weights=None, input_shape=(64, 64, 3))
    whole.save_weights(tmp_path / "drawn.weights.h5")
    settings = Network(backbone="MobileNetV2", weights="drawn.weights.h5", size=64, frozen_blocks=frozen)
    expected = pooled(whole, keras.applications.mobilenet_v2.preprocess_input)
    np.testing.assert_allclose(features(build_backbone(settings, 3, tmp_path)), expected, rtol=1e-3, atol=1e-4)


def test_a_preset_of_keras_hub_in_a_local_folder(tmp_path: Path) -> None:
    import keras_hub

    stages = 2
    whole = keras_hub.models.EfficientNetBackbone(
        stackwise_width_coefficients=[1.0] * stages, stackwise_depth_coefficients=[1.0] * stages,
        stackwise_kernel_sizes=[3, 5], stackwise_num_repeats=[1, 2], stackwise_input_filters=[16, 8],
        stackwise_output_filters=[8, 16], stackwise_expansion_ratios=[1, 4], stackwise_strides=[1, 2],
        stackwise_squeeze_and_excite_ratios=[0, 0], stackwise_block_types=["v1", "v1"], activation="relu6",
    )  # fmt: skip
    whole.save_to_preset(str(tmp_path / "mine"))
    converter = keras_hub.layers.EfficientNetImageConverter(scale=[1 / 60, 1 / 50, 1 / 40], offset=[-2.0, -1.5, -1.0])
    converter.save_to_preset(str(tmp_path / "mine"))
    built = build_backbone(Network(backbone="mine", size=64, frozen_blocks=8), 3, tmp_path)
    np.testing.assert_allclose(features(built), pooled(whole, converter), rtol=1e-3, atol=1e-4)


def test_an_unknown_name_is_refused_with_the_nearest_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="did you mean MobileNetV2"):
        build_backbone(Network(backbone="MobilNetV2", size=64), 3, tmp_path)


def test_weights_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)]).save_weights(tmp_path / "other.weights.h5")
    with pytest.raises(DatasetError, match="do not fit mobilenetv2"):
        build_backbone(Network(backbone="MobileNetV2", weights="other.weights.h5", size=64), 3, tmp_path)
    with pytest.raises(DatasetError, match="no such weights file"):
        build_backbone(Network(backbone="MobileNetV2", weights="gone.h5", size=64), 3, tmp_path)


def test_a_preset_that_cannot_be_read_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "config.json").write_text(json.dumps({"class_name": "Nothing"}))
    with pytest.raises(ConfigError, match=r"the folder .*broken is no preset that can be read: .*save_to_preset"):
        build_backbone(Network(backbone="broken", size=64), 3, tmp_path)


def test_a_file_that_is_no_npz_or_of_another_shape_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text.npz").write_text("hello")
    np.savez(tmp_path / "small.npz", **{"_conv_stem.weight": np.zeros((4, 3, 3, 3), np.float32)})
    for name, said in (("text.npz", "no .npz file"), ("small.npz", "conv_stem differs")):
        with pytest.raises(DatasetError, match=said):
            build_backbone(Network(weights=name, size=64), 3, tmp_path)


def test_a_preset_that_can_not_be_fetched_names_both_ways_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")  # nothing listens there
    monkeypatch.setenv("KAGGLEHUB_CACHE", str(tmp_path))
    with pytest.raises(ConfigError, match=r"can't be fetched: .* connect this machine .* or fetch .*save_to_preset"):
        build_backbone(Network(backbone="efficientnet_lite0_ra_imagenet", size=64), 3, tmp_path)


def test_a_backbone_without_pre_trained_weights_is_known() -> None:
    for backbone, weights, nothing in (
        ("efficientnet_lite0", None, True),
        ("MobileNetV2", None, True),
        ("MobileNetV2", "imagenet", False),
        ("efficientnet_lite0", "weights.npz", False),
        ("efficientnet_lite0_ra_imagenet", None, False),
    ):
        assert begins_from_nothing(Network(backbone=backbone, weights=weights, size=64)) is nothing
