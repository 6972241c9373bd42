"""Station files: the examples, every kind of mistake, and what random damage does to them."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Callable
from copy import deepcopy
from datetime import date, time
from pathlib import Path
from typing import Any

import pytest
import tomli_w
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from support.paths import STATIONS

from edge.config import Station, load_station
from edge.errors import ConfigError
from edge.system.text import NotTextError
from edge.system.toml import parse_toml
from generate.settings import settings_rows

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


@pytest.mark.parametrize("odd", ["a\0b", "~nobody-of-that-name/x", "x" * 5000, ""])
@pytest.mark.parametrize("keys", [("state_folder",), ("inference", "bundle"), ("simulation", "photos")])
def test_odd_paths_are_a_station_or_a_config_error(odd: str, keys: tuple[str, ...], tmp_path: Path) -> None:
    table = deepcopy(CONVEYOR) | {"inference": {}, "simulation": {}}
    put(*keys, odd)(table)
    result = outcome(lambda: load(table, tmp_path))
    assert isinstance(result, Station) or keys[-1] in result


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such file"):
        load_station(tmp_path / "nothing.toml")
    with pytest.raises(ConfigError, match="can't be read"):
        load_station(tmp_path)


# -- damage -------------------------------------------------------------------------------------------------------

SCALARS = st.one_of(
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(),
    st.text(max_size=20),
    st.sampled_from(["", "simulated", "servo", "residual", "../../etc/passwd", "\x00", "a" * 5000]),
    st.dates(date(1970, 1, 1), date(2100, 1, 1)),
    st.times(time(0), time(23)),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text("abcdefgh_-.é ", max_size=6), inner, max_size=3)
    ),
    max_leaves=6,
)


def places(table: Any, way: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place in a tree of tables and arrays."""
    found = [way] if way else []
    steps = table.items() if isinstance(table, dict) else enumerate(table) if isinstance(table, list) else ()
    return found + [place for key, value in steps for place in places(value, (*way, key))]


@st.composite
def damaged_tables(draw: st.DrawFn) -> dict[str, Any]:
    table = deepcopy(draw(st.sampled_from(TABLES)))
    for _ in range(draw(st.integers(1, 4))):
        way = draw(st.sampled_from(places(table)))
        at: Any = table
        for key in way[:-1]:
            at = at[key]
        action = draw(st.sampled_from(["replace", "remove", "rename", "swap"]))
        if action == "replace":
            at[way[-1]] = draw(VALUES)
        elif action == "remove":
            del at[way[-1]]
        elif action == "rename" and isinstance(at, dict):
            at[draw(st.text("abcdefghijklmnop_", min_size=1, max_size=8))] = at.pop(way[-1])
        elif action == "swap":
            other = draw(st.sampled_from(places(table)))
            value: Any = table
            for key in other:
                value = value[key]
            at[way[-1]] = deepcopy(value)
        if not places(table):
            break
    return table


def outcome(loading: Callable[[], Station]) -> Station | str:
    """A station, or what the ConfigError said; any other exception is a bug and comes through."""
    try:
        return loading()
    except ConfigError as error:
        return str(error)


RELAXED = settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])


@RELAXED
@given(table=damaged_tables())
def test_a_damaged_station_is_a_station_or_a_config_error(table: dict[str, Any], tmp_path: Path) -> None:
    result = outcome(lambda: load(table, tmp_path))
    if isinstance(result, Station):
        assert all(len(users) == 1 for users in result.pin_users().values())
        assert result.route("no such label").name == "residual"
    else:
        assert result.startswith(str(tmp_path))


@RELAXED
@given(data=st.data())
def test_damaged_bytes_are_a_station_or_a_config_error(data: st.DataObject, tmp_path: Path) -> None:
    content = bytearray(data.draw(st.sampled_from(STATIONS)).read_bytes())
    for _ in range(data.draw(st.integers(1, 5))):
        at = data.draw(st.integers(0, len(content) - 1))
        length = data.draw(st.integers(0, 40))
        content[at : at + length] = data.draw(st.binary(max_size=8))
        if not content:
            break
    path = tmp_path / "station.toml"
    path.write_bytes(content)
    result = outcome(lambda: load_station(path))
    assert isinstance(result, Station) or result.startswith(str(path))


# -- the table of settings ----------------------------------------------------------------------------------------


def test_every_setting_has_a_description_a_type_and_a_default() -> None:
    rows = settings_rows()
    assert [row.key for row in rows if not (row.value.description and row.value.type and row.value.default)] == []
    assert len({row.key for row in rows}) == len(rows) > 100


@pytest.mark.parametrize(
    ("key", "kind", "default"),
    [
        ("camera.width", "whole number, from 64 to 4096", "640"),
        ("camera.gain (picamera2, v4l2, simulated)", "number, from 0 to 64", "unset"),
        ("belt.direction", "right, left, down, up", '"right"'),
        ("bins[].labels", "list of text", "empty"),
        ("actuators[].positions_us (servo)", "table of whole number, from 500 to 2500", "required"),
        ("page.enabled", "true or false", "true"),
    ],
)
def test_rows_say_what_may_be_written(key: str, kind: str, default: str) -> None:
    row = next(row for row in settings_rows() if row.key == key)
    assert (row.value.type, row.value.default) == (kind, default)
