"""`sorter classify`: photos of every kind in, a table or JSON out, odd files named."""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from edge.bundle.photo import PhotoError, load_photo
from edge.bundle.photo_tree import find_photos
from edge.cli import root
from edge.errors import BundleError

GREEN_BGR = (20, 230, 20)


@pytest.fixture
def bundle(tiny_bundle: Callable[..., bytes], tmp_path: Path) -> Path:
    path = tmp_path / "tiny-1.0.sorter"
    path.write_bytes(tiny_bundle())
    return path


def write_photo(path: Path, bgr: tuple[int, int, int] = GREEN_BGR, shape: tuple[int, int] = (40, 60)) -> Path:
    path.parent.mkdir(exist_ok=True)
    assert cv2.imwrite(str(path), np.full((*shape, 3), bgr, np.uint8))
    return path


def with_orientation(jpeg: bytes, orientation: int) -> bytes:
    """The JPEG with an EXIF block that holds the orientation entry only."""
    tiff = b"II*\0" + struct.pack("<LHHHLHHL", 8, 1, 0x0112, 3, 1, orientation, 0, 0)
    body = b"Exif\0\0" + tiff
    return jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body + jpeg[2:]


def test_one_json_object_with_every_score(bundle: Path, tmp_path: Path) -> None:
    photo = write_photo(tmp_path / "photos" / "bottle.png")
    result = CliRunner().invoke(root, ["classify", str(photo), "--bundle", str(bundle), "--json"])
    assert result.exit_code == 0
    answer = json.loads(result.stdout)
    assert answer["bundle"] == "tiny-1.0"
    (entry,) = answer["photos"]
    assert (entry["photo"], entry["label"], entry["sure"]) == (str(photo), "glass", True)
    assert set(entry["scores"]) == {"paper", "glass", "metal"}
    assert answer["failed"] == []


def test_folders_are_searched_and_the_table_names_every_photo(bundle: Path, tmp_path: Path) -> None:
    for name in ("b.jpg", "a.PNG", "c.webp"):
        write_photo(tmp_path / "photos" / name)
    (tmp_path / "photos" / "notes.txt").write_text("no photo")
    result = CliRunner().invoke(root, ["classify", str(tmp_path / "photos"), "--bundle", str(bundle)])
    assert result.exit_code == 0
    assert result.stdout.count("glass") == 3
    assert [path.name for path in find_photos([tmp_path / "photos"])] == ["a.PNG", "b.jpg", "c.webp"]


def test_odd_files_are_named_and_the_others_are_still_classified(bundle: Path, tmp_path: Path) -> None:
    good = write_photo(tmp_path / "good.jpg")
    odd = tmp_path / "odd.jpg"
    odd.write_bytes(b"not a photo")
    result = CliRunner().invoke(root, ["classify", str(odd), str(good), "--bundle", str(bundle), "--json"])
    assert result.exit_code == PhotoError.exit_code
    answer = json.loads(result.stdout)
    assert [entry["photo"] for entry in answer["photos"]] == [str(good)]
    assert [entry["photo"] for entry in answer["failed"]] == [str(odd)]


def test_a_bundle_that_is_none_ends_in_one_sentence(tmp_path: Path) -> None:
    photo = write_photo(tmp_path / "a.png")
    result = CliRunner().invoke(root, ["classify", str(photo), "--bundle", str(photo)])
    assert isinstance(result.exception, BundleError)


@pytest.mark.parametrize(("orientation", "turned"), [(1, 0), (3, 2), (6, 3), (8, 1)])
def test_photos_are_turned_as_their_exif_entry_says(tmp_path: Path, orientation: int, turned: int) -> None:
    pixels = np.zeros((40, 60, 3), np.uint8)
    pixels[:20, :30] = 255
    encoded = cv2.imencode(".jpg", pixels)[1].tobytes()
    path = tmp_path / "a.jpg"
    path.write_bytes(with_orientation(encoded, orientation))
    expected = np.rot90(cv2.imdecode(np.frombuffer(encoded, np.uint8), cv2.IMREAD_COLOR), turned)
    np.testing.assert_array_equal(load_photo(path), expected)


def test_colours_are_red_green_blue(tmp_path: Path) -> None:
    path = write_photo(tmp_path / "a.png", bgr=(10, 20, 30))
    assert load_photo(path)[0, 0].tolist() == [30, 20, 10]


@pytest.mark.parametrize(
    ("dtype", "channels"), [(np.uint8, 1), (np.uint8, 4), (np.uint16, 3)], ids=["grey", "alpha", "16-bit"]
)
def test_other_pixel_formats_become_8_bit_rgb(tmp_path: Path, dtype: type, channels: int) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), np.full((20, 30, channels), 200 if dtype is np.uint8 else 51400, dtype))
    pixels = load_photo(tmp_path / "a.png")
    assert pixels.shape == (20, 30, 3)
    assert (pixels == 200).all()


def test_files_that_are_no_whole_photo_are_refused(tmp_path: Path) -> None:
    whole = cv2.imencode(".jpg", np.random.default_rng(1).integers(0, 256, (64, 64, 3), dtype=np.uint8))[1].tobytes()
    for name, content, said in (("cut", whole[:-500], "cut off"), ("empty", b"", "the file is empty")):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(PhotoError, match=said):
            load_photo(tmp_path / name)
    with pytest.raises(PhotoError, match="can't read"):
        load_photo(tmp_path / "absent.jpg")
    (tmp_path / "folder").mkdir()
    with pytest.raises(PhotoError, match="no photos"):
        find_photos([tmp_path / "folder"])


def test_nothing_but_the_answer_is_printed_unless_native_logs_are_asked_for(bundle: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "edge", "classify", str(write_photo(tmp_path / "a.jpg")), "--bundle", str(bundle)]
    quiet = subprocess.run(command, capture_output=True, text=True, check=True)
    assert quiet.stderr == ""
    told = subprocess.run(
        command, capture_output=True, text=True, check=True, env={**os.environ, "SORTER_NATIVE_LOGS": "1"}
    )
    assert "XNNPACK" in told.stderr
