"""Purity that was seen: of items that chance chose and people labelled, where they landed and what they are."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from support.judged_line import FILE, Line
from typer.testing import CliRunner

from edge.cli import root
from edge.clock import NS_PER_S
from edge.errors import ConfigError
from edge.journal.reading import ItemRecord, Query, read_all
from edge.labelling.labels import NONE_OF_THESE, TWO_THINGS
from edge.stats.purity import FEWEST, Purity, read_labels_of
from edge.system.statistics import wilson_interval
from edge.types import StrokeOutcome


@pytest.fixture
def line(memory_folder: Path) -> Line:
    return Line(memory_folder)


def figures(purity: Purity) -> dict[str, tuple[int, int, int]]:
    """Right, labelled and kept, by bin."""
    return {one.bin: (one.right, one.labelled, one.kept) for one in purity.present}


def test_the_purity_is_the_share_of_labelled_items_that_belong_where_they_lie(line: Line) -> None:
    line.items("metal", {"metal": 20, "can": 8, "paper": 2, "tetra": 2})
    line.items("paper", {"paper": 30})
    line.label()
    metal, paper = line.judge().present
    assert (metal.right, metal.labelled, metal.share) == (28, 32, 28 / 32)
    assert metal.interval == wilson_interval(28, 32)
    assert (paper.share, paper.missing) == (1.0, 0)


@pytest.mark.parametrize("mark", [NONE_OF_THESE, TWO_THINGS, "tetra"])
def test_what_is_no_label_of_the_bin_is_impure(line: Line, mark: str) -> None:
    line.items("metal", {"metal": 3, mark: 2})
    line.label()
    assert figures(line.judge())["metal"] == (3, 5, 5)


def test_only_items_that_chance_chose_count(memory_folder: Path) -> None:
    line = Line(memory_folder, random_share=0.3, keep="all")
    line.items("metal", {"metal": 60})
    line.label()
    chosen = [row for row in read_all(memory_folder / "journal.db", ItemRecord, Query()) if row.kept == "random"]
    assert 5 < len(chosen) < 40
    assert figures(line.judge())["metal"] == (len(chosen), len(chosen), len(chosen))


def test_an_item_counts_where_it_was_seen_to_lie(line: Line) -> None:
    line.item("metal", "metal", landed=True)
    line.item("metal", "metal", StrokeOutcome.REFUSED)  # ran on to residual
    line.item("metal", "paper", StrokeOutcome.FAILED)
    line.label()
    assert figures(line.judge())["metal"] == (1, 1, 1)


def test_any_look_at_an_item_can_be_labelled_and_the_latest_word_holds(line: Line) -> None:
    line.item("metal", "paper")
    line.label(look=1)
    line.clock.advance_to(line.clock.now() + NS_PER_S)
    line.said = dict.fromkeys(line.said, "metal")
    line.label(by="bob", look=2)
    assert figures(line.judge())["metal"] == (1, 1, 1)


def test_figures_are_of_one_model_and_those_of_before_stand_apart(line: Line) -> None:
    line.journal.use_bundle("old")
    line.items("metal", {"metal": 1, "paper": 3})
    line.journal.use_bundle("new")
    line.items("metal", {"metal": 2})
    line.label()
    purity = line.judge()
    assert purity.model == "new"
    assert figures(purity)["metal"] == (2, 2, 2)
    assert [(one.model, one.bin, one.right, one.labelled) for one in purity.before] == [("old", "metal", 1, 4)]


def test_a_model_that_has_sorted_nothing_labelled_yet_begins_anew(line: Line) -> None:
    line.items("metal", {"metal": 40})
    line.label()
    line.journal.use_bundle("new")
    line.item("metal", None)
    assert figures(line.judge()) == {"metal": (0, 0, 1), "paper": (0, 0, 0)}
    assert line.judge().present[0].share is None


# -- the command --------------------------------------------------------------------------------------------------


def run(line: Line, *options: str) -> str:
    file = line.folder / "station.toml"
    file.write_text(f'state_folder = "{line.folder}"\n{FILE}')
    result = CliRunner().invoke(root, ["stats", "--purity", "--station", str(file), *options], env={"COLUMNS": "160"})
    assert result.exit_code == 0, (result.output, result.exception)
    return result.output


def test_the_command_tells_purity_interval_and_dates(line: Line) -> None:
    line.items("metal", {"metal": 38, "paper": 2})
    line.label()
    told = run(line)
    low, high = wilson_interval(38, 40)
    assert f"95.0% │ {low:.1%} to {high:.1%}" in told
    assert "2026-01-01" in told
    assert "2026-01-02" in told


def test_too_few_labels_are_said_with_what_to_do(line: Line) -> None:
    line.items("metal", {"metal": 7})
    for _ in range(FEWEST):
        line.item("metal", None)
    for _ in range(4):
        line.item("paper", None)
    line.label()
    told = run(line)
    pictures = line.folder / "pictures"
    assert (
        f"metal: too few to tell; label {FEWEST - 7} more of its random pictures: sorter label {pictures} --random"
        in told
    )
    assert (
        f"paper: too few to tell; label the 4 that wait: sorter label {pictures} --random, and {FEWEST - 4} more have"
        in told
    )
    assert "100.0%" not in told, "7 of 7 is no purity"


def test_json_has_every_figure(line: Line) -> None:
    line.items("metal", {"metal": 29, "paper": 1})
    for _ in range(3):
        line.item("metal", None)
    line.label()
    answer = json.loads(run(line, "--json"))
    metal = answer[0]["bins"][0]
    assert (answer[0]["station"], metal["bin"], metal["purity"]) == ("line-1", "metal", 29 / 30)
    assert (metal["right"], metal["labelled"], metal["kept"], metal["unlabelled"], metal["missing"]) == (
        29,
        30,
        33,
        3,
        0,
    )
    assert metal["low"] < metal["purity"] < metal["high"]
    assert metal["first"].startswith("2026-01-01T")


def test_labels_that_lie_elsewhere_are_read_from_there(line: Line, tmp_path: Path) -> None:
    line.items("metal", {"metal": 3})
    line.label()
    elsewhere = tmp_path / "labelled"
    elsewhere.mkdir()
    shutil.move(line.folder / "pictures" / "labels-ann.csv", elsewhere)
    assert json.loads(run(line, "--json"))[0]["bins"][0]["labelled"] == 0
    assert json.loads(run(line, "--json", "--labels", str(elsewhere)))[0]["bins"][0]["labelled"] == 3


def test_labels_of_a_folder_that_holds_several_stations_count_for_each(tmp_path: Path) -> None:
    """As `sorter pull --into stations` and `sorter label stations` lay them out."""
    ours, other = Line(tmp_path / "sorter@line-1"), Line(tmp_path / "sorter@line-2")
    for line in (ours, other):
        line.items("metal", {"metal": 3})
        line.label()
        lines = (line.folder / "pictures" / "labels-ann.csv").read_text().splitlines()[1:]
        (line.folder / "pictures" / "labels-ann.csv").unlink()
        with (tmp_path / "labels-ann.csv").open("a") as together:
            together.writelines(f"{line.folder.name}/pictures/{text}\n" for text in lines)
    assert json.loads(run(ours, "--json"))[0]["bins"][0]["labelled"] == 3
    assert len(read_labels_of(ours.folder / "journal.db").entries) == 3, "those of another station are not its own"


def test_pictures_left_out_are_said_beside_a_figure(line: Line) -> None:
    line.items("metal", {"metal": FEWEST})
    for _ in range(5):
        line.item("metal", None)
    line.label()
    told = " ".join(run(line).split())
    assert f"metal: 5 of {FEWEST + 5} random pictures are not labelled yet: those left out may be the hard ones" in told


def test_purity_needs_a_station_file_and_no_options_of_counting(line: Line) -> None:
    line.item("metal", None)
    runner, file = CliRunner(), str(line.folder / "journal.db")
    nowhere = runner.invoke(root, ["stats", "--purity", "--file", file, "--station", "none.toml"])
    assert isinstance(nowhere.exception, ConfigError)
    assert "none.toml" in str(nowhere.exception)
    for options in (["--purity", "--by", "day"], ["--labels", "x"]):
        assert isinstance(runner.invoke(root, ["stats", "--file", file, *options]).exception, ConfigError)
