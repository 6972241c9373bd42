"""What every format promises: read, refused and written in the same way, whatever its files look like."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image as Pillow
from support.exports import BOXES, CUP, SIZE, WRITERS, save, scene, write_multi_label
from support.labelled import write_labelled

from edge.errors import DatasetError, SorterError
from training.dataset.exchange.entries import PassedOver
from training.dataset.exchange.exporting import export
from training.dataset.exchange.files import Files
from training.dataset.exchange.formats import FORMATS, WRITABLE
from training.dataset.exchange.importing import import_into
from training.dataset.exchange.making import Imported, ImportOptions
from training.dataset.exchange.source import Kept, read_kept
from training.dataset.photos import read_photos

EXPORTS: dict[str, Callable[[Path], Path]] = {
    **WRITERS,
    "labelled": write_labelled,
    "multi-label": write_multi_label,
}
BOXED = sorted(set(WRITERS) - {"folders"})
LABELS = {"gruene-flasche-1", "can", "pappbecher"}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir()
    return tmp_path / "data"


def bring(data: Path, given: Path, **options: object) -> Imported:
    return import_into(data, given, ImportOptions(**options))  # type: ignore[arg-type]


def pixels_of(source: Path) -> dict[str, np.ndarray]:
    """By label, the picture; of one that has one of each."""
    kept = read_kept(source)
    return {row.label: np.asarray(Pillow.open(source / path)) for path, row in kept.items()}


def imported(done: Imported) -> int:
    return sum(counts.total() for counts in done.counts.values())


def places(passed_over: PassedOver) -> str:
    return "\n".join(passed_over.lines())


def test_there_is_an_export_to_try_of_each_format() -> None:
    assert set(EXPORTS) == set(FORMATS)
    assert set(WRITABLE) < set(FORMATS)


@pytest.mark.parametrize("name", EXPORTS)
def test_a_format_is_recognised_by_what_it_looks_like(name: str, tmp_path: Path) -> None:
    files = Files(EXPORTS[name](tmp_path / "export"))
    assert [one.name for one in FORMATS.values() if one.name != "folders" and one.recognises(files)] == (
        [] if name == "folders" else [name]
    )


@pytest.mark.parametrize("name", sorted(WRITERS))
def test_the_same_things_come_out_of_every_format(name: str, tmp_path: Path, data: Path) -> None:
    done = bring(data, WRITERS[name](tmp_path / "export"), source="hall")
    assert done.format == name
    assert done.counts["hall"] == dict.fromkeys(LABELS, 1)
    assert done.passed_over.lines() == []
    found = pixels_of(data / "hall")
    left, top, right, bottom = CUP
    assert np.array_equal(found["pappbecher"], scene(2)[top - 9 : bottom + 9, left - 9 : right + 9])
    # Where the picture ends the margin ends.
    left, top, right, bottom = BOXES["can"]
    assert np.array_equal(found["can"], scene(1)[top - 10 : SIZE[1], left - 10 : SIZE[0]])


@pytest.mark.parametrize("name", BOXED)
def test_crops_of_one_picture_stay_together_and_their_boxes_are_kept(name: str, tmp_path: Path, data: Path) -> None:
    bring(data, WRITERS[name](tmp_path / "export"), source="hall")
    kept = {row.label: row for row in read_kept(data / "hall").values()}
    assert kept["can"].item == kept["gruene-flasche-1"].item != kept["pappbecher"].item
    assert all(row.item for row in kept.values())
    box = kept["pappbecher"].box
    assert box is not None
    assert (box.x, box.y, box.width, box.height) == (9, 9, 60, 60)


@pytest.mark.parametrize("name", sorted(WRITERS))
def test_a_zip_is_as_good_as_the_folder(name: str, tmp_path: Path, data: Path) -> None:
    folder = WRITERS[name](tmp_path / "export")
    archive = Path(shutil.make_archive(str(tmp_path / "export"), "zip", folder))
    bring(data, folder, source="folder")
    bring(data, archive, source="zip")
    assert read_kept(data / "zip").keys() == read_kept(data / "folder").keys()


@pytest.mark.parametrize("name", EXPORTS)
def test_a_picture_that_is_gone_or_broken_is_named_and_the_others_are_imported(
    name: str, tmp_path: Path, data: Path
) -> None:
    folder = EXPORTS[name](tmp_path / "export")
    gone = next(path for path in sorted(folder.rglob("*.png")) if "Grüne" in str(path) or path.name.startswith("bin"))
    whole, broken, lacking = (data / place for place in ("whole", "broken", "lacking"))
    for place in (whole, broken, lacking):
        place.mkdir()
    before = imported(bring(whole, folder))
    gone.write_bytes(gone.read_bytes()[:60])
    done = bring(broken, folder)
    assert 0 < imported(done) < before
    assert f"{gone.name}: the photo is damaged" in places(done.passed_over)
    gone.unlink()
    done = bring(lacking, folder)
    assert 0 < imported(done) < before
    assert name in ("folders", "yolo") or "pictures that are not there: " in places(done.passed_over)


@pytest.mark.parametrize("name", EXPORTS)
@pytest.mark.parametrize("damage", ["cut", "zeros", "utf-16", "empty", "deep"])
def test_damaged_labels_are_named_and_never_a_traceback(name: str, damage: str, tmp_path: Path, data: Path) -> None:
    folder = EXPORTS[name](tmp_path / "export")
    labels = [path for path in sorted(folder.rglob("*.*")) if path.suffix != ".png"]
    for path in labels:
        content = path.read_bytes()
        path.write_bytes(
            {
                "cut": content[: len(content) // 2],
                "zeros": bytes(400),
                "utf-16": content.decode().encode("utf-16"),
                "empty": b"",
                "deep": b"[" * 200_000,
            }[damage]
        )
    try:
        said = bring(data, folder, source="damaged", format=name).passed_over.lines()
    except SorterError as error:
        said = [str(error)]
        assert sorted(data.iterdir()) == []
    # XML says itself how it is encoded, and folders have no labels to damage.
    assert said or (name, damage) == ("voc", "utf-16") or name == "folders"
    assert not said or any(path.name in line for path in labels for line in said) or "nothing in it" in said[0]


@settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
@given(name=st.sampled_from(sorted(EXPORTS)), noise=st.data())
def test_no_change_of_a_byte_of_the_labels_makes_more_than_a_sentence(name: str, noise: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as place:
        folder = EXPORTS[name](Path(place) / "export")
        (Path(place) / "data").mkdir()
        labels = [path for path in sorted(folder.rglob("*.*")) if path.suffix != ".png"]
        if labels:
            path = noise.draw(st.sampled_from(labels))
            content = bytearray(path.read_bytes())
            for _ in range(noise.draw(st.integers(1, 4))):
                at = noise.draw(st.integers(0, len(content) - 1))
                content[at : at + noise.draw(st.integers(0, 3))] = noise.draw(st.binary(max_size=6))
                content = content or bytearray(b" ")
            path.write_bytes(content)
        with contextlib.suppress(SorterError):
            done = bring(Path(place) / "data", folder, format=name)
            assert imported(done) <= 6


@pytest.mark.parametrize("name", EXPORTS)
def test_links_are_not_followed(name: str, tmp_path: Path, data: Path) -> None:
    folder = EXPORTS[name](tmp_path / "export")
    secret = save(tmp_path / "secret.png", 70)
    linked = sorted(folder.rglob("*.png"))[0]
    linked.unlink()
    linked.symlink_to(secret)
    done = bring(data, folder)
    assert "links, which are not followed: 1" in places(done.passed_over)
    stored = [np.asarray(Pillow.open(path)) for path in data.rglob("*.png")]
    assert stored
    assert not any(np.array_equal(pixels, scene(70)) for pixels in stored)


# Two photos of different seeds never have the same pixels.
PHOTOS = st.lists(
    st.tuples(
        st.sampled_from(["glass", "metal", "a_b-1"]),
        st.sampled_from([".png", ".jpg"]),
        st.tuples(st.integers(20, 90), st.integers(20, 90)),
        st.tuples(st.floats(0, 0.7), st.floats(0, 0.7), st.floats(0.05, 0.3), st.floats(0.05, 0.3)),
        st.booleans(),
    ),
    min_size=1,
    max_size=5,
)


def content_of(source: Path) -> set[tuple[str, str, tuple[int, int, int, int] | None, bytes]]:
    """Of each photo its name, label, box and bytes."""
    return {(row.path, row.label, boxed(row), (source / row.path).read_bytes()) for row in read_kept(source).values()}


def boxed(row: Kept) -> tuple[int, int, int, int] | None:
    return None if row.box is None else (row.box.x, row.box.y, row.box.width, row.box.height)


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(photos=PHOTOS, margin=st.sampled_from([0.0, 0.15, 0.5]), name=st.sampled_from(sorted(WRITABLE)))
def test_what_is_exported_and_imported_again_is_the_same(
    photos: list[tuple[str, str, tuple[int, int], tuple[float, ...], bool]], margin: float, name: str
) -> None:
    with tempfile.TemporaryDirectory() as place:
        folder, data = Path(place) / "given", Path(place) / "data"
        data.mkdir()
        rows = ["path,label,x,y,width,height"]
        for seed, (label, suffix, size, (x, y, width, height), whole) in enumerate(photos):
            save(folder / f"{seed}{suffix}", seed, size)
            sides = (x * size[0], y * size[1], width * size[0], height * size[1])
            rows.append(f"{seed}{suffix},{label},{',,,' if whole else ','.join(map(str, sides))}")
        (folder / "list.csv").write_text("\n".join(rows))
        bring(data, folder, source="first", margin=margin, smallest=1)
        export(read_photos(data / "first"), Path(place) / "out", name)
        bring(data, Path(place) / "out", source="again", margin=margin, smallest=1)
        first, again = content_of(data / "first"), content_of(data / "again")
        if name == "folders":  # which hold no boxes
            first = {(path, label, None, content) for path, label, _, content in first}
        assert again == first


@pytest.mark.parametrize("name", ["coco", "csv", "label-studio"])
def test_what_belongs_together_does_so_after_an_export_too(name: str, tmp_path: Path, data: Path) -> None:
    bring(data, WRITERS["coco"](tmp_path / "export"), source="first")
    export(read_photos(data / "first"), tmp_path / "out", name)
    bring(data, tmp_path / "out", source="again")
    items = {row.path: row.item for row in read_kept(data / "first").values()}
    assert {row.path: row.item for row in read_kept(data / "again").values()} == items


def test_photos_are_written_as_they_are_read(tmp_path: Path) -> None:
    for seed in range(4):
        save(tmp_path / "source" / "can" / f"{seed}.jpg", seed, (40, 30))
    written: list[int] = []
    export(
        read_photos(tmp_path / "source"),
        tmp_path / "out",
        "coco",
        lambda *_: written.append(len(list(tmp_path.glob(".unfinished/**/*.jpg")))),
    )
    assert written == [0, 1, 2, 3]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "source"]
    assert len(list((tmp_path / "out" / "images").iterdir())) == 4


@pytest.mark.parametrize("name", sorted(WRITABLE))
def test_the_licence_goes_with_the_photos(name: str, tmp_path: Path, data: Path) -> None:
    bring(data, WRITERS["coco"](tmp_path / "export"), source="first")
    export(read_photos(data / "first"), tmp_path / "out", name)
    assert bring(data, tmp_path / "out", source="again").licence == "CC BY 4.0"
    assert 'origin = "https://example.org/bins"' in (data / "again" / "source.toml").read_text()


def test_yolo_and_coco_exports_read_as_their_tools_document_them(tmp_path: Path, data: Path) -> None:
    """By a reader that is not ours: OpenCV finds the crop's bottle where the numbers say it is."""
    bring(data, WRITERS["voc"](tmp_path / "export"), source="first", margin=0.3)
    export(read_photos(data / "first"), tmp_path / "out", "yolo")
    names = ["can", "gruene-flasche-1", "pappbecher"]
    for text in (tmp_path / "out" / "labels" / "train").iterdir():
        picture = cv2.imread(str(tmp_path / "out" / "images" / "train" / f"{text.stem}.png"))
        assert picture is not None
        number, *values = text.read_text().split()
        x, y, width, height = (float(value) for value in values)
        high, wide = picture.shape[:2]
        left, top = round((x - width / 2) * wide), round((y - height / 2) * high)
        cut = picture[top : top + round(height * high), left : left + round(width * wide), ::-1]
        seed, box = {"can": (1, BOXES["can"]), "pappbecher": (2, CUP)}.get(
            names[int(number)], (1, BOXES["Grüne Flasche #1"])
        )
        assert np.array_equal(cut, scene(seed)[box[1] : box[3], box[0] : box[2]])


