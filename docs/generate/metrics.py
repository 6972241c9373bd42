"""Every metric, as the metrics endpoint gives it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from prometheus_client import generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families

from edge.clock import VirtualClock
from edge.status.metrics import build_registry
from generate import example
from generate.markdown import anchored, code, document, table

_UNITS = {"seconds": "seconds", "bytes": "bytes", "celsius": "degrees Celsius"}


@dataclass(frozen=True, slots=True)
class Row:
    """One metric; `names` are those of its series."""

    names: tuple[str, ...]
    type: str
    unit: str
    labels: tuple[str, ...]
    help: str


def metrics() -> Iterator[Row]:
    """Yield the metrics of a station that has something to tell of each."""
    registry = build_registry(example.live(VirtualClock()), example.station(), lambda: example.DISK_FREE)
    told = generate_latest(registry).decode()
    for family in text_string_to_metric_families(told):
        names = tuple(dict.fromkeys(sample.name for sample in family.samples))
        yield Row(names, family.type, _unit(family), _labels(family), family.documentation)


def _unit(family: Metric) -> str:
    return next((unit for word, unit in _UNITS.items() if family.name.endswith(f"_{word}")), "")


def _labels(family: Metric) -> tuple[str, ...]:
    return tuple(dict.fromkeys(label for sample in family.samples for label in sample.labels))


def page() -> str:
    """Return the page's text."""
    own: list[list[str]] = []
    of_the_process: list[list[str]] = []
    for row in metrics():
        first, *others = (anchored(name, code(name)) for name in row.names)
        cells = ["<br>".join((first, *others)), row.help, row.type, row.unit, ", ".join(map(code, row.labels))]
        (own if first.startswith('<span id="sorter_') else of_the_process).append(cells)
    head = ("metric", "what", "type", "unit", "labels")
    return document("## The station", table(head, own), "## The process", table(head, of_the_process))
