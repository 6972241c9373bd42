"""The way of a model from photos to a bundle, over two drawn labels."""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from converter.convert import Converted, with_seen
from edge.bundle.archive import pack_bundle, read_bundle
from edge.cli import root
from edge.clock import SystemClock
from edge.errors import ConfigError, DatasetError
from edge.inference.golden import check_golden
from edge.inference.interpreter import open_interpreter
from training.recipe import load_recipe
from training.run_folder import Run, claim

HEAD = 'name = "mine"\nlabels = ["glass", "metal"]\n'


def test_a_run_folder_says_what_made_it(tiny_run: Path) -> None:
    written = Run(tiny_run).read()
    assert written["recipe"]["name"] == "tiny"
    assert written["photos"] == 16
    assert len(written["data_digest"]) == 64
    assert written["sources"] == [
        {"source": "board", "licence": "MIT", "photos": 16, "labels": {"disc": 8, "square": 8}}
    ]
    assert {row["alpha"] for row in written["sweep"]} == {0.0, 1.0}


def test_the_input_is_the_byte_with_its_top_bit_flipped(converted: Converted) -> None:
    manifest = read_bundle(converted.bundle, "tiny").manifest
    assert manifest.input.dtype == "int8"
    assert manifest.input.scale == 1.0
    assert manifest.input.zero_point == -1  # pixel 127 is the network's zero: code -1 is byte 127 with its bit flipped


def test_the_bundle_computes_here_what_its_golden_vectors_and_photos_say(converted: Converted) -> None:
    bundle = read_bundle(converted.bundle, "tiny")
    result = check_golden(bundle, open_interpreter(bundle), SystemClock().now)
    assert (result.photos, result.worst_steps) == (3, 0)


def test_a_source_that_is_left_out_is_measured_before_and_after_the_conversion(converted: Converted) -> None:
    for network in ("float", "int8"):
        assert converted.report[network]["sources"]["yard"]["photos"] == 6
    assert converted.report["sweep"][0]["yard"] >= 0.0


def test_float_and_int8_agree(converted: Converted) -> None:
    assert converted.report["agreement"] >= 0.75
    assert min(layer["decibels"] for layer in converted.report["layers"]) > 3


def test_evaluate_prints_plain_json(converted: Converted, tiny_data: Path, tmp_path: Path) -> None:
    bundle = tmp_path / "tiny-1.0.sorter"
    bundle.write_bytes(converted.bundle)
    html = tmp_path / "report.html"
    arguments = ["evaluate", str(bundle), "--data", str(tiny_data / "board" / "val.txt"), "--json", "--html", str(html)]
    result = CliRunner().invoke(root, arguments)
    assert result.exit_code == 0, result.output
    figures = json.loads(result.stdout)
    assert 0.0 <= figures["int8"]["top1"] <= 1.0
    assert np.sum(figures["int8"]["confusion"]["counts"]) == 8
    page = html.read_text()
    assert "http" not in page.replace("http://www.w3.org", "")


def test_evaluate_gives_the_figures_of_each_source(converted: Converted, tiny_data: Path, tmp_path: Path) -> None:
    bundle = tmp_path / "tiny-1.0.sorter"
    bundle.write_bytes(converted.bundle)
    given = ["evaluate", str(bundle), "--data", str(tiny_data / "board" / "val.txt"), "--data", str(tiny_data / "yard")]
    figures = json.loads(CliRunner().invoke(root, [*given, "--json"]).stdout)["int8"]
    assert {name: row["photos"] for name, row in figures["sources"].items()} == {"board/val.txt": 8, "yard": 6}
    assert figures["sources"]["yard"]["unknown"]["photos"] == 2
    right = sum(row["photos"] * row["top1"] for row in figures["sources"].values())
    assert right == pytest.approx(figures["photos"] * figures["top1"])
    plain = CliRunner().invoke(root, [*given, "--html", str(tmp_path / "page.html")])
    assert "board/val.txt: top-1" in plain.stdout
    assert "Source by source" in (tmp_path / "page.html").read_text()