def test_a_hostile_zip_is_refused_and_nothing_of_it_lands_anywhere(tmp_path: Path, data: Path) -> None:
    link = zipfile.ZipInfo("link.png")
    link.external_attr = 0o120777 << 16
    for number, (member, content) in enumerate(
        [
            ("../out.png", b"x"),
            ("/tmp/out.png", b"x"),
            ("a\\..\\..\\out.png", b"x"),
            ("C:/out.png", b"x"),
            (link, b"/etc/passwd"),
        ]
    ):
        archive = tmp_path / f"{number}.zip"
        with zipfile.ZipFile(archive, "w") as opened:
            opened.writestr("glass/1.png", b"x")
            opened.writestr(member, content)
        with pytest.raises(DatasetError, match=r"leads outside of it|is a link"):
            bring(data, archive)
    assert list(data.iterdir()) == []
    assert not list(tmp_path.rglob("out.png"))


def test_a_zip_that_grows_beyond_all_photos_is_refused_before_it_is_unpacked(tmp_path: Path, data: Path) -> None:
    archive = tmp_path / "bomb.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as opened, opened.open("glass/1.bmp", "w") as member:
        for _ in range(80):
            member.write(bytes(1 << 20))
    with pytest.raises(DatasetError, match="bytes that would become 83886080"):
        bring(data, archive)


@pytest.mark.parametrize("keep", [10, 200, -30])
def test_a_zip_that_is_cut_off_is_named(tmp_path: Path, data: Path, keep: int) -> None:
    archive = Path(shutil.make_archive(str(tmp_path / "export"), "zip", WRITERS["voc"](tmp_path / "export")))
    archive.write_bytes(archive.read_bytes()[:keep])
    with pytest.raises(DatasetError, match=r"export\.zip: damaged"):
        bring(data, archive)
