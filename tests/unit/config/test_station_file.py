"""Station files: the examples, and every kind of mistake."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import tomli_w
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from support.paths import STATIONS

from edge.config import Station, load_station
from edge.errors import ConfigError
from edge.system.text import NotTextError
from edge.system.toml import parse_toml

STATIONS = sorted((STATIONS).glob("*.toml"))
TABLES = [tomllib.loads(path.read_text("utf-8")) for path in STATIONS]
CONVEYOR = next(table for table in TABLES if table["name"] == "conveyor")
FLAP = next(table for table in TABLES if table["name"] == "bin-flap")


def load(table: dict[str, Any], folder: Path) -> Station:
    path = folder / "station.toml"
    path.write_text(tomli_w.dumps(table), "utf-8")
    return load_station(path)


@pytest.mark.parametrize("path", STATIONS, ids=lambda path: path.stem)
def test_every_example_loads(path: Path) -> None:
    station = load_station(path)
    assert station.state_folder.is_absolute()
    assert station.bin("residual").name == "residual"


def test_both_kinds_and_all_actuators_are_among_the_examples() -> None:
    assert {table["kind"] for table in TABLES} == {"bin", "conveyor"}
    assert {a["type"] for table in TABLES for a in table.get("actuators", ())} == {"digital", "servo", "stepper"}


def test_a_station_can_not_be_changed() -> None:
    with pytest.raises(ValidationError):
        load_station(STATIONS[0]).name = "other"


def test_paths_are_relative_to_the_file_not_to_where_one_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = deepcopy(FLAP) | {"state_folder": "state", "camera": {"type": "video", "path": "clips/a.mp4"}}
    monkeypatch.chdir("/")
    station = load(table, tmp_path)
    assert station.state_folder == tmp_path / "state"
    assert station.camera.path == tmp_path / "clips" / "a.mp4"  # type: ignore[union-attr]


# -- mistakes -----------------------------------------------------------------------------------------------------


def put(*keys: Any) -> Callable[[dict[str, Any]], None]:
    """Return a mistake: set the value (the last argument) at the keys."""

    def mistake(table: dict[str, Any]) -> None:
        *way, last, value = keys
        for key in way:
            table = table[key]
        table[last] = value

    return mistake


def drop(*keys: Any) -> Callable[[dict[str, Any]], None]:
    def mistake(table: dict[str, Any]) -> None:
        *way, last = keys
        for key in way:
            table = table[key]
        del table[last]

    return mistake


MISTAKES: list[tuple[Callable[[dict[str, Any]], None], list[str]]] = [
    (put("belt", "sped_mm_per_s", 3), ["belt.sped_mm_per_s: unknown key", "did you mean 'speed_mm_per_s'"]),
    (put("bets", {}), ["bets: unknown key", "did you mean 'belt'"]),
    (put("xyz", 1), ["xyz: unknown key", "known keys: actuators, belt"]),
    (put("belt", "speed_mm_per_s", -5), ["belt.speed_mm_per_s = -5", "greater than 0"]),
    (put("belt", "speed_mm_per_s", float("nan")), ["belt.speed_mm_per_s", "finite"]),
    (put("belt", "direction", "sideways"), ["belt.direction = 'sideways'", "'right', 'left', 'down' or 'up'"]),
    (put("camera", "frames_per_s", "fast"), ["camera.frames_per_s = 'fast'", "number"]),
    (put("camera", "type", "webcam"), ["camera.type", "'picamera2'", "'v4l2'", "'simulated'"]),
    (put("camera", "exposure", 5), ["camera.exposure: unknown key", "did you mean 'exposure_us'"]),
    (put("camera", "exposure_us", 5), ["camera.exposure_us = 5", "greater than or equal to 10"]),
    (drop("camera", "red_gain"), ["red_gain and blue_gain belong together"]),
    (drop("camera"), ["camera: missing"]),
    (drop("name"), ["name: missing", "the station's name"]),
    (put("name", "Big Station"), ["name = 'Big Station'", "small letters a to z", "'big-station' would do"]),
    (put("actuators", 0, "pin", 28), ["actuators[valve].pin = 28", "0 to 27", "header pin 28 is GPIO 1"]),
    (put("actuators", 0, "pin", True), ["actuators[valve].pin = True", "integer"]),
    (put("actuators", 0, "pin", 40), ["actuators[valve].pin = 40", "header pin 40 is GPIO 21"]),
    (put("safety", "estop_pin", 39), ["safety.estop_pin = 39", "header pin 39 is ground"]),
    (put("actuators", 0, "pin", "GPIO17"), ["actuators[valve].pin = 'GPIO17'", "without quotes: 17"]),
    (put("actuators", 0, "pin", [17]), ["actuators[valve].pin = [17]", "0 to 27"]),
    (put("bins", 0, "distance_mm", -3), ["bins[plastic].distance_mm = -3", "greater than 0"]),
    (put("bins", 1, "distnace_mm", 3), ["bins[metal].distnace_mm: unknown key", "did you mean 'distance_mm'"]),
    (put("bins", 1, "name", "plastic"), ["two bins are called 'plastic'"]),
    (drop("bins", 1, "name"), ["bins[#2].name: missing"]),
    (put("bins", 1, "name", "Möbel"), ["bins[Möbel].name = 'Möbel'", "'moebel' would do"]),
    (put("bins", 0, "labels", ["plastic", "Bio Müll"]), ["bins[plastic].labels = 'Bio Müll'", "'bio-muell' would do"]),
    (put("bins", 0, "labels", "plastic"), ["bins[plastic].labels = 'plastic'"]),
    (put("bins", {"name": "plastic"}), ["bins = {", "write [[bins]] with two brackets"]),
    (put("belt", [{"speed_mm_per_s": 3}]), ["belt = [{", "write [belt] with one bracket"]),
    (put("belt", "mm_per_pixel", "0,3"), ["belt.mm_per_pixel = '0,3'", "a point and without quotes: 0.3"]),
    (put("camera", "width", "640 px"), ["camera.width = '640 px'", "integer"]),
    (put("language", "vn"), ["language: 'vn': expected one of en (English), ", "vi (Tiếng Việt)"]),
    (put("name", 7), ["name = 7", "text, in quotes"]),
    (put("actuators", 0, "pin", 22), ["pin 22 is used by actuator valve pin and actuator flap-1 pin"]),
    (put("actuators", 3, "safe_us", 900), ["'safe' is 900 us; expected 1000 to 2000"]),
    (put("actuators", 3, "pin", 4), ["hardware_pwm works on pins 12, 13, 18, 19 only, not on 4"]),
    (put("actuators", 1, "name", "valve"), ["two actuators are called 'valve'"]),
    (put("bins", 0, "actuator", "vlave"), ["bin 'plastic' uses actuator 'vlave'", "arm, flap-1, flap-2, valve"]),
    (put("bins", 3, "position", "up"), ["bin 'glass'", "position 'up' of 'arm'", "expected one of 'out'"]),
    (drop("bins", 0, "actuator"), ["bin 'plastic' has no actuator; only 'residual' may have none"]),
    (drop("bins", 0, "distance_mm"), ["bin 'plastic' needs distance_mm"]),
    (put("bins", 0, "dwell_ms", 900), ["bin 'plastic'", "dwell_ms 900", "max_on_ms 500"]),
    (put("bins", 1, "labels", ["plastic"]), ["label 'plastic' is in 2 bins; expected one"]),
    (put("bins", 4, "name", "rest"), ["no bin is called 'residual'", "add [[bins]] name"]),
    (put("bins", []), ["bins = []", "at least 1"]),
    (put("kind", "bin"), ["a bin station has no [belt]"]),
    (drop("belt"), ["a conveyor needs a [belt] table"]),
    (put("belt", "encoder", "pin_a", 17), ["pin 17 is used by", "belt.encoder.pin_a"]),
]


@pytest.mark.parametrize(
    ("mistake", "said"), MISTAKES, ids=lambda value: value[0][:40] if isinstance(value, list) else ""
)
def test_a_mistake_is_named_with_its_key_its_value_and_what_is_allowed(
    mistake: Callable[[dict[str, Any]], None], said: list[str], tmp_path: Path
) -> None:
    table = deepcopy(CONVEYOR)
    mistake(table)
    with pytest.raises(ConfigError) as caught:
        load(table, tmp_path)
    text = str(caught.value)
    assert str(tmp_path / "station.toml") in text
    assert [words for words in said if words not in text] == []
    assert not any(word in text for word in ("pydantic", "Traceback", "tagged-union", "value_error"))
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("mistake", "others"), [(put("actuators", 0, "rest", 3), "step_pin"), (put("camera", "xyz", 3), "white_balance_k")]
)
def test_the_keys_that_a_table_may_have_are_those_of_its_type(
    mistake: Callable[[dict[str, Any]], None], others: str, tmp_path: Path
) -> None:
    table = deepcopy(CONVEYOR)
    mistake(table)
    with pytest.raises(ConfigError, match=r"unknown key; known keys: .*\btype\b") as caught:
        load(table, tmp_path)
    assert others not in str(caught.value)


@pytest.mark.parametrize(
    ("mistake", "said"),
    [
        (put("belt", 3), "belt = 3: expected a table: write [belt], and its keys below it"),
        (put("bins", "plastic"), "bins = 'plastic': expected a list, in brackets: bins = [...]"),
        (put("bins", []), "bins = []: expected at least 1 entry"),
    ],
)
def test_no_word_of_the_programs_own_types_is_said(
    mistake: Callable[[dict[str, Any]], None], said: str, tmp_path: Path
) -> None:
    table = deepcopy(CONVEYOR)
    mistake(table)
    with pytest.raises(ConfigError) as caught:
        load(table, tmp_path)
    assert said in str(caught.value)


def test_all_mistakes_are_told_at_once_one_a_line(tmp_path: Path) -> None:
    table = deepcopy(CONVEYOR)
    for mistake in (put("belt", "lanes", 99), put("page", {"prot": 1}), put("actuators", 0, "pin", -1)):
        mistake(table)
    with pytest.raises(ConfigError) as caught:
        load(table, tmp_path)
    first, *lines = str(caught.value).splitlines()
    assert first.endswith("3 problems")
    assert [line.split()[0].rstrip(":") for line in lines] == ["belt.lanes", "actuators[valve].pin", "page.prot"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"name = ", "not valid TOML"),
        (b"\xff\xfe", "saved as UTF-16"),
        (b"a = " + b"[" * 5000, "not valid TOML"),
        (b"", "missing"),
    ],
)
def test_what_is_no_station_file_is_refused(content: bytes, said: str, tmp_path: Path) -> None:
    path = tmp_path / "station.toml"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=said):
        load_station(path)


# How a person's editor saves a sound file.
SAVED = {
    "Notepad, UTF-8 with BOM": lambda text: text.encode("utf-8-sig"),
    "line ends of Windows": lambda text: text.replace("\n", "\r\n").encode(),
    "both": lambda text: text.replace("\n", "\r\n").encode("utf-8-sig"),
    "tabs for blanks": lambda text: text.replace(" = ", "\t=\t").encode(),
    "a comment with umlauts": lambda text: f"# Förderband …\n{text}".encode(),
}


@pytest.mark.parametrize("how", SAVED)
def test_a_station_file_is_read_as_editors_save_it(how: str, tmp_path: Path) -> None:
    path = tmp_path / "station.toml"
    path.write_bytes(SAVED[how](tomli_w.dumps(CONVEYOR)))
    assert load_station(path).name == "conveyor"


def _bytes_of(encoding: str) -> bytes:
    return f"# Förderband\n{tomli_w.dumps(CONVEYOR)}".encode(encoding)


NOT_QUITE: list[tuple[bytes, list[str]]] = [
    (_bytes_of("utf-16"), ["saved as UTF-16", "Notepad: Save as", "iconv -f UTF-16 -t UTF-8"]),
    (_bytes_of("utf-16-be"), ["saved as UTF-16"]),
    (_bytes_of("cp1252"), ["line 1 is not UTF-8 (byte 0xf6)", "iconv -f WINDOWS-1252"]),
    (b'name = "a"\nki\0nd = "bin"\n', ["line 2 has a zero byte"]),
    (b"[belt]\nmm_per_pixel = 0,3 # mm\n", ["line 2", "`mm_per_pixel = 0,3 # mm`", "a point, not a comma: 0.3"]),
    ("name = “line-1”\n".encode(), ["line 1", "“ is no quotation mark here"]),
    ("name = „line-1“\n".encode(), ["„ is no quotation mark here"]),
    ("[belt]\n\xa0speed_mm_per_s = 3\n".encode(), ["line 2", "no-break space"]),
    (b"[belt]\nlanes = 1\nlanes = 2\n", ["line 3", "'lanes' is there twice"]),
    (b"[belt]\nlanes = 1\n[page]\n[belt]\n", ["line 4", "`[belt]`", "heading is there twice"]),
    (b"name = line-1\n", ["line 1", 'text needs quotes: name = "line-1"']),
    (b"[page]\nenabled = True\n", ["line 2", "write enabled = true"]),
    (b"[page]\nenabled = no\n", ["line 2", "write enabled = false"]),
    (b'name: "line-1"\n', ["line 1", "expected KEY = VALUE"]),
    (b'state_folder = "C:\\sorter\\photos"\n', ["line 1", "write / instead"]),
    (b"[belt]\nlanes = " + b"9" * 5000, ["not valid TOML"]),
    (b'name = "a"\rkind = "bin"\r', ["line 1", "old Mac"]),
]


@pytest.mark.parametrize(
    ("content", "said"), NOT_QUITE, ids=lambda value: value[-1][:30] if isinstance(value, list) else ""
)
def test_what_people_write_is_named_with_its_line_and_its_cure(content: bytes, said: list[str], tmp_path: Path) -> None:
    path = tmp_path / "station.toml"
    path.write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        load_station(path)
    text = str(caught.value)
    assert text.startswith(f"{path}: ")
    assert [words for words in said if words not in text] == []


def _endless(path: Path) -> None:
    path.symlink_to("/dev/zero")


def _huge(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(1 << 40)


def _without_rights(path: Path) -> None:
    path.write_text("")
    path.chmod(0)


IN_ITS_PLACE = {"a named pipe": os.mkfifo, "a device": _endless, "longer than": _huge, "a folder": Path.mkdir}


@pytest.mark.parametrize("what", IN_ITS_PLACE)
def test_what_is_in_the_place_of_a_station_file_is_named_without_waiting_for_it(what: str, tmp_path: Path) -> None:
    IN_ITS_PLACE[what](tmp_path / "station.toml")
    with pytest.raises(ConfigError, match=what):
        load_station(tmp_path / "station.toml")


@given(st.binary(max_size=200))
@settings(max_examples=200)
def test_any_bytes_are_a_table_or_one_sentence(content: bytes) -> None:
    try:
        result: object = parse_toml(content)
    except NotTextError as error:
        result = str(error)
    assert isinstance(result, dict) or (result and "\n" not in str(result))


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such file"):
        load_station(tmp_path / "nothing.toml")
    with pytest.raises(ConfigError, match="can't be read"):
        load_station(tmp_path)