@pytest.mark.parametrize("of", ["bundle", "run"])
def test_a_network_is_not_measured_on_what_it_learnt_from(
    of: str, converted: Converted, tiny_run: Path, tiny_data: Path, tmp_path: Path
) -> None:
    model = tiny_run
    if of == "bundle":
        model = tmp_path / "tiny-1.0.sorter"
        model.write_bytes(converted.bundle)
    every = ["evaluate", str(model), "--data", str(tiny_data / "board")]
    figures = json.loads(CliRunner().invoke(root, [*every, "--json"]).stdout)
    assert figures["seen"] == {"known": True, "training": 16, "validation": 8}
    assert figures["int8"]["photos"] == 8
    said = CliRunner().invoke(root, every).stdout
    assert "left out: 16 photos that it learnt from; measured on the others" in said
    assert "flattering: 8 of the photos chose this network" in said
    (tmp_path / "train.csv").write_text(
        "path,label\n" + "".join(f"{tiny_data}/board/{line},{line.split('/')[0]}\n" for line in _trained(tiny_data))
    )
    refused = CliRunner().invoke(root, ["evaluate", str(model), "--data", str(tmp_path / "train.csv")])
    assert isinstance(refused.exception, DatasetError)
    assert "learnt from all of these 16 photos" in str(refused.exception)


def test_a_run_from_before_it_was_kept_gets_it_from_the_same_photos_and_no_others(
    tiny_run: Path, tiny_data: Path, tmp_path: Path
) -> None:
    old = Run(tmp_path / "old")
    shutil.copytree(tiny_run, old.folder)
    (old.folder / "seen.json").unlink()
    assert with_seen({}, old, tiny_data)["seen"] == json.loads((tiny_run / "seen.json").read_text())
    (old.folder / "seen.json").unlink()
    written = json.loads((old.folder / "run.json").read_text())
    (old.folder / "run.json").write_text(json.dumps(written | {"data_digest": "0" * 64}))
    assert with_seen({}, old, tiny_data) == {}


def _trained(tiny_data: Path) -> list[str]:
    return (tiny_data / "board" / "train.txt").read_text().split()


def test_of_a_model_that_does_not_say_what_it_learnt_from_that_is_said(
    converted: Converted, tiny_data: Path, tmp_path: Path
) -> None:
    bundle = read_bundle(converted.bundle, "tiny")
    members = {name: content for name, content in bundle.members.items() if name != "manifest.json"}
    report = json.loads(members["report.json"])
    del report["seen"]
    old = pack_bundle(bundle.manifest, {**members, "report.json": json.dumps(report).encode()})
    (tmp_path / "old-1.0.sorter").write_bytes(old)
    every = ["evaluate", str(tmp_path / "old-1.0.sorter"), "--data", str(tiny_data / "board")]
    figures = json.loads(CliRunner().invoke(root, [*every, "--json"]).stdout)
    assert (figures["seen"], figures["int8"]["photos"]) == ({"known": False}, 24)
    assert "is not known (the model does not say)" in CliRunner().invoke(root, every).stdout


def test_photos_of_none_of_the_labels_alone_are_measured_without_a_top1(converted: Converted, tmp_path: Path) -> None:
    bundle = tmp_path / "tiny-1.0.sorter"
    bundle.write_bytes(converted.bundle)
    (tmp_path / "photos" / "wood").mkdir(parents=True)
    cv2.imwrite(str(tmp_path / "photos" / "wood" / "plank.png"), np.full((96, 128, 3), (60, 110, 150), np.uint8))
    given = ["evaluate", str(bundle), "--data", str(tmp_path / "photos")]
    plain = CliRunner().invoke(root, [*given, "--html", str(tmp_path / "page.html")])
    assert "no photo of any of its labels" in plain.stdout
    assert "float: not here" in plain.stdout
    figures = json.loads(CliRunner().invoke(root, [*given, "--json"]).stdout, parse_constant=pytest.fail)
    assert figures["int8"]["top1"] is None
    assert figures["int8"]["unknown"]["photos"] == 1


