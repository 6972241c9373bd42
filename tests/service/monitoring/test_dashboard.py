"""The dashboard has Grafana's own form, and no query of it or of an alert asks for what no station tells."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from grafana_foundation_sdk.cog import plugins
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import Dashboard
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families
from support.monitoring import alert_queries, dashboard, panel_queries

from edge.clock import VirtualClock
from edge.health.faults import FaultKind
from edge.health.state import State
from edge.status.metrics import build_registry
from edge.types import Reason, Severity, StrokeOutcome
from generate import example

# What Prometheus and its configuration add to each series.
ADDED = {"station", "instance", "job"}
# The values that a label can have, where the program decides them.
VALUES: dict[str, set[str]] = {
    "state": {str(state) for state in State},
    "kind": {str(kind) for kind in FaultKind},
    "severity": {str(severity) for severity in Severity},
    "reason": {str(reason) for reason in Reason},
    "outcome": {*(str(outcome) for outcome in StrokeOutcome), "stored", "lost"},
    "step": {"camera", "background", "belt", "diverters", "sensors", "thresholds", "verify"},
    "job": {"sorter"},
}


def series() -> dict[str, set[str]]:
    """Return what a station tells, as its scrape has it: the labels of each series by its name."""
    registry = build_registry(example.live(VirtualClock()), example.station(), lambda: example.DISK_FREE)
    told: dict[str, set[str]] = {"up": set()}
    for family in text_string_to_metric_families(generate_latest(registry).decode()):
        for sample in family.samples:
            told.setdefault(sample.name, set()).update(sample.labels)
    return told


def selectors(query: str) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield (name, values by label) of every selector of a query."""
    for name, inside in re.findall(r"\b(sorter_\w+|process_\w+|up)\b(?:\{([^}]*)\})?", query):
        yield name, dict(re.findall(r'(\w+)\s*(?:=~|!~|!=|=)\s*"([^"]*)"', inside))


QUERIES = [*panel_queries(), *alert_queries()]


@pytest.mark.parametrize(("where", "query"), QUERIES, ids=[where for where, _ in QUERIES])
def test_every_query_asks_for_what_a_station_tells(where: str, query: str) -> None:
    told = series()
    asked = list(selectors(query))
    assert asked
    for name, values in asked:
        assert name in told
        assert values.keys() <= told[name] | ADDED
        for label in values.keys() & VALUES.keys():
            assert set(values[label].split("|")) <= VALUES[label], label
    grouped = {
        label.strip()
        for inside in re.findall(r"\b(?:by|on|group_left) \(([^)]*)\)", query)
        for label in inside.split(",")
    }
    known = set().union(*(told[name] for name, _ in asked)) | ADDED
    assert grouped <= known
    shown = set(re.findall(r"\{\{(\w+)\}\}", json.dumps(dashboard())))
    assert shown <= set().union(*told.values()) | ADDED


def test_what_a_station_tells_is_shown() -> None:
    """But for what is for somebody who looks for the cause."""
    asked = {name for _, query in QUERIES for name, _ in selectors(query)}
    families = {re.sub(r"_(bucket|sum|count)$", "", name) for name in asked}
    told = {re.sub(r"_(bucket|sum|count)$", "", name) for name in series() if name.startswith("sorter_")}
    assert told - families == {
        "sorter_build_info",
        "sorter_items_under_way",
        "sorter_throttled",
        "sorter_under_voltage",
    }


def lost(one: Any, other: Any, path: str = "") -> Iterator[str]:
    """Yield where the first of two JSON values has something that the second has not."""
    if isinstance(one, dict) and isinstance(other, dict):
        for key, value in one.items():
            if key in other:
                yield from lost(value, other[key], f"{path}.{key}")
            else:
                yield f"{path}.{key}"
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for number, (a, b) in enumerate(zip(one, other, strict=True)):
            yield from lost(a, b, f"{path}[{number}]")
    elif one != other:
        yield path


def through_the_schema(told: dict[str, Any]) -> list[str]:
    """Read a dashboard with the types that Grafana generates from its schema; return what they have no place for."""
    plugins.register_default_plugins()
    read = Dashboard.from_json(copy.deepcopy(told))
    return list(lost(told, json.loads(json.dumps(read, cls=JSONEncoder))))


def test_the_dashboard_has_the_form_of_grafana_s_schema() -> None:
    assert through_the_schema(dashboard()) == []


@pytest.mark.parametrize(
    ("place", "key"),
    [
        ((), "titel"),
        (("templating", "list", 1), "multiple"),
        (("panels", 1), "unit"),
        (("panels", 1, "options"), "colour"),
    ],
)
def test_a_field_that_grafana_does_not_know_is_told(place: tuple[str | int, ...], key: str) -> None:
    told: Any = dashboard()
    inside = told
    for part in place:
        inside = inside[part]
    inside[key] = "x"
    assert [where.rpartition(".")[2] for where in through_the_schema(told)] == [key]


def test_every_panel_has_its_own_number_and_place() -> None:
    panels = dashboard()["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels) > 25
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        at = panel["gridPos"]
        cells = {(at["x"] + dx, at["y"] + dy) for dx in range(at["w"]) for dy in range(at["h"])}
        assert at["x"] + at["w"] <= 24
        assert not cells & taken
        taken |= cells
