"""Reading, judging and splitting photos, with the files that people really have."""

from __future__ import annotations

import json
import os
import re
import shutil
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from edge.cli import root
from edge.errors import ConfigError, DatasetError
from training.dataset import data_quality, splits
from training.dataset.photos import LabelledPhoto, check_labels, read_list, read_tree, readable
from training.recipe import PhotoSet, load_recipe
from training.rendering.renderer import read_sets


def scene(seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.asarray(cv2.resize(rng.integers(0, 255, (6, 8, 3)).astype(np.uint8), (128, 96)), dtype=np.uint8)


def save(path: Path, pixels: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), pixels)
    return path


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for label, first in (("glass", 0), ("metal", 100)):
        for seed in range(30):
            save(tmp_path / "photos" / label / f"{seed:02}.png", scene(first + seed))
    return tmp_path / "photos"


def place(parts: Mapping[str, list[object]]) -> dict[str, str]:
    return {photo.name: name for name, photos in parts.items() for photo in photos}  # type: ignore[attr-defined]


def test_a_label_without_photos_is_named(tree: Path) -> None:
    (tree / "paper").mkdir()
    with pytest.raises(DatasetError, match="paper: a label without photos"):
        read_tree(tree)


def test_one_label_is_not_enough(tree: Path) -> None:
    shutil.rmtree(tree / "metal")
    with pytest.raises(DatasetError, match="two labels or more, got glass"):
        check_labels(read_tree(tree))


def test_a_list_that_names_missing_photos_says_how_many(tree: Path) -> None:
    (tree / "list.txt").write_text("glass/00.png\nglass/gone.png\n")
    with pytest.raises(DatasetError, match=r"1 photos of the list are not there \(glass/gone.png\)"):
        read_list(tree / "list.txt")


def test_a_csv_needs_its_two_columns(tree: Path) -> None:
    (tree / "list.csv").write_text("file,class\nglass/00.png,glass\n")
    with pytest.raises(DatasetError, match="columns path and label, got class, file"):
        read_list(tree / "list.csv")


def test_a_label_map_merges_and_leaves_out(tree: Path) -> None:
    photos = read_tree(tree, {"glass": "clear"})
    assert {photo.label for photo in photos} == {"clear"}


def test_the_shipped_recipe_never_learns_from_the_simulators_photos(photo_dir: Path, tmp_path: Path) -> None:
    recipe = load_recipe("waste")
    cut_from = dict(
        re.findall(r"^\| (\S+\.jpg) \| (\S+\.jpg) \|$", (photo_dir / "SOURCES.md").read_text(), re.MULTILINE)
    )
    shipped = sorted(photo_dir.glob("*/*.jpg"))
    assert {path.parent.name for path in shipped} == set(recipe.labels)
    for path in shipped:  # each under the name that it has in its source's set
        photo_set, name = ("produce", cut_from[path.name]) if path.parent.name == "organic" else ("waste", path.name)
        save(tmp_path / photo_set / path.parent.name / name, scene(0))
    others = {save(tmp_path / "waste" / label / "other.jpg", scene(seed)) for seed, label in enumerate(recipe.labels)}
    found = read_sets([PhotoSet(tree="waste"), PhotoSet(tree="produce")], tmp_path, recipe)
    assert {photo.path for photo in found.photos} == others


def test_near_duplicates_are_one_group_and_strangers_are_none(tree: Path) -> None:
    brighter = np.clip(scene(3).astype(int) + 12, 0, 255).astype(np.uint8)
    save(tree / "glass" / "copy.jpg", brighter)
    groups = data_quality.inspect(read_tree(tree)).groups
    assert groups == {"glass/03.png": 0, "glass/copy.jpg": 0}


def test_one_scene_under_two_labels_is_reported(tree: Path) -> None:
    shutil.copy(tree / "glass" / "05.png", tree / "metal" / "wrong.png")
    found = data_quality.inspect(read_tree(tree))
    assert found.exact == (("glass/05.png", "metal/wrong.png"),)
    assert [[photo.name for photo in group] for group in found.straddling] == [["glass/05.png", "metal/wrong.png"]]


