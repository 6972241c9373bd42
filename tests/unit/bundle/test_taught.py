"""A taught bundle: the base's network byte for byte, another head, and what is said of its teaching."""

from __future__ import annotations

import json
from collections.abc import Callable

import numpy as np
import pytest
from support.taught import headed_bundle, plain_picture, taught_bundle, teaching

from edge.bundle.archive import MODEL, REPORT_JSON, Bundle, pack_bundle, read_bundle
from edge.bundle.head import LinearHead, quantize_head
from edge.bundle.manifest import Taught, Thresholds, parse_manifest
from edge.bundle.taught import make_taught_bundle
from edge.bundle.version import checked_version, version_order
from edge.clock import SystemClock
from edge.errors import BundleError
from edge.inference.classifier import BundleClassifier
from edge.inference.golden import check_golden
from edge.inference.interpreter import open_interpreter

THREE = ("paper", "glass", "metal")


@pytest.fixture
def base(tiny_bundle: Callable[..., bytes]) -> Bundle:
    return headed_bundle(tiny_bundle, photos=True)


def head_of(base: Bundle, labels: int) -> LinearHead:
    return quantize_head(np.ones((labels, 3)), np.zeros(labels), base.manifest.output)


def test_it_has_the_network_of_its_base_and_its_own_labels(base: Bundle) -> None:
    taught = taught_bundle(base, ("cup", "tetra", "metal", "pet-clear"))
    assert taught.model == base.model
    assert taught.manifest.title == "tiny-2.0+line-1.1"
    assert BundleClassifier(taught).classify_photo(plain_picture("red")).label == "cup"
    assert BundleClassifier(base).classify_photo(plain_picture("red")).label == "paper"


def test_it_passes_the_golden_test_with_vectors_and_photos(base: Bundle) -> None:
    result = check_golden(
        taught_bundle(base, ("cup", "tetra", "metal", "pet")), open_interpreter(base), SystemClock().now
    )
    assert (result.count, result.photos, result.worst_steps, result.same_labels) == (6, 3, 0, 6)


def test_what_is_said_of_the_teaching_is_kept_and_signed(base: Bundle) -> None:
    taught = taught_bundle(base)
    said = parse_manifest(taught.manifest_bytes, "x").taught
    assert said == teaching(base, THREE)
    assert said is not None
    assert (said.labels["paper"].items, said.after["top1"].low) == (10, 0.95)


def test_a_base_without_features_is_refused(tiny_bundle: Callable[..., bytes], base: Bundle) -> None:
    plain = read_bundle(tiny_bundle(), "plain.sorter")
    with pytest.raises(BundleError, match=r"plain\.sorter: tiny-1\.0 is of format 1.*no head can be taught on it"):
        taught_bundle(plain)


def test_a_taught_head_is_no_base(base: Bundle) -> None:
    with pytest.raises(BundleError, match=r"a taught head itself: teach on its base, version 2\.0"):
        taught_bundle(taught_bundle(base))


def test_the_bases_report_is_left_behind_and_extra_members_come_along(base: Bundle) -> None:
    members = {name: base.members[name] for name in (MODEL, "head.bin", "golden.bin")}
    reported = read_bundle(pack_bundle(base.manifest, members | {REPORT_JSON: b"{}"}), "reported")
    assert REPORT_JSON not in taught_bundle(reported).members
    made = make_taught_bundle(
        reported,
        head_of(base, 3),
        THREE,
        base.manifest.thresholds,
        teaching(reported, THREE),
        {REPORT_JSON: b'{"of": "head"}'},
    )
    assert read_bundle(made, "made").members[REPORT_JSON] == b'{"of": "head"}'


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"base": "0" * 64}, "is not this bundle"),
        ({"base_version": "2.1"}, "is not this bundle"),
        ({"model": "0" * 64}, "is not this bundle"),
    ],
)
def test_a_base_that_is_not_the_one_spoken_of_is_refused(
    base: Bundle, changes: dict[str, object], expected: str
) -> None:
    with pytest.raises(BundleError, match=expected):
        taught_bundle(base, **changes)


def make(base: Bundle, head: LinearHead, labels: tuple[str, ...], thresholds: tuple[str, ...]) -> bytes:
    minimum = Thresholds(minimum_score=dict.fromkeys(thresholds, 0.5))
    return make_taught_bundle(base, head, labels, minimum, teaching(base, labels[:1]))


