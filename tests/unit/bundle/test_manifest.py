"""The manifest: strict, versioned, and clear about what is wrong."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from edge.bundle.archive import read_bundle
from edge.bundle.manifest import FORMAT_VERSION, Quantization, parse_manifest
from edge.errors import BundleError


@pytest.fixture
def tree(tiny_bundle: Callable[..., bytes]) -> dict[str, Any]:
    tree: dict[str, Any] = json.loads(read_bundle(tiny_bundle(), "x").manifest_bytes)
    return tree


def parse(tree: object) -> None:
    parse_manifest(json.dumps(tree).encode(), "a.sorter")


def test_what_is_written_can_be_read_again(tree: dict[str, Any]) -> None:
    manifest = parse_manifest(json.dumps(tree).encode(), "a.sorter")
    assert parse_manifest(manifest.to_json(), "a.sorter") == manifest
    assert manifest.title == "tiny-1.0"


def test_a_newer_format_says_to_update(tree: dict[str, Any]) -> None:
    tree["format_version"] = FORMAT_VERSION + 1
    tree["something_new"] = True
    with pytest.raises(BundleError, match=rf"a\.sorter: expected bundle format {FORMAT_VERSION}.*update edge-sorter"):
        parse(tree)


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        (("surprise",), 1, "surprise"),
        (("name",), "../../etc", "name"),
        (("version",), "1/2", "version"),
        (("labels",), ["paper", "paper", "glass"], "twice"),
        (("labels",), ["paper"], "labels"),
        (("thresholds", "minimum_score"), {"paper": 0.5}, "every label"),
        (("thresholds", "temperature"), 0, "temperature"),
        (("geometry", "width"), 33, "equal"),
        (("geometry", "height"), 10**9, "height"),
        (("input", "dtype"), "float32", "dtype"),
        (("golden", "count"), 0, "count"),
        (("format_version",), "1", "format_version"),
        (("format_version",), True, "format_version"),
        (("format_version",), 1.0, "format_version"),
        (("version",), "1.0final", "version"),
        (("version",), "1.0\n", "version"),
        (("input", "scale"), 1e308, "scale"),
        (("input", "scale"), 1e-320, "scale"),
        (("input", "zero_point"), 300, "zero_point"),
        (("input", "zero_point"), -1, "zero_point"),
        (("output", "scale"), 1e308, "scale"),
        (("thresholds", "temperature"), 1e-308, "temperature"),
        (("thresholds", "temperature"), 1e308, "temperature"),
        (("thresholds", "temperature"), True, "temperature"),
        (("thresholds", "minimum_margin"), "0.1", "minimum_margin"),
        (("geometry", "margin"), "0.1", "margin"),
        (("geometry", "margin"), False, "margin"),
        (("geometry", "height"), 32.0, "height"),
        (("golden", "tolerance"), True, "tolerance"),
        (("golden", "tolerance"), 1e300, "tolerance"),
        (("provenance", "figures"), {"top1": 1e308}, "figures"),
        (("provenance", "figures"), {"top1": "0.9"}, "figures"),
        (("members", "model.tflite", "size"), 2**63, "size"),
        (("members", "model.tflite", "size"), "12", "size"),
    ],
)
def test_each_wrong_field_is_named(tree: dict[str, Any], path: tuple[str, ...], value: object, said: str) -> None:
    parent = tree
    for key in path[:-1]:
        parent = parent[key]
    parent[path[-1]] = value
    with pytest.raises(BundleError, match=said):
        parse(tree)


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"null", b"\xff\xfe", b"[" * 100_000, b'{"format_version": NaN}']
)
def test_what_is_no_manifest_is_refused(content: bytes) -> None:
    with pytest.raises(BundleError, match=r"a\.sorter: manifest\.json"):
        parse_manifest(content, "a.sorter")


def test_codes_become_numbers() -> None:
    quantization = Quantization(dtype="int8", scale=0.5, zero_point=-128)
    np.testing.assert_array_equal(quantization.dequantize(np.array([-128, 0, 127], np.int8)), [0.0, 64.0, 127.5])
