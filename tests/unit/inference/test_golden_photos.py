"""Golden photos: a device proves its crop function before it trusts what the network says."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import pytest

from edge.bundle.archive import GOLDEN_PHOTOS, Bundle, pack_bundle, read_bundle
from edge.clock import SystemClock
from edge.errors import BundleError
from edge.inference.classifier import open_shipped_bundle
from edge.inference.golden import check_golden
from edge.inference.golden_photos import make_golden_photos
from edge.inference.interpreter import Interpreter, open_interpreter
from edge.types import Box

WithPhotos = Callable[[Callable[[list[dict[str, Any]]], None]], Bundle]


@pytest.fixture
def with_photos(tiny_bundle: Callable[..., bytes]) -> WithPhotos:
    """Pack the tiny bundle with two golden photos, after `change` had its way with them."""

    def build(change: Callable[[list[dict[str, Any]]], None]) -> Bundle:
        plain = read_bundle(tiny_bundle(), "tiny")
        pixels = np.random.default_rng(2).integers(0, 256, (60, 80, 3), dtype=np.uint8)
        photos = [(pixels, None), (pixels, Box(50, 20, 40, 25))]
        tree = json.loads(make_golden_photos(open_interpreter(plain), photos, plain.manifest.geometry))
        change(tree)
        members = {name: content for name, content in plain.members.items() if name != "manifest.json"}
        members[GOLDEN_PHOTOS] = json.dumps(tree).encode()
        return read_bundle(pack_bundle(plain.manifest, members), "tiny")

    return build


def prove(bundle: Bundle) -> int:
    return check_golden(bundle, open_interpreter(bundle), SystemClock().now).photos


def test_golden_photos_go_through_crop_and_network(with_photos: WithPhotos) -> None:
    assert prove(with_photos(lambda photos: None)) == 2


def test_a_bundle_from_before_there_were_golden_photos_is_proven_by_its_vectors(
    tiny_bundle: Callable[..., bytes],
) -> None:
    assert prove(read_bundle(tiny_bundle(), "tiny")) == 0


def test_the_shipped_model_begins_its_self_test_with_photos() -> None:
    assert prove(open_shipped_bundle()) == 3


def test_a_device_that_cuts_photos_out_in_another_way_is_refused(with_photos: WithPhotos) -> None:
    def other_crop(photos: list[dict[str, Any]]) -> None:
        photos[1]["input_sha256"] = "0" * 64

    with pytest.raises(BundleError, match=r"tiny: this device cuts golden photo 2 of 2 out in another way .*OpenCV"):
        prove(with_photos(other_crop))


def test_a_device_whose_network_says_something_else_of_a_photo_is_refused(with_photos: WithPhotos) -> None:
    def other_answer(photos: list[dict[str, Any]]) -> None:
        photos[0]["output"][0] ^= 16

    with pytest.raises(BundleError, match="computes something else"):
        prove(with_photos(other_answer))


def png(height: int, width: int) -> str:
    return base64.b64encode(cv2.imencode(".png", np.zeros((height, width, 3), np.uint8))[1].tobytes()).decode()


@pytest.mark.parametrize(
    "broken",
    [
        {"png": ""},
        {"png": base64.b64encode(b"no picture at all, but long enough").decode()},
        {"png": png(30, 30)[:-40]},
        {"png": png(2001, 2000)},
        {"png": png(30, 30), "box": [500, 500, 10, 10]},
        {"box": [0, 0, 0, 10]},
        {"output": [1, 2]},
        {"output": [1, 2, 300]},
        {"more": 1},
    ],
)
def test_golden_photos_that_are_none_are_a_damaged_bundle(with_photos: WithPhotos, broken: dict[str, Any]) -> None:
    with pytest.raises(BundleError, match=r"^tiny: "):
        prove(with_photos(lambda photos: photos[0].update(broken)))


def test_no_golden_photos_at_all_are_a_damaged_bundle(with_photos: WithPhotos) -> None:
    with pytest.raises(BundleError, match=r"golden-photos\.json is not valid"):
        prove(with_photos(lambda photos: photos.clear()))


def test_photos_are_looked_at_before_the_network_runs(with_photos: WithPhotos) -> None:
    class Never(Interpreter):
        def run(self, image: np.ndarray) -> np.ndarray:
            raise AssertionError("the network ran")

    def other_crop(photos: list[dict[str, Any]]) -> None:
        photos[0]["input_sha256"] = "0" * 64

    bundle = with_photos(other_crop)
    with pytest.raises(BundleError, match="golden photo 1"):
        check_golden(bundle, Never(bundle.model, "tiny"), SystemClock().now)