def test_heads_and_labels_that_do_not_belong_together_are_refused(base: Bundle) -> None:
    for head, labels, thresholds, expected in (
        (head_of(base, 4), THREE, THREE, "expected a head of 3 rows and 3 features"),
        (quantize_head(np.ones((3, 2)), np.zeros(3), base.manifest.output), THREE, THREE, "and 3 features"),
        (LinearHead(np.ones((3, 3), np.int16), np.zeros(3, np.int64), 1.0, 99), THREE, THREE, "whose zero is the code"),
        (head_of(base, 3), ("paper", "glass", "paper"), ("paper", "glass"), "twice"),
        (head_of(base, 3), THREE, ("paper", "glass"), "every label"),
        (head_of(base, 2), ("paper", "No Label"), ("paper",), "pattern"),
        (head_of(base, 300), tuple(f"l{i}" for i in range(300)), tuple(f"l{i}" for i in range(300)), "at most 256"),
    ):
        with pytest.raises(BundleError, match=expected):
            make(base, head, labels, thresholds)


def test_the_most_labels_that_a_head_may_have_can_be_packed_and_run(base: Bundle) -> None:
    labels = tuple(f"label-{number}" for number in range(256))
    made = read_bundle(make(base, head_of(base, 256), labels, labels), "many")
    assert check_golden(made, open_interpreter(made), SystemClock().now).worst_steps == 0


def test_a_manifest_that_speaks_of_another_network_is_refused(base: Bundle) -> None:
    taught = taught_bundle(base)
    wrong = Taught.model_validate({**teaching(base, THREE).model_dump(), "model": "0" * 64})
    members = {name: content for name, content in taught.members.items() if name != "manifest.json"}
    with pytest.raises(BundleError, match="is not the network that its head was taught for"):
        pack_bundle(taught.manifest.model_copy(update={"taught": wrong}), members)


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("station", "../line", "station"),
        ("station", "line-2", r"expected 2\.0\+line-2\.1, as taught says"),
        ("number", 0, "number"),
        ("number", 2, r"expected 2\.0\+line-1\.2"),
        ("number", True, "number"),
        ("by", "anna\x1b[31m", "by"),
        ("by", "", "by"),
        ("at", "yesterday", "at"),
        ("at", "2026-11-28T01:56:00", "UTC"),
        ("at", "2026-11-28T01:56:00+02:00", "UTC"),
        ("labels", {}, "labels"),
        ("labels", {"cup": {"items": 1, "pictures": 1}}, "which the model does not tell apart"),
        ("labels", {"paper": {"items": -1, "pictures": 1}}, "items"),
        ("labels", {"paper": {"items": 10**12, "pictures": 1}}, "items"),
        ("after", {"top1": {"value": 0.5, "low": 0.6, "high": 0.7}}, "low <= value <= high"),
        ("after", {"top1": {"value": "0.5", "low": 0.1, "high": 0.7}}, "value"),
        ("base", "1234", "base"),
        ("surprise", 1, "surprise"),
    ],
)
def test_each_wrong_field_of_the_teaching_is_named(base: Bundle, field: str, value: object, said: str) -> None:
    tree = json.loads(taught_bundle(base).manifest_bytes)
    tree["taught"][field] = value
    with pytest.raises(BundleError, match=said):
        parse_manifest(json.dumps(tree).encode(), "a.sorter")


def test_a_network_that_gives_scores_itself_has_no_teaching(tiny_bundle: Callable[..., bytes], base: Bundle) -> None:
    tree = json.loads(read_bundle(tiny_bundle(), "plain").manifest_bytes)
    tree |= {"taught": teaching(base, THREE).model_dump(mode="json"), "version": "2.0+line-1.1"}
    with pytest.raises(BundleError, match="only a head of format 2 can be taught"):
        parse_manifest(json.dumps(tree).encode(), "a.sorter")


def test_a_model_that_was_not_taught_is_written_as_before(base: Bundle) -> None:
    assert b'"taught"' not in base.manifest_bytes


def test_the_bytes_are_the_same_for_the_same_teaching(base: Bundle) -> None:
    assert taught_bundle(base).digest == taught_bundle(base).digest
    assert taught_bundle(base, number=2).digest != taught_bundle(base).digest


@pytest.mark.parametrize("station", ["line-1", "line_1", "line--1", "1", "a-", "x" * 32])
def test_every_stations_name_makes_a_version(base: Bundle, station: str) -> None:
    version = taught_bundle(base, station=station).manifest.version
    assert checked_version(version) == version
    assert version_order("2.0") < version_order(version) < version_order("2.1")


def test_taught_heads_are_counted_not_spelled() -> None:
    assert version_order("2.0+line-1.9") < version_order("2.0+line-1.10")


@pytest.mark.parametrize(
    "version", ["2.0+", "2.0+-1", "2.0+a..1", "2.0+A.1", "2.0+a/1", "2.0-1", "2.0+a+b", "2.0+" + "a" * 41]
)
def test_what_is_no_version_is_refused(version: str) -> None:
    with pytest.raises(ValueError, match="expected a version"):
        checked_version(version)
