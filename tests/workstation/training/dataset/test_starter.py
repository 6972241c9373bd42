"""`sorter train --new`: from a folder of photos to a recipe that trains."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest
from support.drawn_photos import draw_photo, write_photo
from typer.testing import CliRunner

from edge.cli import root
from edge.errors import ConfigError, DatasetError
from training.dataset.photos import read_list
from training.recipe import load_recipe


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with `My Photos`: 24 discs, 20 squares, and what a Mac leaves."""
    for label, folder, count in (("disc", "Disc", 24), ("square", "Big Square", 20)):
        for seed in range(count):
            write_photo(tmp_path / "My Photos" / folder / f"{seed}.png", draw_photo(label, seed))
    (tmp_path / "My Photos" / "Disc" / "._0.png").write_bytes(b"Mac OS X")
    (tmp_path / "My Photos" / "Disc" / "bad.png").write_bytes(b"")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def invoke(*arguments: str) -> tuple[str, str]:
    result = CliRunner().invoke(root, arguments)
    if result.exception is not None:
        raise result.exception
    return result.stdout, result.stderr


def test_the_recipe_names_the_photos_own_labels_and_says_how_many_there_are(place: Path) -> None:
    stdout, stderr = invoke("train", "--new", "My Photos")
    assert stdout.splitlines()[-1] == "Next: sorter train my-photos.toml"
    assert "few photos: val has" in stderr
    assert "left out: My Photos/Disc/bad.png: the file is empty" in stderr
    recipe = load_recipe("my-photos.toml")
    assert (recipe.name, recipe.labels) == ("my-photos", ("big-square", "disc"))
    assert recipe.network.backbone == "efficientnet_lite0_ra_imagenet"
    lists = {name: read_list(place / "my-photos-lists" / f"{name}.csv") for name in ("train", "val", "test")}
    assert sum(map(len, lists.values())) == 44
    for photos in lists.values():
        assert {photo.label for photo in photos} == {"big-square", "disc"}
    text = (place / "my-photos.toml").read_text()
    counts = [sum(photo.label == "disc" for photo in photos) for photos in lists.values()]
    assert "#   disc      " + "".join(f"{count:7}" for count in counts) in text


def test_what_is_commented_out_is_right_too(place: Path) -> None:
    invoke("train", "--new", "My Photos")
    lines = (place / "my-photos.toml").read_text().splitlines()
    keys = ("repeat", "[[train]]", "tree", "label_map", "[backgrounds]", "photos")
    opened = [line.removeprefix("# ") if line.removeprefix("# ").startswith(keys) else line for line in lines]
    tomllib.loads("\n".join(opened))
    (place / "opened.toml").write_text("\n".join(opened))
    recipe = load_recipe("opened.toml")
    assert recipe.train[0].repeat == {"big-square": 2.0}
    assert recipe.train[1].tree == "other-photos"
    assert recipe.backgrounds.photos == ("empty/*.jpg",)


def test_a_recipe_is_never_overwritten(place: Path) -> None:
    (place / "mine.toml").write_text("mine")
    with pytest.raises(ConfigError, match=r"mine\.toml: is there and stays as it is"):
        invoke("train", "mine.toml", "--new", "My Photos")
    assert (place / "mine.toml").read_text() == "mine"
    assert not (place / "mine-lists").exists()


def test_a_label_whose_photos_are_all_the_same_is_refused(place: Path) -> None:
    for seed in range(4):
        write_photo(place / "My Photos" / "same" / f"{seed}.png", draw_photo("disc", 77))
    with pytest.raises(DatasetError, match="too few photos of same, or all nearly the same: add others"):
        invoke("train", "--new", "My Photos")
    assert not (place / "my-photos.toml").exists()


def save_small_preset(folder: Path) -> None:
    import keras_hub

    stages = 2
    keras_hub.models.EfficientNetBackbone(
        stackwise_width_coefficients=[1.0] * stages, stackwise_depth_coefficients=[1.0] * stages,
        stackwise_kernel_sizes=[3, 3], stackwise_num_repeats=[1, 1], stackwise_input_filters=[16, 8],
        stackwise_output_filters=[8, 16], stackwise_expansion_ratios=[1, 2], stackwise_strides=[2, 2],
        stackwise_squeeze_and_excite_ratios=[0, 0], stackwise_block_types=["v1", "v1"], activation="relu6",
    ).save_to_preset(str(folder))  # fmt: skip
    keras_hub.layers.EfficientNetImageConverter(scale=1 / 128, offset=-1.0).save_to_preset(str(folder))


def test_the_recipe_trains_with_the_printed_command_and_a_local_folder_in_place_of_the_name(place: Path) -> None:
    invoke("train", "--new", "My Photos")
    save_small_preset(place / "efficientnet_lite0_ra_imagenet")
    # Smaller and shorter, or it would take minutes; all else as written.
    text = (place / "my-photos.toml").read_text()
    for old, new in (("rounds = 40", "rounds = 2"), ("size = 224", "size = 64"), ("cycles = [8]", "cycles = [1]")):
        assert old in text
        text = text.replace(old, new)
    (place / "my-photos.toml").write_text(text)
    stdout, _ = invoke("train", "my-photos.toml")
    assert stdout.splitlines()[-1] == "Next: sorter convert runs/my-photos --data . --out ."
    assert json.loads((place / "runs" / "my-photos" / "run.json").read_text())["recipe"]["name"] == "my-photos"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["waste"], "sorter train waste needs --data"),
        ([], "which recipe?"),
    ],
)
def test_what_is_missing_is_said(arguments: list[str], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        invoke("train", *arguments)


def test_wrong_labels_are_looked_for_with_a_preset_or_a_file_of_weights(place: Path) -> None:
    save_small_preset(place / "small")
    looked = ("dataset", "inspect", "My Photos", "--suspicious", "--json", "--weights")
    assert isinstance(json.loads(invoke(*looked, "small")[0])["suspects"], list)
    with pytest.raises(DatasetError, match=r"gone\.npz: no such weights file; .*.*efficientnet_lite0_ra_imagenet"):
        invoke(*looked, "gone.npz")
