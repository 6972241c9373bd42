"""The import as people meet it: classes, boxes, sources that are there, imports that are cut off."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import Result
from PIL import Image as Pillow
from support.exports import CUP, SIZE, save, scene, write_coco, write_folders, write_multi_label, write_voc, write_yolo
from support.labelled import write_labelled
from typer.testing import CliRunner

from edge.cli import root
from edge.errors import ConfigError, DatasetError
from training.dataset import data_quality, splits
from training.dataset.exchange.source import read_kept, read_note, working_in
from training.dataset.photos import read_photos
from training.recipe import Recipe, load_recipe, without_source


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def sorter(*arguments: object) -> Result:
    return CliRunner().invoke(root, ["dataset", *map(str, arguments)])


def bring(*arguments: object) -> Result:
    """Import into the folder `data`; it has to succeed."""
    result = sorter("import", *arguments, "--into", "data")
    if result.exception is not None:
        raise result.exception
    return result


def refuse(kind: type[Exception], *arguments: object) -> str:
    """Try to import into `data`; what is said."""
    result = sorter("import", *arguments, "--into", "data")
    assert isinstance(result.exception, kind), result.output
    return str(result.exception)


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def draw_voc(folder: Path, boxes: dict[str, tuple[float, ...]], size: tuple[int, int] = SIZE) -> Path:
    """One picture with boxes, and labels that say that the picture has this size."""
    things = "".join(
        f"<object><name>{name}</name><bndbox>"
        + "".join(
            f"<{side}>{value}</{side}>" for side, value in zip(("xmin", "ymin", "xmax", "ymax"), box, strict=True)
        )
        + "</bndbox></object>"
        for name, box in boxes.items()
    )
    save(folder / "a.png", 1)
    (folder / "a.xml").write_text(
        f"<annotation><filename>a.png</filename><size><width>{size[0]}</width><height>{size[1]}</height></size>{things}"
        "</annotation>"
    )
    return folder


def test_an_import_says_what_it_took_and_the_next_command(place: Path) -> None:
    result = bring(write_yolo(place / "export"))
    assert result.stdout.splitlines() == [
        "data/export: 3 photos imported (can 1, gruene-flasche-1 1, pappbecher 1)",
        "Next: sorter dataset inspect data/export",
    ]
    assert "read as: Grüne Flasche #1 as gruene-flasche-1, Pappbecher as pappbecher" in result.stderr
    assert sorter("inspect", "data/export").exit_code == 0


def test_json_says_all_of_it(place: Path) -> None:
    done = json.loads(bring(draw_voc(place / "export", {"can": (0, 0, 50, 50), "cup": (1, 1, 5, 90)}), "--json").stdout)
    assert done["sources"] == {"export": {"can": 1}}
    assert done["passed_over"] == {"boxes smaller than 16 pixels": ["a.xml object 2"]}
    assert done["licence"] is None


def test_where_photos_are_from_is_written_beside_them(place: Path) -> None:
    bring(write_coco(place / "export"), "--source", "hall")
    note = (place / "data" / "hall" / "source.toml").read_text()
    assert 'licence = "CC BY 4.0"' in note
    assert 'origin = "https://example.org/bins"' in note
    bring(write_voc(place / "voc"), "--source", "yard", "--licence", "MIT", "--origin", "our own")
    assert 'origin = "our own"' in (place / "data" / "yard" / "source.toml").read_text()
    assert "no licence is stated: say it with --licence" in bring(write_voc(place / "voc"), "--source", "x").stderr


def test_classes_are_mapped_by_options_and_by_a_file(place: Path) -> None:
    (place / "map.toml").write_text('"Grüne Flasche #1" = "glass"\ncan = "nothing-like-it"\n"never there" = "glass"\n')
    done = bring(write_yolo(place / "e"), "--map", "can=metal", "--map", "pappbecher=", "--map-file", "map.toml")
    assert "data/e: 2 photos imported (glass 1, metal 1)" in done.stdout
    assert "left out by their class: 1 ('Pappbecher' train/labels/Tüte.txt line 1)" in done.stderr


@pytest.mark.parametrize("write", [write_coco, write_yolo])
def test_a_class_that_is_listed_may_be_mapped_though_no_picture_is_of_it(
    place: Path, write: Callable[[Path], Path]
) -> None:
    export = write(place / "export")
    for file in (*export.glob("data.yaml"), *export.rglob("*.json")):
        text = file.read_text()
        more = text.replace('"Pappbecher"]', '"Pappbecher", "cable"]')
        more = more.replace('"categories": [', '"categories": [{"id": 9, "name": "cable"}, ')
        assert more != text
        file.write_text(more)
    assert "3 photos imported" in bring(export, "--map", "Cable=", "--map", "can=metal").stdout


def test_a_class_that_is_no_label_of_the_data_set_is_asked_about_together_with_all_others(place: Path) -> None:
    bring(
        write_folders(place / "first"),
        "--map",
        "Pappbecher=paper",
        "--map",
        "Grüne Flasche #1=glass",
        "--map",
        "can=metal",
    )
    for name in ("Papper", "Glas", "玻璃", "metal"):
        save(place / "second" / name / "1.png", len(name))
    said = refuse(DatasetError, place / "second")
    assert said.startswith("3 of the 4 classes are no labels of the data set (glass, metal, paper):\n")
    assert "'Papper' (1 times): did you mean paper?" in said
    assert "'Glas' (1 times): did you mean glass?" in said
    assert "'玻璃' (1 times)\n" in said
    assert sorted(path.name for path in (place / "data").iterdir()) == ["first"]
    done = bring(place / "second", "--map", "Glas=glass", "--only")
    assert "1 photos imported (glass 1)" in done.stdout
    save(place / "third" / "Batteries" / "1.png", 9)
    assert "batteries 1" in bring(place / "third", "--new-labels").stdout


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--map", "Pappbechr=paper"), "'Pappbechr': did you mean Pappbecher?"),
        (("--map", "Pappbecher"), "expected THEIRS=OURS"),
        (("--map", "Pappbecher=Paper Cup"), "write 'paper-cup'"),
        (("--map-file", "none.toml"), "--map-file none.toml: can't read it"),
        (("--map-file", "bad.toml"), "--map-file bad.toml: not valid TOML: line 1"),
        (("--map-file", "table.toml"), "table.toml: glass: expected"),
        (("--source", "../up"), "--source '../up': expected letters"),
        (("--source", ".hidden"), "--source '.hidden': expected letters, digits"),
        (("--format", "kitti"), "--format kitti: expected one of labelled, voc, multi-label, coco"),
        (("--pictures", "nowhere"), "--pictures nowhere: no such folder"),
    ],
)
def test_an_option_that_does_not_fit_is_refused_and_nothing_is_begun(
    place: Path, options: tuple[str, ...], said: str
) -> None:
    (place / "bad.toml").write_text("glass = x")
    (place / "table.toml").write_text("[glass]\nx = 1")
    assert said in refuse(ConfigError, write_yolo(place / "export"), *options)
    assert not (place / "data").exists() or list((place / "data").iterdir()) == []


@pytest.mark.parametrize(
    ("box", "said"),
    [
        ((10, 10, 10, 80), "boxes without an area: 1 (a.xml object 1)"),
        ((80, 10, 10, 80), "boxes without an area"),
        ((10, 10, 14, 80), "boxes smaller than 16 pixels"),
        ((150, 10, 210, 80), "boxes that lie outside of their picture"),
        ((500, 500, 600, 600), "boxes that lie outside of their picture"),
        (("nan", 0, 50, 50), "boxes whose numbers are no numbers"),
        (("1e400", 0, 50, 50), "boxes whose numbers are no numbers"),
        (("", 0, 50, 50), "expected bndbox with xmin, ymin, xmax, ymax"),
        (("1" * 5000, 0, 50, 50), "boxes"),
    ],
)
def test_a_box_that_nothing_can_be_cut_by_is_counted_and_said(
    place: Path, box: tuple[float | str, ...], said: str
) -> None:
    done = bring(draw_voc(place / "export", {"can": box, "cup": CUP}))  # type: ignore[dict-item]
    assert said in done.stderr
    assert "1 photos imported (cup 1)" in done.stdout


def test_a_box_that_is_mostly_inside_is_cut_at_the_edge(place: Path) -> None:
    bring(draw_voc(place / "export", {"can": (-10, -10, 60, 60)}), "--margin", "0")
    (picture,) = (place / "data").rglob("*.png")
    assert np.array_equal(np.asarray(Pillow.open(picture)), scene(1)[:60, :60])


def test_boxes_of_a_picture_that_was_made_smaller_since_are_not_cut_in_the_wrong_place(place: Path) -> None:
    said = refuse(DatasetError, draw_voc(place / "export", {"can": CUP}, size=(640, 480)))
    assert "boxes that were drawn on a picture of another size: 1 (a.xml object 1)" in said


@pytest.mark.parametrize("orientation", [6, 8])
@pytest.mark.parametrize("drawn", ["upright", "lying"])
def test_a_picture_turned_by_exif_gives_the_same_crop_whichever_way_its_boxes_were_drawn(
    place: Path, orientation: int, drawn: str
) -> None:
    turns = {6: 3, 8: 1}[orientation]  # quarters to the left that bring it upright
    folder = draw_voc(place / "export", {"can": (10, 20, 70, 60)})
    lying = Pillow.fromarray(scene(1))
    exif = lying.getexif()
    exif[0x0112] = orientation
    lying.save(folder / "a.png", exif=exif)
    expected = np.rot90(scene(1)[20:60, 10:70], turns)
    if drawn == "upright":
        width, height = SIZE
        box = (height - 60, 10, height - 20, 70) if orientation == 6 else (20, width - 70, 60, width - 10)
        text = (folder / "a.xml").read_text()
        for side, old, new in zip(("xmin", "ymin", "xmax", "ymax"), (10, 20, 70, 60), box, strict=True):
            text = text.replace(f"<{side}>{old}<", f"<{side}>{new}<")
        text = text.replace("<width>160</width><height>120", "<width>120</width><height>160")
        (folder / "a.xml").write_text(text)
    bring(folder, "--margin", "0")
    (picture,) = (place / "data").rglob("*.png")
    assert np.array_equal(np.asarray(Pillow.open(picture)), expected)


@pytest.mark.parametrize(
    ("name", "mode", "options"),
    [
        ("grey.png", "L", {}),
        ("sixteen.png", "I;16", {}),
        ("cmyk.jpg", "CMYK", {}),
        ("palette.png", "P", {}),
        ("moving.webp", "RGB", {"save_all": True, "append_images": [Pillow.new("RGB", (64, 48), "blue")]}),
    ],
)
def test_odd_files_become_eight_bit_rgb(place: Path, name: str, mode: str, options: dict[str, object]) -> None:
    (place / "source" / "glass").mkdir(parents=True)
    Pillow.new(mode, (64, 48)).save(place / "source" / "glass" / name, **options)  # type: ignore[arg-type]
    bring(place / "source")
    (made,) = (place / "data" / "source" / "glass").iterdir()
    with Pillow.open(made) as picture:
        assert (picture.mode, picture.size) == ("RGB", (64, 48))


def test_what_a_camera_wrote_into_a_photo_is_not_kept_and_a_plain_photo_is_kept_byte_by_byte(place: Path) -> None:
    save(place / "source" / "glass" / "plain.jpg", 1)
    told = Pillow.fromarray(scene(2))
    exif = told.getexif()
    exif[0x0112], exif[0x010F] = 6, "Home 12"
    told.save(place / "source" / "glass" / "told.jpg", exif=exif)
    bring(place / "source")
    kept = {row.picture: place / "data" / "source" / path for path, row in read_kept(place / "data" / "source").items()}
    assert kept["plain.jpg"].read_bytes() == (place / "source" / "glass" / "plain.jpg").read_bytes()
    assert b"Home 12" not in kept["told.jpg"].read_bytes()
    with Pillow.open(kept["told.jpg"]) as picture:
        assert picture.size == SIZE[::-1]


def test_a_picture_of_another_folder_is_not_taken_for_one_that_is_gone(place: Path) -> None:
    for label in ("glass", "metal"):
        save(place / "export" / label / "1.png", len(label))
    save(place / "export" / "glass" / "2.png", 9)
    (place / "export" / "list.csv").write_text(
        "path,label\nglass/2.png,glass\nmetal/2.png,metal\n/home/x/metal/1.png,metal"
    )
    done = bring(place / "export")
    assert "2 photos imported (glass 1, metal 1)" in done.stdout
    assert "pictures that are not there: 1 (list.csv line 3: metal/2.png)" in done.stderr


def test_a_reference_never_leads_out_of_the_export(place: Path) -> None:
    save(place / "secret.png", 7)
    save(place / "export" / "a.png", 1)
    (place / "export" / "list.csv").write_text(
        f"path,label\n../secret.png,glass\n{place}/secret.png,glass\nfile://{place}/secret.png,glass\na.png,metal\n"
    )
    done = bring(place / "export")
    assert "1 photos imported (metal 1)" in done.stdout
    assert "pictures that are not there: 3 (list.csv line 2: ../secret.png; " in done.stderr


def test_pictures_may_lie_elsewhere_than_their_labels(place: Path) -> None:
    write_coco(place / "export")
    (place / "export" / "train" / "_annotations.coco.json").rename(place / "labels.json")
    (place / "nothing").mkdir()
    said = refuse(DatasetError, place / "labels.json", "--pictures", place / "nothing")
    assert "pictures that are not there: 2" in said
    assert "3 photos imported" in bring(place / "labels.json", "--pictures", place / "export").stdout


def test_labels_of_two_formats_are_asked_about(place: Path) -> None:
    write_voc(write_coco(place / "export"))
    assert "labels of several formats (voc, coco): say which with --format" in refuse(DatasetError, place / "export")
    assert "3 photos imported" in bring(place / "export", "--format", "coco").stdout


@pytest.mark.parametrize("what", ["nothing", "a.jpg", "empty"])
def test_what_holds_no_labels_is_refused_with_what_was_expected(place: Path, what: str) -> None:
    save(place / "a.jpg", 1)
    (place / "empty").mkdir()
    assert "expected" in refuse(DatasetError, place / what)


def test_a_source_that_is_there_is_added_to_only_if_that_is_asked_for(place: Path) -> None:
    save(place / "one" / "glass" / "1.png", 1)
    bring(place / "one", "--source", "hall", "--licence", "MIT")
    before = files(place / "data")
    save(place / "two" / "glass" / "2.png", 2)
    said = refuse(DatasetError, place / "two", "--source", "hall")
    assert said == "data/hall: is there: give another name with --source, or add to it with --merge"
    assert files(place / "data") == before
    bring(place / "two", "--source", "hall", "--merge", "--licence", "CC0")
    after = files(place / "data")
    changed = {name for name in before if after[name] != before[name]}
    assert changed == {"hall/photos.csv", "hall/source.toml"}
    assert len(read_kept(place / "data" / "hall")) == 2
    assert read_note(place / "data" / "hall").licence == "MIT; CC0"
    assert "2 were there already" not in bring(place / "two", "--source", "hall", "--merge").stdout
    assert files(place / "data") == after


def test_a_photo_that_another_source_has_too_is_said(place: Path) -> None:
    for name in ("one", "two"):
        save(place / name / "glass" / "1.png", 1)
    bring(place / "one")
    assert "pictures that another source has too" in bring(place / "two").stderr


def test_one_photo_under_two_labels_is_said(place: Path) -> None:
    for label in ("Can", "can", "glass"):
        save(place / "photos" / label / f"{label}.png", 1)
    result = bring(place / "photos")
    assert "2 photos imported (can 1, glass 1)\n1 were there already" in result.stdout
    assert "pictures under two labels, one of which is wrong: 1 (can/" in result.stderr


@pytest.mark.parametrize("merge", [False, True])
def test_an_import_that_is_killed_leaves_nothing_half(place: Path, merge: bool) -> None:
    for seed in range(40):
        save(place / "photos" / "glass" / f"{seed:02}.png", seed)
    if merge:
        save(place / "old" / "glass" / "old.png", 99)
        bring(place / "old", "--source", "photos")
    before = files(place / "data") if merge else {}
    code = (
        "import os, signal, sys\n"
        "from pathlib import Path\n"
        "from training.dataset.exchange.importing import import_into\n"
        "from training.dataset.exchange.making import ImportOptions\n"
        "def kill(done, total):\n"
        "    if done == 20: os.kill(os.getpid(), signal.SIGKILL)\n"
        f"import_into(Path('data'), Path('photos'), ImportOptions(merge={merge}), kill)\n"
    )
    (place / "data").mkdir(exist_ok=True)
    killed = subprocess.run([sys.executable, "-c", code], cwd=place, timeout=100, check=False)
    assert killed.returncode == -signal.SIGKILL
    visible = {name: content for name, content in files(place / "data").items() if not name.startswith(".")}
    assert visible == before
    bring(place / "photos", *(["--merge"] if merge else []))
    assert len(read_photos(place / "data" / "photos")) == (41 if merge else 40)
    assert [path.name for path in (place / "data").iterdir()] == ["photos"]


def test_a_source_that_a_cut_left_without_its_name_is_put_back(place: Path) -> None:
    save(place / "one" / "glass" / "1.png", 1)
    bring(place / "one")
    before = files(place / "data" / "one")
    (place / "data" / "one").rename(place / "data" / ".before-one")
    save(place / "two" / "glass" / "2.png", 2)
    bring(place / "two")
    assert files(place / "data" / "one") == before


def test_two_imports_at_once_do_not_mix(place: Path) -> None:
    save(place / "one" / "glass" / "1.png", 1)
    (place / "data").mkdir()
    with working_in(place / "data") as work:
        (work / "half").write_text("of the other")
        assert "another import or export into it is running" in refuse(DatasetError, place / "one")
        assert (work / "half").read_text() == "of the other"
    assert "1 photos imported" in bring(place / "one").stdout


def test_what_a_station_was_labelled_with_becomes_a_source_for_each_station(place: Path) -> None:
    result = bring(write_labelled(place / "stations"))
    assert "data/line-1: 4 photos imported (can 2, other 1, pet_clear 1)" in result.stdout
    assert "data/pi@line-2: 2 photos imported (can 2)" in result.stdout
    assert "pictures of two things: 1 (line-1/pictures/0a1b2c3d-00000003.png (anna))" in result.stderr
    kept = {row.picture: row.item for row in read_kept(place / "data" / "line-1").values()}
    assert kept["0a1b2c3d-00000001.png"] == kept["0a1b2c3d-00000001-2.png"] == "0a1b2c3d-00000001"
    assert kept["0a1b2c3d-00000002.png"] == "0a1b2c3d-00000002"
    assert "holds 2 stations (line-1, pi@line-2)" in refuse(ConfigError, place / "stations", "--source", "both")
    one = bring(place / "stations" / "line-1" / "pictures", "--source", "belt", "--map", "other=trash", "--new-labels")
    assert "data/belt: 4 photos imported (can 2, pet_clear 1, trash 1)" in one.stdout


def test_of_a_multi_label_export_pictures_of_one_class_are_taken_and_the_others_named(place: Path) -> None:
    export = write_multi_label(place / "bins")
    lines = [
        "both.jpg,1,1,0,0", "none.jpg,0,0,0,0", "nobody.jpg,0,0,0,1", "gone.jpg,0,1,0,0", "half.jpg,0,1", "sure.jpg,0,0.9,0,0",
        "can_1.rf.aa.jpg,0,1,0,0", "can_1.rf.bb.jpg,0,1,0,0",
    ]  # fmt: skip
    for seed, name in enumerate(("both", "none", "nobody", "half", "sure", "can_1.rf.aa", "can_1.rf.bb"), 5):
        save(export / "train" / f"{name}.jpg", seed)
    with (export / "train" / "_classes.csv").open("a", encoding="utf-8") as file:
        file.write("\n".join(lines))
    result = bring(export)
    assert "data/bins: 4 photos imported (can 3, pappbecher 1)" in result.stdout
    where = "train/_classes.csv line"
    for said in (
        f"which have no box: crop them, or export boxes: 1 ({where} 4: Grüne Flasche #1, can)",
        f"pictures of no class: 2 ({where} 5; {where} 6)",
        f"pictures that are not there: 1 ({where} 7: gone.jpg)",
        f"lines that can't be used: 2 ({where} 8: expected 0 or 1 for each of 4 classes; {where} 9",
    ):
        assert said in result.stderr
    items = [row.item for row in read_kept(place / "data" / "bins").values() if row.picture.startswith("can_1")]
    assert items == ["can_1", "can_1"], "two variants of one photo"


def test_a_class_that_no_picture_has_may_be_mapped(place: Path) -> None:
    result = bring(write_multi_label(place / "bins"), "--map", "Grüne Flasche #1=glass", "--map", "can=metal")
    assert "(metal 1, pappbecher 1)" in result.stdout


def test_views_of_one_item_are_never_split(place: Path) -> None:
    rows = ["path,label,item"]
    for seed in range(60):
        save(place / "export" / f"{seed}.png", seed)
        rows.append(f"{seed}.png,{'glass' if seed % 2 else 'metal'},item-{seed // 6}")
    (place / "export" / "list.csv").write_text("\n".join(rows))
    bring(place / "export")
    found = data_quality.inspect(read_photos(place / "data" / "export"))
    assert found.groups == {}
    assert found.straddling == []
    parts = splits.split(found.readable, found.together, 0.2, 0.2)
    assert all(parts.values())
    homes = {photo.item: name for name, photos in parts.items() for photo in photos}
    assert all(homes[photo.item] == name for name, photos in parts.items() for photo in photos)
    assert len(homes) == 10


def test_a_recipe_trains_on_a_source_and_leaves_another_out(place: Path) -> None:
    for name in ("hall", "yard"):
        bring(write_folders(place / name))
    (place / "r.toml").write_text(
        'name = "r"\nlabels = ["can", "pappbecher"]\n[[train]]\ntree = "data/hall"\n[[train]]\ntree = "data/yard"\n'
        '[[validation]]\ntree = "data/hall"\n'
    )
    recipe: Recipe = without_source(load_recipe("r.toml"), "yard")
    assert [photos.name for photos in recipe.left_out] == ["yard"]
    assert {photo.label for photo in read_photos(place / "data" / "yard")} == {"can", "gruene-flasche-1", "pappbecher"}


def test_a_whole_data_set_is_not_taken_for_a_source(place: Path) -> None:
    bring(write_folders(place / "hall"))
    result = sorter("inspect", "data")
    assert isinstance(result.exception, DatasetError)
    assert "data: a data set, of which one source is expected: data/hall" in str(result.exception)


def test_an_export_that_is_there_is_not_written_over(place: Path) -> None:
    bring(write_folders(place / "hall"))
    assert sorter("export", "data/hall", "--format", "coco", "--out", "out").exit_code == 0
    before = files(place / "out")
    result = sorter("export", "data/hall", "--format", "yolo", "--out", "out")
    assert isinstance(result.exception, ConfigError)
    assert "--out out: is there and not empty: give a new folder" in str(result.exception)
    assert files(place / "out") == before
    assert sorted(path.name for path in place.iterdir()) == ["data", "hall", "out"]


def test_photos_of_one_name_in_two_folders_are_both_exported(place: Path) -> None:
    for seed, label in enumerate(("glass", "metal")):
        save(place / "photos" / label / "1.png", seed)
        save(place / "photos" / label / "1.jpg", seed + 10)
    result = sorter("export", "photos", "--format", "yolo", "--out", "out")
    assert "out: 4 photos exported as yolo (glass 2, metal 2)" in result.stdout
    assert len(list((place / "out" / "labels" / "train").iterdir())) == 4


def test_a_pipe_among_the_pictures_is_not_waited_for(place: Path) -> None:
    write_folders(place / "hall")
    os.mkfifo(place / "hall" / "train" / "can" / "2.png")
    assert "3 photos imported" in bring(place / "hall").stdout


def test_a_data_set_inside_of_what_is_read_is_refused(place: Path) -> None:
    write_folders(place / "hall")
    result = sorter("import", ".", "--into", "data")
    assert isinstance(result.exception, ConfigError)
    assert "--into data: lies in ., which is read" in str(result.exception)


def test_an_export_among_the_photos_is_refused(place: Path) -> None:
    bring(write_folders(place / "hall"))
    result = sorter("export", "data/hall", "--format", "csv", "--out", "data/hall/out")
    assert isinstance(result.exception, ConfigError)
    assert "--out data/hall/out: lies among the photos" in str(result.exception)
    assert len(read_photos(place / "data" / "hall")) == 3


def test_a_folder_with_blanks_makes_a_source_without(place: Path) -> None:
    bring(write_folders(place / "Halle 1 (süd)"))
    assert [path.name for path in (place / "data").iterdir()] == ["Halle-1-süd"]


def test_somebody_elses_photos_csv_beside_photos_is_left_alone(place: Path) -> None:
    write_folders(place / "hall")
    (place / "hall" / "train" / "photos.csv").write_text("when,who\n2026,anna\n")
    assert len(read_photos(place / "hall" / "train")) == 3


def test_a_damaged_note_of_a_source_is_named(place: Path) -> None:
    bring(write_folders(place / "hall"))
    (place / "data" / "hall" / "photos.csv").write_text("path,label\ncan/1.png,can\n")
    result = sorter("inspect", "data/hall")
    assert isinstance(result.exception, DatasetError)
    assert "photos.csv: damaged, expected the columns path, label, item" in str(result.exception)
    (place / "data" / "hall" / "photos.csv").unlink()
    (place / "data" / "hall" / "source.toml").write_text("imports = 3")
    assert "source.toml: imports: " in refuse(
        DatasetError, write_folders(place / "more"), "--source", "hall", "--merge"
    )


def test_yolo_labels_beside_pictures_that_lie_elsewhere_are_found(place: Path) -> None:
    export = write_yolo(place / "images" / "export")
    (export / "data.yaml").rename(place / "data.yaml")
    assert "3 photos imported" in bring(place / "data.yaml", "--pictures", export, "--source", "a").stdout
    other = write_yolo(place / "other")
    (other / "train" / "images").rename(place / "pictures")
    assert "3 photos imported" in bring(other, "--pictures", place / "pictures", "--source", "b").stdout


def test_yolo_labels_of_pictures_with_one_name_in_two_parts_are_not_mixed(place: Path) -> None:
    export = write_yolo(place / "images" / "export")
    for part, number in (("valid", 0), ("test", 1)):
        save(export / part / "images" / "Tüte.png", number + 50)
        (export / part / "labels").mkdir()
        (export / part / "labels" / "Tüte.txt").write_text(f"{number} 0.5 0.5 0.5 0.5")
    bring(export)
    kept = read_kept(place / "data" / "export").values()
    assert sorted(row.label for row in kept if row.picture == "Tüte.png") == ["can", "gruene-flasche-1", "pappbecher"]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("7 0.5 0.5 0.5 0.5", "class 7 has no name in data.yaml"),
        ("1 0.5 0.5 0.5", "expected CLASS X Y WIDTH HEIGHT, got '1 0.5 0.5 0.5'"),
        ("1 0.1 0.1 0.5 0.1 0.5 0.5 0.1", "expected a polygon of pairs after the class, got 7 numbers"),
        ("-1 0.5 0.5 0.5 0.5", "expected CLASS"),
        ("nan 0.5 0.5 0.5 0.5", "expected CLASS"),
        ("1,0.5,0.5,0.5,0.5", "expected CLASS"),
        ("1 nan 0.5 0.5 0.5", "boxes whose numbers are no numbers"),
    ],
)
def test_a_line_of_yolo_that_can_not_be_used_is_named(place: Path, line: str, said: str) -> None:
    export = write_yolo(place / "export")
    with (export / "train" / "labels" / "Tüte.txt").open("a") as file:
        file.write(line)
    done = bring(export)
    assert "3 photos imported" in done.stdout
    assert said in done.stderr
    assert "train/labels/Tüte.txt line 2" in done.stderr


def test_a_polygon_is_cut_by_the_box_around_it(place: Path) -> None:
    export = write_yolo(place / "export")
    (export / "train" / "labels" / "Tüte.txt").write_text("2 0.25 0.5 0.5 0.25 0.625 0.5 0.5 0.75")
    bring(export, "--margin", "0", "--only", "--map", "Pappbecher=cup")
    (picture,) = (place / "data").rglob("*.png")
    assert np.array_equal(np.asarray(Pillow.open(picture)), scene(2)[30:90, 40:100])


def test_yolo_without_names_is_mapped_by_number(place: Path) -> None:
    export = write_yolo(place / "export")
    (export / "data.yaml").unlink()
    assert "3 of the 3 classes are no labels:\n  '0' (1 times)" in refuse(DatasetError, export)
    assert "3 photos imported" in bring(export, "--map", "0=glass", "--map", "1=metal", "--map", "2=paper").stdout


def test_a_rectangle_that_was_turned_in_label_studio_is_cut_by_the_box_around_it(place: Path) -> None:
    save(place / "export" / "a.png", 1, (200, 100))
    value = {"x": 50, "y": 20, "width": 20, "height": 30, "rotation": 90, "rectanglelabels": ["can"]}
    result = {"type": "rectanglelabels", "original_width": 200, "original_height": 100, "value": value}
    tasks = [{"data": {"image": "a.png"}, "annotations": [{"result": [result]}]}]
    (place / "export" / "tasks.json").write_text(json.dumps(tasks))
    bring(place / "export", "--margin", "0")
    (picture,) = (place / "data").rglob("*.png")
    # 40 x 30 pixels, turned by 90 degrees around their corner (100, 20).
    assert np.array_equal(np.asarray(Pillow.open(picture)), scene(1, (200, 100))[20:60, 70:100])


def test_of_several_annotations_in_label_studio_the_true_one_or_the_latest_is_taken(place: Path) -> None:
    save(place / "export" / "a.png", 1)

    def annotation(label: str, at: str, **more: bool) -> dict[str, object]:
        return {"updated_at": at, "result": [{"type": "choices", "value": {"choices": [label]}}], **more}

    def label_of(*annotations: dict[str, object]) -> str:
        (place / "export" / "t.json").write_text(
            json.dumps(
                [{"data": {"image": "a.png"}, "annotations": annotations, "predictions": [annotation("x", "2030")]}]
            )
        )
        return next(
            iter(json.loads(bring(place / "export", "--json", "--merge", "--new-labels").stdout)["sources"]["export"])
        )

    old, new = annotation("glass", "2026-01-01"), annotation("metal", "2026-01-02")
    assert label_of(old, new) == "metal"
    assert label_of(old, annotation("paper", "2026-01-03", was_cancelled=True)) == "glass"
    assert label_of(annotation("can", "2025-01-01", ground_truth=True), new) == "can"


def test_json_min_of_label_studio_is_answered_with_what_to_export(place: Path) -> None:
    save(place / "export" / "a.png", 1)
    (place / "export" / "t.json").write_text('[{"image": "a.png", "choice": "glass", "annotation_id": 3}]')
    assert "JSON-MIN is not read: export as JSON" in refuse(DatasetError, place / "export")


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"bbox": [1, 2, 3]}, "annotations[3]: bbox"),
        ({"bbox": None}, "annotations[3]: bbox"),
        (
            {"image_id": 77},
            "boxes whose picture or category the file does not list: 1 (train/_annotations.coco.json: annotations[3])",
        ),
        ({"category_id": "x"}, "boxes whose picture or category the file does not list"),
        ({"iscrowd": 1}, "boxes around many things at once (iscrowd)"),
        ({"bbox": [1e308, 0, 1e308, 5]}, "boxes whose numbers are no numbers"),
    ],
)
def test_an_annotation_of_coco_that_can_not_be_used_is_named(place: Path, row: dict[str, object], said: str) -> None:
    export = write_coco(place / "export")
    file = export / "train" / "_annotations.coco.json"
    tree = json.loads(file.read_text())
    tree["annotations"].append({**tree["annotations"][0], **row})
    file.write_text(json.dumps(tree))
    done = bring(export)
    assert "3 photos imported" in done.stdout
    assert said in done.stderr


def test_a_csv_of_fractions_and_one_of_a_spreadsheet_are_read_alike(place: Path) -> None:
    save(place / "a" / "1.png", 1)
    (place / "a" / "l.csv").write_text("Filename,Class,xmin,ymin,xmax,ymax\n1.png,can,0.25,0.25,0.625,0.75\n")
    save(place / "b" / "1.png", 1)
    (place / "b" / "l.csv").write_bytes(
        "image;label;x;y;width;height\r\n1.png;can;40,0;30;60;60\r\n".encode("utf-8-sig")
    )
    for name in ("a", "b"):
        bring(place / name, "--margin", "0")
        (picture,) = (place / "data" / name).rglob("*.png")
        assert np.array_equal(np.asarray(Pillow.open(picture)), scene(1)[30:90, 40:100])


def test_an_xml_that_would_grow_without_end_is_refused(place: Path) -> None:
    export = write_voc(place / "export")
    bomb = '<!DOCTYPE a [<!ENTITY b "x"><!ENTITY c "&b;&b;">]><annotation><filename>&c;</filename></annotation>'
    (export / "Tüte.xml").write_text(bomb)
    done = bring(export)
    assert "files that can't be read: 1 (Tüte.xml: it declares entities, which no export does" in done.stderr


def test_a_split_list_is_exported_with_its_boxes_and_items(place: Path) -> None:
    bring(write_coco(place / "export"), "--source", "hall", "--licence", "MIT")
    (place / "list.csv").write_text(
        "path,label\n"
        + "".join(f"data/hall/{row.path},{row.label}\n" for row in read_kept(place / "data" / "hall").values())
    )
    assert sorter("export", "list.csv", "--format", "csv", "--out", "out").exit_code == 0
    bring(place / "out", "--source", "again")
    again, first = (read_kept(place / "data" / name) for name in ("again", "hall"))
    assert {row.path: (row.box, row.item) for row in again.values()} == {
        row.path: (row.box, row.item) for row in first.values()
    }
    assert read_note(place / "data" / "again").licence == "MIT"
