"""Photos as telephones, Macs and notebooks leave them: which files are read, which way up, and what is refused."""

from __future__ import annotations

import contextlib
import io
import os
import re
import struct
import tempfile
import unicodedata
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageOps

from edge.bundle.manifest import LABEL
from edge.bundle.photo import MOST_PIXELS, PhotoError, check_photo, load_photo
from edge.bundle.photo_tree import as_label, check_unreadable, find_photos, label_folders, photos_in
from edge.simulate.render.photo_stock import find_photos as find_stock

ORIENTATION = 0x0112


def corner() -> Image.Image:
    """Each of the eight ways in which it may lie looks different."""
    pixels = np.zeros((60, 100, 3), np.uint8)
    pixels[:, :30], pixels[:20, :30] = (220, 40, 40), (0, 255, 0)
    return Image.fromarray(pixels)


def encoded(picture: Image.Image, kind: str, orientation: int = 1) -> bytes:
    exif, file = Image.Exif(), io.BytesIO()
    exif[ORIENTATION] = orientation
    options = {"JPEG": {"quality": 100, "subsampling": 0}, "WEBP": {"lossless": True}}.get(kind[:4], {})
    picture.save(file, kind[:4], exif=exif, **options)
    return as_phones_write(file.getvalue()) if kind == "WEBP of a phone" else file.getvalue()


def as_phones_write(webp: bytes) -> bytes:
    """The EXIF chunk with the six bytes before it that belong into a JPEG only."""
    at = webp.index(b"EXIF")
    entry = b"Exif\0\0" + webp[at + 8 : at + 8 + struct.unpack("<I", webp[at + 4 : at + 8])[0]]
    chunk = b"EXIF" + struct.pack("<I", len(entry)) + entry + b"\0" * (len(entry) % 2)
    return webp[:4] + struct.pack("<I", at + len(chunk) - 8) + webp[8:at] + chunk


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP", "WEBP of a phone"])
def test_every_kind_is_turned_and_mirrored_as_its_exif_entry_says(tmp_path: Path, kind: str, orientation: int) -> None:
    (tmp_path / "a").write_bytes(encoded(corner(), kind, orientation))
    wanted = corner()
    wanted.getexif()[ORIENTATION] = orientation
    upright = np.asarray(ImageOps.exif_transpose(wanted), np.int16)
    found = load_photo(tmp_path / "a").astype(np.int16)
    assert found.shape == upright.shape
    assert np.abs(found - upright).max() < 12


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize(("at_least", "longest"), [(26, 50), (50, 50), (51, 100), (12, 12), (1000, 100)])
def test_who_needs_few_pixels_gets_a_smaller_jpeg_but_never_fewer_and_turned_all_the_same(
    tmp_path: Path, kind: str, at_least: int, longest: int
) -> None:
    (tmp_path / "photo").write_bytes(encoded(corner(), kind, orientation=6))
    pixels = load_photo(tmp_path / "photo", at_least=at_least)
    scale = longest / 100 if kind == "JPEG" else 1.0
    height, width = pixels.shape[:2]
    assert (height, width) == pytest.approx((100 * scale, 60 * scale), abs=1)
    red, green, _ = pixels[height // 10, width * 9 // 10]
    assert green > 200 > 60 > red, "the green corner is at the right when it is turned"


@given(st.binary(max_size=40), st.integers(0, 200))
def test_a_damaged_exif_entry_is_no_other_error(junk: bytes, at: int) -> None:
    whole = encoded(corner(), "WEBP", 6)
    start = whole.index(b"EXIF") + 8
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.webp"
        path.write_bytes(whole[: start + at] + junk + whole[start + at + len(junk) :])
        with contextlib.suppress(PhotoError):
            assert load_photo(path).dtype == np.uint8


def with_thumbnail(jpeg: bytes) -> bytes:
    """A JPEG with another whole JPEG in its header, as every camera writes it."""
    small = cv2.imencode(".jpg", np.zeros((16, 16, 3), np.uint8))[1].tobytes()
    segment = b"Exif\0\0" + small
    return jpeg[:2] + b"\xff\xe1" + (len(segment) + 2).to_bytes(2, "big") + segment + jpeg[2:]


@pytest.mark.parametrize("progressive", [0, 1])
def test_a_cut_off_jpeg_is_refused_although_its_thumbnail_is_whole(tmp_path: Path, progressive: int) -> None:
    noise = np.random.default_rng(1).integers(0, 256, (200, 300, 3), dtype=np.uint8)
    whole = with_thumbnail(cv2.imencode(".jpg", noise, [cv2.IMWRITE_JPEG_PROGRESSIVE, progressive])[1].tobytes())
    path = tmp_path / "a.jpg"
    path.write_bytes(whole + b"a film of the same moment behind it")
    assert load_photo(path).shape == (200, 300, 3)
    for share in (0.5, 0.9, 0.999):
        path.write_bytes(whole[: int(share * len(whole))])
        for read in (load_photo, check_photo):
            with pytest.raises(PhotoError, match=r"a\.jpg: the JPEG is cut off"):
                read(path)


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP", "BMP"])
def test_other_kinds_that_are_cut_off_are_refused(tmp_path: Path, kind: str) -> None:
    file = io.BytesIO()
    Image.fromarray(np.random.default_rng(1).integers(0, 256, (60, 80, 3), dtype=np.uint8)).save(file, kind)
    (tmp_path / "a").write_bytes(file.getvalue()[: len(file.getvalue()) // 2])
    for read in (load_photo, check_photo):
        with pytest.raises(PhotoError, match=r"cut off|something else"):
            read(tmp_path / "a")


def png_that_claims(width: int, height: int) -> bytes:
    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b"\0" * 1000))
        + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("size", [(50_000, 50_000), (12_000, 10_001), (13_000, 13_000)])
def test_a_small_file_that_claims_a_huge_picture_is_refused_before_it_is_decoded(
    tmp_path: Path, size: tuple[int, int]
) -> None:
    assert size[0] * size[1] > MOST_PIXELS
    (tmp_path / "bomb.png").write_bytes(png_that_claims(*size))
    for read in (load_photo, check_photo):
        with pytest.raises(PhotoError, match=r"bomb\.png: larger than 120 million pixels"):
            read(tmp_path / "bomb.png")


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        (
            "a.heic",
            b"\0\0\0\x18ftypheic\0\0\0\0",
            r"HEIC photos are not read: save it as JPEG \(heif-convert a.heic a.jpg",
        ),
        ("a.jpg", b"\0\0\0\x18ftypmif1\0\0\0\0", "HEIC photos are not read"),
        ("a.avif", b"\0\0\0\x18ftypavif\0\0\0\0", "AVIF photos are not read"),
        ("a.gif", b"GIF89a\1\0\1\0", "GIF files are not read: save the picture that you mean as PNG or JPEG"),
        ("a.jpg", b"", r"the file is empty \(0 bytes\)"),
        ("a.jpg", b"<html>not found</html>", "expected a photo .*, got something else"),
    ],
)
def test_what_is_no_photo_is_refused_with_what_to_do(tmp_path: Path, name: str, content: bytes, said: str) -> None:
    (tmp_path / name).write_bytes(content)
    for read in (load_photo, check_photo):
        with pytest.raises(PhotoError, match=f"{name}: {said}"):
            read(tmp_path / name)


