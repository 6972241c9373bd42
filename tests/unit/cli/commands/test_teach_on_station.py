"""`sorter teach` at a simulated station: shown, learnt, installed, listed and forgotten."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.drawn_place import ITEMS, write_place
from typer.testing import CliRunner

from edge.bundle.archive import open_bundle
from edge.cli import root
from edge.config import load_station
from edge.errors import SorterError, TeachingError
from edge.models.select import open_store
from edge.system.files import claim_folder

SHOWN = {"cup": ITEMS, "metal": ITEMS, "paper": ITEMS}
Place = tuple[Path, Path]


@pytest.fixture
def place(tmp_path: Path, tiny_bundle: Callable[..., bytes]) -> Place:
    return write_place(tmp_path, tiny_bundle)


@pytest.fixture
def shown_place(place: Place) -> Place:
    """The same where everything was shown, and nothing installed."""
    assert answer_of(teach(place, "--json"))["installed"] is None
    return place


def sorter(*words: str | Path) -> tuple[str, SorterError | None]:
    """Call it; return what it prints, and the error that a person would be told."""
    result = CliRunner().invoke(root, list(map(str, words)), env={"COLUMNS": "150"})
    if result.exception is not None and not isinstance(result.exception, SorterError | SystemExit):
        raise result.exception
    return result.stdout, result.exception if isinstance(result.exception, SorterError) else None


def teach(place: Place, *words: str | Path, items: int = ITEMS) -> tuple[str, SorterError | None]:
    station, base = place
    return sorter("teach", "--station", station, "--bundle", base, "--items", str(items), *words)


def answer_of(said: tuple[str, SorterError | None]) -> dict[str, Any]:
    text, error = said
    assert error is None, error
    answer: dict[str, Any] = json.loads(text)
    return answer


def listed(place: Place) -> dict[str, Any]:
    return answer_of(sorter("teach", "--station", place[0], "--list", "--json"))


def counts(place: Place) -> dict[str, int]:
    return {label: told["items"] for label, told in listed(place)["labels"].items()}


def test_a_station_is_taught_with_a_new_label_unattended_and_works_with_it(place: Place) -> None:
    answer = answer_of(teach(place, "--yes", "--json"))
    assert answer["installed"] == "tiny-2.0+belt.1"
    assert answer["new_labels"] == ["cup"]
    before, after = answer["before"]["top1"], answer["after"]["top1"]
    assert before["right"] == 0  # here paper is blue and metal red
    assert after["value"] >= 0.75
    assert counts(place) == SHOWN

    store = open_store(load_station(place[0]))
    generation = store.active()
    assert generation is not None
    assert (generation.current, generation.previous) == (answer["digest"], open_bundle(place[1]).digest)
    assert generation.probation
    taught = store.open(generation.current)  # which gives out only what the station trusts
    assert taught.signature is not None
    assert "cup" in taught.labels
    told, error = sorter("check", "--station", place[0])
    assert error is None, told
    assert "does not fit" not in told


def test_teaching_again_begins_at_the_base_with_all_that_was_shown_and_counts_up(shown_place: Place) -> None:
    first = answer_of(teach(shown_place, "--yes", "--json"))
    second = answer_of(sorter("teach", "--station", shown_place[0], "--items", "0", "--yes", "--json"))
    assert (first["installed"], second["installed"]) == ("tiny-2.0+belt.1", "tiny-2.0+belt.2")
    assert (second["base"], second["after"]) == ("tiny-2.0", first["after"])  # though the head is at work by then
    heads = listed(shown_place)["heads"]
    assert [head["version"] for head in heads] == ["2.0+belt.1", "2.0+belt.2"]
    assert [head["digest"] for head in heads] == [first["digest"], second["digest"]]


def test_the_pictures_alone_teach_the_same(shown_place: Place, tmp_path: Path) -> None:
    here = answer_of(teach(shown_place, "--yes", "--json"))
    pictures, out = tmp_path / "state" / "teaching" / "pictures", tmp_path / "out.sorter"
    there = answer_of(
        sorter("teach", "--photos", pictures, "--bundle", shown_place[1], "--out", out, "--name", "belt", "--json")
    )
    assert {key: there[key] for key in ("labels", "before", "after")} == {
        key: here[key] for key in ("labels", "before", "after")
    }
    installed = open_store(load_station(shown_place[0])).open(here["digest"])
    assert open_bundle(out).members["head.bin"] == installed.members["head.bin"]


def test_without_yes_nothing_is_installed_and_what_was_shown_stays(shown_place: Place) -> None:
    assert open_store(load_station(shown_place[0])).active() is None
    assert counts(shown_place) == SHOWN
    told, error = teach(shown_place)
    assert error is None
    assert "Nothing is installed; what was shown is kept" in told
    assert "named rightly before" in told
    assert open_store(load_station(shown_place[0])).active() is None


def test_a_label_is_forgotten_only_when_that_is_sure(shown_place: Place) -> None:
    _, error = sorter("teach", "--station", shown_place[0], "--forget", "cup")
    assert error is not None
    assert (error.exit_code, "nobody is there to answer" in str(error)) == (2, True)
    assert counts(shown_place) == SHOWN
    assert sorter("teach", "--station", shown_place[0], "--forget", "cup", "--yes")[1] is None
    assert "cup" not in counts(shown_place)
    _, error = sorter("teach", "--station", shown_place[0], "--forget", "cup", "--yes")
    assert "shown was: metal, paper" in str(error)
    _, error = teach(shown_place, "--yes", items=0)
    assert "cup: a bin waits for it, tiny-2.0 does not know it, and nothing of it was shown" in str(error)


def test_a_head_that_can_not_be_judged_is_not_installed_and_what_was_shown_stays(place: Place) -> None:
    _, error = teach(place, "--yes", items=1)
    assert error is not None
    assert error.exit_code == TeachingError.exit_code
    assert "nothing is installed: no label has two items" in str(error)
    assert "what was shown is kept" in str(error)
    assert open_store(load_station(place[0])).active() is None
    assert counts(place) == dict.fromkeys(SHOWN, 1)


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("--label", "cpu"), 2, "did you mean 'cup'?"),
        (("--items", "0"), TeachingError.exit_code, "nothing was shown yet"),
        (("--out", "x.sorter"), 2, "--out: expected without the station"),
        (("--photos", "x", "--demo"), 2, "--demo, --yes: expected without --photos"),
    ],
)
def test_what_can_not_be_is_said_in_one_sentence(place: Place, words: tuple[str, ...], code: int, told: str) -> None:
    _, error = teach(place, "--yes", *words)
    assert error is not None
    assert (error.exit_code, told in str(error)) == (code, True), error


def test_a_model_of_format_1_is_refused_with_what_to_do(place: Place, tiny_bundle: Callable[..., bytes]) -> None:
    place[1].write_bytes(tiny_bundle())
    _, error = teach(place, "--yes")
    assert error is not None
    assert (error.exit_code, "install a model of format 2" in str(error)) == (4, True)


def test_two_do_not_teach_one_station_at_once(place: Place, tmp_path: Path) -> None:
    (tmp_path / "state" / "teaching").mkdir(parents=True)
    descriptor = claim_folder(tmp_path / "state" / "teaching")
    assert descriptor is not None
    _, error = teach(place, "--yes")
    os.close(descriptor)
    assert "the station is taught already, by `sorter teach` or on its page" in str(error)


def test_a_folder_that_can_not_be_made_is_named(place: Place, tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file")
    _, error = teach(place, "--yes")
    assert error is not None
    assert error.exit_code == TeachingError.exit_code
    assert "state/teaching: can't be used" in str(error)
