"""A path that is wrong in any way ends in a sentence and an exit code, whatever the command; never in a traceback."""

from __future__ import annotations

import os
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType

import pytest
from support.paths import ROOT

from edge.cli import main

BUNDLE = next((ROOT / "edge" / "model").glob("*.sorter"))
PATIENCE_S = 60


def _loop(path: Path) -> None:
    path.symlink_to(path.name)


def _huge(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(1 << 40)


# What stands where a file or a folder was expected.
MAKERS: dict[str, Callable[[Path], object]] = {
    "nothing": lambda path: None,
    "a folder": Path.mkdir,
    "an empty file": Path.touch,
    "noise": lambda path: path.write_bytes(bytes(range(256)) * 20),
    "text": lambda path: path.write_text("a,b\n"),
    "a named pipe": os.mkfifo,
    "an endless device": lambda path: path.symlink_to("/dev/zero"),
    "a dangling link": lambda path: path.symlink_to("nowhere"),
    "a loop of links": _loop,
    "a terabyte of zeros": _huge,
    "a name too long": lambda path: None,
    "a file below a file": lambda path: path.parent.write_text(""),
}
READING = {
    "check": "check --station {bad}",
    "run": "run --seconds 1 --station {bad}",
    "safe": "safe --station {bad}",
    "token": "token --station {bad}",
    "journal check of a station": "journal check --station {bad}",
    "journal list": "journal list --file {bad}",
    "journal list of a folder": "journal list --state-folder {bad}",
    "journal check": "journal check --file {bad}",
    "classify": "classify {bad}",
    "classify with a bundle": f"classify --bundle {{bad}} {ROOT}/edge/simulate/photos/glass/missing.jpg",
    "count": "count {bad}",
    "label": "label {bad} --by anna",
    "label with a bundle": f"label {ROOT}/edge/simulate/photos --by anna --bundle {{bad}}",
    "label for a station": f"label {ROOT}/edge/simulate/photos --by anna --station {{bad}}",
    "model list": "model list --station {bad}",
    "model verify": "model verify --station {bad}",
    "model install": "model install {bad} --station {station}",
    "key sign": f"key sign {BUNDLE} --key {{bad}}",
    "key list": "key list {bad}",
    "calibrate show": "calibrate show --demo --state-folder {bad}",
    "calibrate show of a station": "calibrate show --station {bad}",
    "calibrate restore": "calibrate restore --demo --state-folder {bad}",
    "setup": "setup --dry-run --root {here} --station {bad}",
    "simulate a station": "simulate --minutes 0.05 --perfect-model --station {bad}",
    "simulate a bundle": "simulate --minutes 0.05 --bundle {bad}",
    "simulate photos": "simulate --minutes 0.05 --perfect-model --photos {bad}",
    "simulate a texture": "simulate --minutes 0.05 --perfect-model --texture {bad}",
}
# Names that are no more than a folder or a missing file are fine to write to; these are not.
WRITING = {
    "key new": "key new {bad}/key",
    "calibrate sheet": "calibrate sheet {bad}/sheet.pdf",
    "simulate a journal": "simulate --minutes 0.05 --perfect-model --journal {bad}",
    "simulate a clip": "simulate --minutes 0.05 --perfect-model --video {bad}/clip.mp4",
    "doctor report": "doctor --report {bad}/report.json",
    "setup a card": "setup --root {bad}/card",
}
UNWRITABLE = ("an empty file", "a named pipe", "a loop of links", "a file below a file", "a name too long")
CASES = [(words, kind) for words in READING for kind in MAKERS] + [(words, k) for words in WRITING for k in UNWRITABLE]
# Where a station was never calibrated and nobody is trusted there is nothing wrong; a link to a folder is a folder.
ALL_IS_WELL = {
    *((words, kind) for words in ("key list", "calibrate show") for kind in ("nothing", "a folder", "a dangling link")),
}


@pytest.fixture
def patience() -> Iterator[None]:
    """Ends a command that waits for what never comes."""

    def give_up(number: int, frame: FrameType | None) -> None:
        raise AssertionError(f"no end after {PATIENCE_S} s")

    before = signal.signal(signal.SIGALRM, give_up)
    signal.alarm(PATIENCE_S)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.mark.usefixtures("patience")
@pytest.mark.parametrize(("words", "kind"), CASES)
def test_a_wrong_path_is_a_sentence_and_an_exit_code(
    words: str, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = tmp_path / ("x" * 300 if kind == "a name too long" else "below/bad" if "below" in kind else "bad")
    MAKERS[kind](bad)
    shutil.copy(ROOT / "edge" / "stations" / "bin-flap.toml", tmp_path / "station.toml")
    places = {"bad": bad, "here": tmp_path, "station": tmp_path / "station.toml"}
    command = ({**READING, **WRITING}[words]).format(**places)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["sorter", *command.split()])
    with pytest.raises(SystemExit) as ended:
        main()
    said = capsys.readouterr()
    assert ended.value.code != 0 or (words, kind) in ALL_IS_WELL
    assert said.err or said.out
    assert "Traceback" not in said.err


@pytest.mark.parametrize("words", ["key new", "key sign", "simulate photos"])
def test_the_home_of_nobody_is_a_wrong_path_like_any_other(
    words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    command = {**READING, **WRITING}[words].format(bad="~nobody-of-that-name/x")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["sorter", *command.split()])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert "~nobody-of-that-name" in capsys.readouterr().err