def test_a_folder_begun_with_another_recipe_is_refused(tiny_run: Path, tiny_data: Path, tmp_path: Path) -> None:
    recipe = tmp_path / "other.toml"
    recipe.write_text((tiny_data / "tiny.toml").read_text().replace("rounds = 2", "rounds = 3"))
    result = CliRunner().invoke(root, ["train", str(recipe), "--data", str(tiny_data), "--run", str(tiny_run)])
    assert isinstance(result.exception, ConfigError)
    assert "another recipe" in str(result.exception)


def test_a_run_of_another_version_is_refused(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text('{"format": 99}')
    with pytest.raises(ConfigError, match="format 1, got 99"):
        Run(tmp_path).read()


def test_a_damaged_run_and_a_recipe_of_another_version_are_refused(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text('{"format": 1, "recipe": {"name": "x", "colour": "red"}}')
    with pytest.raises(ConfigError, match="another version"):
        Run(tmp_path).recipe()
    (tmp_path / "run.json").write_text('{"format": 1, "rec')
    with pytest.raises(ConfigError, match="damaged"):
        Run(tmp_path).read()


def test_a_folder_in_which_another_training_works_is_left_alone(tmp_path: Path) -> None:
    refused = pytest.raises(ConfigError, match="another training is at work")
    with Run(tmp_path).locked(wait=False), refused, Run(tmp_path).locked(wait=False):
        pass


def test_a_run_that_failed_before_it_made_anything_leaves_its_folder_to_another_recipe(
    tiny_data: Path, tmp_path: Path
) -> None:
    wrong, right, run = load_recipe(str(tiny_data / "tiny.toml")), tmp_path / "right.toml", Run(tmp_path / "run")
    run.folder.mkdir()
    claim(wrong, run)
    (run.folder / "frozen.tflite").write_bytes(b"of the wrong recipe")
    (run.folder / "pools" / "train").mkdir(parents=True)
    right.write_text((tiny_data / "tiny.toml").read_text().replace("rounds = 2", "rounds = 3"))
    claim(load_recipe(str(right)), run)
    assert [path.name for path in run.folder.iterdir()] == ["recipe.json"]
    (run.folder / "cycle0").mkdir()
    with pytest.raises(ConfigError, match="begun with another recipe"):
        claim(wrong, run)


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        ('["Plastic Bottles", "glass"]', r"labels = 'Plastic Bottles': a label is .* write 'plastic-bottles'"),
        ('["glass", "glass"]', "expected each label once"),
    ],
)
def test_labels_that_no_bundle_takes_are_refused_before_the_training(tmp_path: Path, labels: str, said: str) -> None:
    recipe = tmp_path / "mine.toml"
    recipe.write_text(f'name = "mine"\nlabels = {labels}\ntrain = [{{tree = "a"}}]\nvalidation = [{{tree = "b"}}]\n')
    with pytest.raises(ConfigError, match=said):
        load_recipe(str(recipe))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--version", "../1"], "--version ../1: expected a version"),
        (["--out", "/dev/null/x"], "--out /dev/null/x: can't make"),
    ],
)
def test_a_bundle_that_can_not_be_named_or_kept_is_refused_at_once(
    tmp_path: Path, options: list[str], said: str
) -> None:
    given = ["convert", str(tmp_path), "--data", str(tmp_path), "--out", str(tmp_path), *options]
    result = CliRunner().invoke(root, given)
    assert isinstance(result.exception, ConfigError)
    assert said in str(result.exception)


def test_an_unfinished_run_is_not_converted(tmp_path: Path, tiny_data: Path) -> None:
    result = CliRunner().invoke(root, ["convert", str(tmp_path), "--data", str(tiny_data), "--out", str(tmp_path)])
    assert isinstance(result.exception, ConfigError)
    assert "no finished run" in str(result.exception)