def test_of_a_moving_webp_the_first_picture_is_read(tmp_path: Path) -> None:
    red, blue = Image.new("RGB", (64, 48), (200, 0, 0)), Image.new("RGB", (64, 48), (0, 0, 200))
    red.save(tmp_path / "a.webp", save_all=True, append_images=[blue], lossless=True)
    assert load_photo(tmp_path / "a.webp")[20, 20].tolist() == [200, 0, 0]


LITTER = (
    ".ipynb_checkpoints/a-checkpoint.jpg",
    "__MACOSX/can/._a.jpg",
    "can/.ipynb_checkpoints/a-checkpoint.jpg",
    "can/._a.jpg",
    "can/@eaDir/a.jpg",
    "$RECYCLE.BIN/a.jpg",
    ".DS_Store",
    "can/a.mask.png",
)


@pytest.fixture
def littered(tmp_path: Path) -> Path:
    for name in ("can/a.jpg", "glass/deeper/b.PNG", *LITTER):
        path = tmp_path / "photos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encoded(corner(), "PNG"))
    return tmp_path / "photos"


def test_what_systems_leave_among_photos_is_neither_a_label_nor_a_photo(littered: Path) -> None:
    assert [folder.name for folder in label_folders(littered)] == ["can", "glass"]
    wanted = [littered / "can/a.jpg", littered / "glass/deeper/b.PNG"]
    assert photos_in(littered) == find_photos([littered]) == wanted
    assert find_stock(littered) == {"can": wanted[:1], "glass": wanted[1:]}


def test_a_pipe_is_passed_over_and_a_link_that_leads_nowhere_is_named(littered: Path) -> None:
    os.mkfifo(littered / "can" / "pipe.jpg")
    (littered / "can" / "gone.jpg").symlink_to("nowhere.jpg")
    assert [path.name for path in photos_in(littered / "can")] == ["a.jpg", "gone.jpg"]
    with pytest.raises(PhotoError, match=r"gone\.jpg: can't read it \(a link to something that is not there"):
        check_photo(littered / "can" / "gone.jpg")


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("Can", "can"),
        ("Plastic Bottles", "plastic-bottles"),
        ("Grünglas", "gruenglas"),
        ("PET / clear", "pet-clear"),
        ("7-Up Cans", "up-cans"),
        ("金属", ""),
        ("trash-", "trash-"),
    ],
)
def test_a_folders_name_means_a_label(name: str, label: str) -> None:
    assert as_label(name) == label


@given(st.text())
def test_a_label_is_one_that_bundles_take_and_stays_itself_in_every_spelling(name: str) -> None:
    label = as_label(name)
    assert label == "" or re.fullmatch(LABEL, label)
    assert as_label(label) == label
    assert as_label(unicodedata.normalize("NFD", name)) == as_label(unicodedata.normalize("NFC", name)) == label


@given(st.integers(0, 200), st.integers(0, 200))
def test_one_photo_in_ten_and_one_of_a_few_may_be_unreadable(bad: int, good: int) -> None:
    errors = [PhotoError(f"{number}.jpg") for number in range(bad)]
    if bad <= max(1, (bad + good) // 10) and (good or not bad):
        check_unreadable(errors, bad + good)
    else:
        with pytest.raises(PhotoError, match=f"{bad} of {bad + good} photos can't be read, the first: 0.jpg"):
            check_unreadable(errors, bad + good)
