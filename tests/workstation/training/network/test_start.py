"""A training goes on from a bundle: its network computes what the bundle's 8-bit file computes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from converter.convert import Converted
from edge.errors import ConfigError
from training.network.backbones import build_backbone
from training.network.efficientnet_lite import STAGES_OF_LITE2, build_back, build_front
from training.network.start import go_on_from
from training.recipe import Network
from training.run_folder import Run


def features(network: Network, data: Path, pixels: np.ndarray) -> np.ndarray:
    built = build_backbone(network, 2, data)
    return np.asarray(built.back(built.front(pixels))[1])


def scrambled(weights: Path, out: Path) -> None:
    """The same weights with every kernel drawn anew: as far from the bundle's network as before any training."""
    rng = np.random.default_rng(0)
    with np.load(weights) as stored:
        arrays = {name: stored[name] for name in stored.files}
    drawn = {name: rng.normal(0, 0.05, array.shape) for name, array in arrays.items() if array.ndim == 4}
    np.savez(out, **{**arrays, **drawn})  # type: ignore[arg-type]


def test_a_network_that_goes_on_from_a_bundle_has_its_features(
    tiny_run: Path, tiny_data: Path, converted: Converted, tmp_path: Path
) -> None:
    (tmp_path / "tiny.sorter").write_bytes(converted.bundle)
    scrambled(tiny_data / "weights.npz", tmp_path / "scrambled.npz")
    front, back = Run(tiny_run).load_network().layers[-2:]
    pixels = np.random.default_rng(0).integers(0, 256, (4, 64, 64, 3)).astype(np.float32) - 127
    expected = np.asarray(back(front(pixels))[1])
    network = Network(weights="scrambled.npz", size=64, frozen_blocks=11)
    before = features(network, tmp_path, pixels)
    after = features(network.model_copy(update={"start": "tiny.sorter"}), tmp_path, pixels)
    assert np.abs(after - expected).mean() < 0.2 * np.abs(before - expected).mean()


def test_a_bundle_of_another_backbone_is_refused(converted: Converted, tmp_path: Path) -> None:
    (tmp_path / "tiny.sorter").write_bytes(converted.bundle)
    front = build_front(64, 11, STAGES_OF_LITE2)
    back = build_back(front.outputs[0].shape[1:], 11, 2, 0.0, STAGES_OF_LITE2)
    with pytest.raises(ConfigError, match="expected a network of the recipe's own backbone"):
        go_on_from(front, back, tmp_path / "tiny.sorter")


@pytest.mark.parametrize("network", [{}, {"backbone": "MobileNetV2", "weights": "imagenet"}])
def test_a_start_without_the_weights_it_came_from_is_refused(network: dict[str, str]) -> None:
    with pytest.raises(ValidationError, match="those that the bundle came from"):
        Network.model_validate({**network, "start": "tiny.sorter"})
