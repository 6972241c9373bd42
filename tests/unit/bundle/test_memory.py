"""What a bundle remembers: near enough to the features, and nothing that it can't hold."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.bundle.archive import Bundle, read_bundle
from edge.bundle.manifest import FORMAT_VERSION, HeadShape, Manifest, Output
from edge.bundle.memory import NONE, Memory, most_photos, parse_memory
from edge.errors import BundleError


@pytest.fixture(scope="module")
def manifest(tiny_bundle: Callable[..., bytes]) -> Manifest:
    """Three labels, five features of int8."""
    bundle: Bundle = read_bundle(tiny_bundle(), "tiny")
    output = Output(dtype="int8", scale=0.02, zero_point=-128, kind="features")
    head = HeadShape(features=5, step=0.1)
    return bundle.manifest.model_copy(update={"format_version": FORMAT_VERSION, "output": output, "head": head})


ROWS = st.lists(
    st.tuples(st.lists(st.integers(-128, 127), min_size=5, max_size=5), st.integers(NONE, 2), st.booleans()),
    min_size=1,
    max_size=9,
)


@given(ROWS)
def test_labels_come_back_and_features_to_the_nearest_of_sixteen_steps(
    manifest: Manifest, rows: list[tuple[list[int], int, bool]]
) -> None:
    codes = np.array([row[0] for row in rows], np.int8)
    memory = Memory(codes, np.array([row[1] for row in rows]), np.array([row[2] for row in rows]))
    back = parse_memory(memory.to_bytes(), manifest, "a bundle")
    np.testing.assert_array_equal(back.labels, memory.labels)
    np.testing.assert_array_equal(back.held_out, memory.held_out)
    off = np.abs(back.codes.astype(int) - codes)
    assert np.all(off <= 1 + np.sqrt(255 * (codes.astype(int) + 128)) / 15), off.max()


def test_what_came_back_once_comes_back_the_same_again(manifest: Manifest) -> None:
    codes = np.random.default_rng(3).integers(-128, 128, (40, 5)).astype(np.int8)
    content = Memory(codes, np.zeros(40, np.int64), np.zeros(40, bool)).to_bytes()
    assert parse_memory(content, manifest, "a bundle").to_bytes() == content


def test_nine_hundred_photos_of_a_usual_network_are_room_enough() -> None:
    assert most_photos(1280) >= 900


@pytest.mark.parametrize(
    "content", [b"", b"12345", bytes([3, 0, 0, 0, 0]), bytes([0, 2, 0, 0, 0])], ids=["empty", "size", "label", "flag"]
)
def test_what_no_memory_holds_is_refused(manifest: Manifest, content: bytes) -> None:
    with pytest.raises(BundleError, match=r"memory\.bin"):
        parse_memory(content, manifest, "a bundle")