def test_unreadable_files_are_listed_not_fatal(tree: Path) -> None:
    (tree / "glass" / "text.jpg").write_text("no picture")
    whole = cv2.imencode(".jpg", scene(1))[1].tobytes()
    (tree / "glass" / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    found = data_quality.inspect(read_tree(tree))
    assert sorted(photo.path.name for photo, _ in found.unreadable) == ["cut.jpg", "text.jpg"]
    assert len(found.readable) == 60


def test_added_photos_move_no_old_one(tree: Path) -> None:
    old = data_quality.inspect(read_tree(tree))
    before = place(splits.split(old.readable, old.groups, 0.2, 0.2))
    for seed in range(200, 220):
        save(tree / "glass" / f"new{seed}.png", scene(seed))
    save(tree / "glass" / "000-first-in-order.png", scene(7))  # a near duplicate of an old photo
    new = data_quality.inspect(read_tree(tree))
    after = place(splits.split(new.readable, new.groups, 0.2, 0.2, before))
    assert {name: after[name] for name in before} == before
    assert after["glass/000-first-in-order.png"] == before["glass/07.png"]


def test_no_group_straddles_a_split(tree: Path) -> None:
    for number in range(8):
        save(tree / "metal" / f"again{number}.png", scene(100 + number))
    found = data_quality.inspect(read_tree(tree))
    where = place(splits.split(found.readable, found.groups, 0.2, 0.2))
    for number in range(8):
        assert where[f"metal/again{number}.png"] == where[f"metal/{number:02}.png"]


def test_the_split_command_keeps_what_it_wrote_before(tree: Path, tmp_path: Path) -> None:
    out = tmp_path / "split"
    command = ["dataset", "split", str(tree), "--out", str(out), "--validation", "0.2", "--test", "0.2"]
    assert CliRunner().invoke(root, command).exit_code == 0
    first = (out / "val.csv").read_text().splitlines()
    save(tree / "metal" / "late.png", scene(999))
    assert CliRunner().invoke(root, command).exit_code == 0
    assert set(first) <= set((out / "val.csv").read_text().splitlines())


@settings(max_examples=60)
@given(few=st.integers(1, 30), many=st.integers(1, 60), alike=st.integers(0, 9), seed=st.integers(0, 10**6))
def test_small_sets_are_split_with_something_of_each_label_where_there_is_enough(
    few: int, many: int, alike: int, seed: int
) -> None:
    names = [f"{label}/{seed}-{number}" for label, count in (("a", few), ("b", many)) for number in range(count)]
    photos = [LabelledPhoto(Path(name), name[0], name) for name in names]
    groups = dict.fromkeys(names[:few][: min(alike, few)], 0)
    parts = splits.split(photos, groups, 0.15, 0.15)
    where = place(parts)
    assert set(where) == set(names)
    assert len({where[name] for name in groups}) <= 1
    for label in "ab":
        own = [name for name in names if name[0] == label]
        units = len({groups.get(name, name) for name in own})
        homes = {where[name] for name in own}
        assert "train" in homes
        assert len(homes) == min(3, units)
    assert place(splits.split(photos, groups, 0.15, 0.15, where)) == where


def test_the_split_of_few_photos_says_what_it_is_worth(tree: Path, tmp_path: Path) -> None:
    for path in sorted((tree / "glass").iterdir())[4:]:
        path.unlink()
    result = CliRunner().invoke(root, ["dataset", "split", str(tree), "--out", str(tmp_path / "split")])
    assert result.exit_code == 0, result.output
    assert {row.rsplit(",", 1)[1] for row in (tmp_path / "split" / "val.csv").read_text().splitlines()[1:]} == {
        "glass",
        "metal",
    }
    assert re.search(
        r"few photos: val has [12] of glass, .* of metal: .*one photo is up to (50|100) points", result.stderr
    )


def test_files_that_are_no_photos_are_counted(tree: Path) -> None:
    (tree / "glass" / "film.mp4").write_bytes(b"what a telephone makes")
    assert "1 .mp4" in data_quality.summary(data_quality.inspect(read_tree(tree)))
    (tree / "paper").mkdir()
    (tree / "glass" / "film.mp4").rename(tree / "paper" / "film.mp4")
    with pytest.raises(DatasetError, match=r"without photos \(.mp4 files are not read; expected .*jpg"):
        read_tree(tree)


def test_a_photo_in_the_place_of_a_list_is_refused(tree: Path) -> None:
    with pytest.raises(DatasetError, match=r"expected a folder or a list in UTF-8"):
        read_list(tree / "glass" / "00.png")


def test_a_page_that_can_not_be_written_is_refused_at_once(tree: Path) -> None:
    result = CliRunner().invoke(root, ["dataset", "inspect", str(tree), "--html", str(tree / "gone" / "page.html")])
    assert isinstance(result.exception, ConfigError)
    assert "a folder that is there" in str(result.exception)


def test_the_page_holds_its_pictures_and_asks_for_nothing_else(tree: Path, tmp_path: Path) -> None:
    shutil.copy(tree / "glass" / "00.png", tree / "metal" / "copy.png")
    (tree / "glass" / "bad.jpg").write_bytes(b"<b>no photo")
    found = data_quality.inspect(read_tree(tree))
    doubted = data_quality.Suspect(found.readable[5], "metal", 0.02)
    page = data_quality.page(replace(found, suspects=(doubted,), suspects_sought=True))
    assert page.count('src="data:image/jpeg;base64,') == 1 + 2 + 2  # doubted, under two labels, the same file
    assert "labelled glass, looks like metal" in page
    assert page.count("src=") == page.count('src="data:')
    assert "http" not in page


def test_names_of_another_encoding_are_refused_by_name(tree: Path) -> None:
    (tree / "glass" / "00.png").rename(tree / "glass" / os.fsdecode(b"caf\xe9.png"))
    with pytest.raises(DatasetError, match=r"not UTF-8: 1, the first 'glass/caf\\udce9\.png': rename"):
        read_tree(tree)


def test_what_notebooks_and_macs_leave_is_no_label_and_no_photo(tree: Path) -> None:
    wanted = [photo.name for photo in read_tree(tree)]
    for name in (
        ".ipynb_checkpoints/a.png",
        "glass/.ipynb_checkpoints/a.png",
        "glass/._00.png",
        "__MACOSX/glass/a.png",
    ):
        save(tree / name, scene(1))
    assert [photo.name for photo in read_tree(tree)] == wanted
    (tree / "list.txt").write_text("glass/00.png\nglass/._00.png\n.ipynb_checkpoints/a.png\n")
    assert [photo.name for photo in read_list(tree / "list.txt")] == ["glass/00.png"]


def test_folders_with_capitals_and_blanks_are_read_as_labels_and_said_to_be(
    tree: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tree / "glass").rename(tree / "Clear Glass")
    assert {photo.label for photo in read_tree(tree)} == {"clear-glass", "metal"}
    assert "read as labels: Clear Glass as clear-glass" in caplog.text
    assert {photo.label for photo in read_tree(tree, {"clear-glass": "clear-glass"})} == {"clear-glass"}
    assert "left out, no label is named for: metal" in caplog.text


@pytest.mark.parametrize("on_disk", ["NFC", "NFD"])
@pytest.mark.parametrize("asked", ["NFC", "NFD"])
def test_an_accent_may_be_written_in_one_letter_or_in_two(tree: Path, on_disk: str, asked: str) -> None:
    (tree / "glass").rename(tree / unicodedata.normalize(on_disk, "Grünglas"))
    found = read_tree(tree, {unicodedata.normalize(asked, "Grünglas"): "glass"})
    assert [(photo.label, photo.name) for photo in found[:1]] == [("glass", "Grünglas/00.png")]
    (tree / "list.txt").write_text(unicodedata.normalize(asked, "Grünglas/00.png\n"), encoding="utf-8-sig")
    assert [photo.label for photo in read_list(tree / "list.txt")] == ["gruenglas"]


def test_a_name_that_no_label_can_be_made_of_is_refused_with_the_way_out(tree: Path) -> None:
    (tree / "glass").rename(tree / "玻璃")
    with pytest.raises(DatasetError, match=r"'玻璃' can't be a label: .* or give it one by --map 玻璃=LABEL"):
        read_tree(tree)
    assert {photo.label for photo in read_tree(tree, {"玻璃": "glass"}, others_stay=True)} == {"glass", "metal"}


def test_a_list_that_a_spreadsheet_wrote_is_read(tree: Path) -> None:
    (tree / "list.csv").write_text("path;label\r\nglass/00.png;Clear Glass\r\n", encoding="utf-8-sig")
    assert [photo.label for photo in read_list(tree / "list.csv")] == ["clear-glass"]


def test_training_leaves_unreadable_photos_out_by_name_and_refuses_too_many(
    tree: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for number in range(6):
        (tree / "glass" / f"{number:02}.png").write_bytes(b"")
    (tree / "metal" / "phone.heic").write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0")
    with pytest.raises(DatasetError, match=r"7 of 61 photos can't be read, the first: .*00\.png: the file is empty"):
        readable(read_tree(tree))
    (tree / "glass" / "00.png").unlink()
    assert len(readable(read_tree(tree))) == 54
    assert "metal/phone.heic: HEIC photos are not read: save it as JPEG" in caplog.text


def test_evaluate_names_and_passes_over_a_photo_that_can_not_be_read(
    tree: Path, tmp_path: Path, tiny_bundle: Callable[..., bytes]
) -> None:
    (tmp_path / "tiny.sorter").write_bytes(tiny_bundle())
    (tree / "glass" / "00.png").write_bytes(b"no photo")
    given = ["evaluate", str(tmp_path / "tiny.sorter"), "--data", str(tree)]
    result = CliRunner().invoke(root, [*given, "--json"])
    assert result.exit_code == 0, result.output
    figures = json.loads(result.stdout)
    assert figures["int8"]["photos"] == 59
    assert [entry["photo"] for entry in figures["unreadable"]] == ["glass/00.png"]
    assert "passed over: 1 that can't be read, the first glass/00.png" in CliRunner().invoke(root, given).stdout
    for number in range(7):
        (tree / "glass" / f"{number:02}.png").write_bytes(b"no photo")
    assert isinstance(CliRunner().invoke(root, given).exception, DatasetError)


def test_a_list_from_notepad_in_utf_16_names_the_cure(tree: Path) -> None:
    (tree / "list.txt").write_text("glass/00.png\n", encoding="utf-16")
    with pytest.raises(DatasetError, match=r"list.txt: .* saved as UTF-16; save it as UTF-8"):
        read_list(tree / "list.txt")


def test_a_png_that_is_damaged_inside_is_left_out_of_the_training(tree: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tree / "glass" / "00.png"
    content = bytearray(path.read_bytes())
    content[len(content) // 2 : len(content) // 2 + 40] = bytes(40)
    path.write_bytes(content)
    assert len(readable(read_tree(tree))) == 59
    assert "glass/00.png" in caplog.text
