"""What random damage does to a station file: a station comes of it, or one sentence, never anything else."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from copy import deepcopy
from datetime import date, time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.paths import STATIONS
from support.stations import shipped, station_in

from edge.config import Station, load_station
from edge.errors import ConfigError

EXAMPLES = sorted(STATIONS.glob("*.toml"))
TABLES = [tomllib.loads(path.read_text("utf-8")) for path in EXAMPLES]

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
    result = outcome(lambda: station_in(tmp_path, table))
    if isinstance(result, Station):
        assert all(len(users) == 1 for users in result.pin_users().values())
        assert result.route("no such label").name == "residual"
    else:
        assert result.startswith(str(tmp_path))


@RELAXED
@given(data=st.data())
def test_damaged_bytes_are_a_station_or_a_config_error(data: st.DataObject, tmp_path: Path) -> None:
    content = bytearray(data.draw(st.sampled_from(EXAMPLES)).read_bytes())
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


@pytest.mark.parametrize("odd", ["a\0b", "~nobody-of-that-name/x", "x" * 5000, ""])
@pytest.mark.parametrize("keys", [("state_folder",), ("inference", "bundle"), ("simulation", "photos")])
def test_odd_paths_are_a_station_or_a_config_error(odd: str, keys: tuple[str, ...], tmp_path: Path) -> None:
    table = shipped("conveyor") | {"inference": {}, "simulation": {}}
    *tables, name = keys
    (table[tables[0]] if tables else table)[name] = odd
    result = outcome(lambda: station_in(tmp_path, table))
    assert isinstance(result, Station) or keys[-1] in result