def test_a_name_that_no_bundle_takes_is_refused_with_one_that_it_does(tmp_path: Path) -> None:
    recipe = tmp_path / "mine.toml"
    recipe.write_text('name = "My Waste_2"\nlabels = ["a", "b"]\ntrain = [{tree = "a"}]\nvalidation = [{tree = "b"}]\n')
    with pytest.raises(ConfigError, match=r"name = 'My Waste_2': expected small letters .* write 'my-waste-2'"):
        load_recipe(str(recipe))


def test_what_is_wrong_in_a_recipe_is_said_in_the_words_of_a_station_file(tmp_path: Path) -> None:
    recipe = tmp_path / "mine.toml"
    recipe.write_text(
        'name = "mine"\nlabels = ["glass", "Tin Can"]\ntrain = {tree = "a"}\nvalidation = [{tree = 3}, {evry = {}}]\n'
        'fit = 3\n[network]\ndropout = "0,3"\n'
    )
    with pytest.raises(ConfigError) as refused:
        load_recipe(str(recipe))
    said = str(refused.value).splitlines()[1:]
    assert [line.partition(":")[0].strip() for line in said] == [
        "labels = 'Tin Can'", "train = {'tree'", "validation[#1].tree = 3", "validation[#2].evry",
        "network.dropout = '0,3'", "fit = 3",
    ]  # fmt: skip
    assert "write [[train]] with two brackets" in said[1]
    assert "did you mean 'every'?" in said[3]
    assert "without quotes: 0.3" in said[4]
    assert "write [fit], and its keys below it" in said[5]


@pytest.mark.parametrize(
    ("recipe", "expected"),
    [
        ('labels = ["Plastic Bottles"]', "write 'plastic-bottles'"),
        (f"{HEAD}train = [{{tree = '.'}}]\nvalidation = [{{list = 'gone.csv'}}]", "gone.csv: no such folder or list"),
        (f"{HEAD}train = [{{}}]\nvalidation = [{{tree = '.'}}]", "names neither a tree nor a list"),
    ],
)
def test_a_wrong_recipe_is_refused_before_keras_is_loaded(tmp_path: Path, recipe: str, expected: str) -> None:
    (tmp_path / "mine.toml").write_text(recipe)
    given = ["train", str(tmp_path / "mine.toml"), "--data", str(tmp_path), "--run", str(tmp_path / "run")]
    program = (
        "import sys\nfrom typer.testing import CliRunner\nfrom edge.cli import root\n"
        f"print(CliRunner().invoke(root, {given!r}).exception)\nprint('keras' in sys.modules)\n"
    )
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert expected in said
    assert said.endswith("False\n")


def test_training_says_what_it_does_from_the_start_and_what_to_do_next(
    tiny_run: Path, tiny_data: Path, tmp_path: Path
) -> None:
    run = tmp_path / "a run"
    shutil.copytree(tiny_run, run)  # finished: it is read, step by step
    given = ["train", str(tiny_data / "tiny.toml"), "--data", str(tiny_data), "--run", str(run)]
    result = CliRunner().invoke(root, given)
    assert result.exit_code == 0, result.output
    lines = result.stderr.splitlines()
    assert lines[0] == "loading Keras and TensorFlow ..."
    assert {"reading the lists of photos ...", "loading the photos ...", "views: train ..."} <= set(lines)
    assert any(line.startswith("fine-tuned by 100 %: rightly named ") for line in lines)
    assert "{" not in result.stderr
    following = result.stdout.splitlines()[-1].removeprefix("Next: ")
    command, *arguments = shlex.split(following)
    assert command == "sorter"
    assert arguments[:3] == ["convert", str(run), "--data"]
    parsed = CliRunner().invoke(root, [*arguments, "--version", "../1"])  # read whole, then refused for this
    assert isinstance(parsed.exception, ConfigError)
    assert "--version ../1" in str(parsed.exception)
