"""`sorter teach` with pictures: what comes of them, and what is said where nothing can."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from support.taught import COLOURS, headed_bundle
from typer.testing import CliRunner

from edge.bundle.archive import bundle_bytes, open_bundle
from edge.bundle.pictures import encode_png
from edge.cli import root
from edge.errors import BundleError, ConfigError, SorterError, TeachingError
from edge.inference.classifier import BundleClassifier

# Here paper is blue and metal is red, which the base calls the other way round.
HERE = {"paper": "blue", "glass": "green", "metal": "red"}


@pytest.fixture
def base(tmp_path: Path, tiny_bundle: Callable[..., bytes]) -> Path:
    path = tmp_path / "tiny-2.0.sorter"
    path.write_bytes(bundle_bytes(headed_bundle(tiny_bundle)))
    return path


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    random = np.random.default_rng(1)
    for label, colour in HERE.items():
        (folder / label).mkdir(parents=True)
        for number in range(8):
            pixels = np.clip(np.array(COLOURS[colour]) + random.normal(0, 25, (1, 1, 3)), 0, 255)
            (folder / label / f"{number}.png").write_bytes(encode_png(np.tile(pixels, (40, 40, 1)).astype(np.uint8)))
    return folder


def teach(*arguments: object) -> tuple[str, SorterError | None]:
    result = CliRunner().invoke(root, ["teach", *map(str, arguments)], env={"COLUMNS": "150"})
    assert result.exception is None or isinstance(result.exception, SorterError | SystemExit), result.exception
    return result.stdout, result.exception if isinstance(result.exception, SorterError) else None


def test_pictures_of_a_place_become_a_bundle_that_knows_it(base: Path, photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "here.sorter"
    told, error = teach("--photos", photos, "--bundle", base, "--out", out, "--name", "line-1")
    assert error is None
    assert "has no memory" in told
    made = open_bundle(out)
    assert made.manifest.title == "tiny-2.0+line-1.1"
    for label, colour in HERE.items():
        assert (
            BundleClassifier(made).classify_photo(np.tile(np.array(COLOURS[colour], np.uint8), (40, 40, 1))).label
            == label
        )


def test_a_program_gets_the_same_as_json(base: Path, photos: Path, tmp_path: Path) -> None:
    out, arguments = tmp_path / "here.sorter", ["--photos", photos, "--bundle", base]
    told, _ = teach(*arguments, "--out", out, "--json")
    tree = json.loads(told)
    assert tree["refused"] is None
    assert tree["labels"]["paper"]["items"] >= 2
    assert tree["after"]["top1"]["value"] > tree["before"]["top1"]["value"]


def test_a_head_that_is_not_better_writes_nothing_and_says_why(base: Path, photos: Path, tmp_path: Path) -> None:
    for one, other in (("paper", "aside"), ("metal", "paper"), ("aside", "metal")):
        (photos / one).rename(photos / other)  # as the base knows them
    _, error = teach("--photos", photos, "--bundle", base, "--out", tmp_path / "here.sorter")
    assert isinstance(error, TeachingError)
    assert "not better than the base" in str(error)
    assert not (tmp_path / "here.sorter").exists()


def test_a_new_label_is_told_and_one_that_may_be_a_slip_is_asked_about(
    base: Path, photos: Path, tmp_path: Path
) -> None:
    (photos / "metal").rename(photos / "Metals")
    told, error = teach("--photos", photos, "--bundle", base, "--out", tmp_path / "here.sorter")
    assert error is None
    assert "metals is a new label" in told
    assert "if metal is meant, name its folder so" in told
    assert open_bundle(tmp_path / "here.sorter").labels == ("paper", "glass", "metal", "metals")


@pytest.mark.parametrize(
    ("arguments", "kind", "said"),
    [
        (("--photos", "{photos}", "--labelled", "{photos}"), ConfigError, "--photos FOLDER or --labelled FOLDER"),
        (("--photos", "{photos}/nowhere"), TeachingError, "no such folder"),
        (("--photos", "{photos}/paper"), TeachingError, "holds no pictures in folders of their label"),
        (("--labelled", "{photos}"), TeachingError, "no picture in it has a label: run `sorter label"),
        (("--photos", "{photos}", "--name", "Line 1"), ConfigError, "--name 'Line 1': expected the station's name"),
    ],
)
def test_what_can_not_be_taught_with_is_said_in_a_sentence(
    base: Path, photos: Path, arguments: tuple[str, ...], kind: type[SorterError], said: str
) -> None:
    _, error = teach(*(text.format(photos=photos) for text in arguments), "--bundle", base)
    assert isinstance(error, kind)
    assert said in str(error)


def test_a_base_without_features_is_refused(photos: Path, tmp_path: Path, tiny_bundle: Callable[..., bytes]) -> None:
    (tmp_path / "old.sorter").write_bytes(tiny_bundle())
    _, error = teach("--photos", photos, "--bundle", tmp_path / "old.sorter")
    assert isinstance(error, BundleError)
    assert "no head can be taught on it" in str(error)


def test_a_picture_that_can_not_be_read_is_named_and_the_others_are_learnt_from(
    base: Path, photos: Path, tmp_path: Path
) -> None:
    (photos / "paper" / "torn.jpg").write_bytes(b"\xff\xd8\xff")
    told, error = teach("--photos", photos, "--bundle", base, "--out", tmp_path / "here.sorter")
    assert error is None
    assert "torn.jpg" in told


def test_a_second_head_is_the_next_and_no_file_is_written_over(
    base: Path, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for number in (1, 2):
        told, error = teach("--photos", photos, "--bundle", base, "--name", "line_1")
        assert error is None
        assert f"sorter key sign tiny-2.0+line-1.{number}.sorter" in told
    _, error = teach("--photos", photos, "--bundle", base, "--out", tmp_path / "tiny-2.0+line-1.1.sorter")
    assert isinstance(error, TeachingError)
    assert "is there already" in str(error)
