"""A station's status as lines for a terminal: its head alone, or all that fits."""

from __future__ import annotations

from collections.abc import Iterator

from rich.table import Column, Table
from rich.text import Text

from edge.system.terminal import styled
from edge.tools.status.told import Status, ToldBin

# The page's tones of a state.
STYLES = {"good": "bold green", "calm": "bold cyan", "warn": "bold yellow", "bad": "bold red", "off": "bold magenta"}
BAR = 10  # characters


def head(status: Status) -> Iterator[Text]:
    """Yield what the head of the page says: the state, what is wrong and what to do, and the figures beside it."""
    station, state, health = status.station, status.state, status.health
    simulated = " (simulated)" if station.simulated else ""
    yield styled(state.title, STYLES.get(state.tone, "bold"), f"  {station.name}, {station.kind}{simulated}")
    taught = f" Taught by: {status.taught_by}." if status.taught_by else ""
    stopped = f" By: {status.stopped_by}." if status.stopped_by else ""
    yield styled(state.meaning, "", taught + stopped)
    for fault in status.faults:
        yield styled("! ", "bold yellow", f"{fault.sentence} {fault.advice}")
    rate = "" if status.items_per_min is None else f", {status.items_per_min:.0f} a minute"
    yield styled("items    ", "dim", f"{status.total} in {_span(status.uptime_s)}{rate}")
    yield styled("model    ", "dim", f"{status.model.name} {status.model.version}")
    figures = [
        ("", health.picture_age_ms, " ms old"),
        ("decided in ", health.deciding_ms, " ms"),
        ("", health.spare_ms, " ms to spare"),
        ("", health.temperature_c, " °C"),
    ]
    told = [f"{before}{value:.0f}{after}" for before, value, after in figures if value is not None]
    yield styled("picture  ", "dim", ", ".join(told) or "none yet")


def bins(status: Status) -> Table:
    """Return a line for each bin: how many items, and how full it is."""
    table = Table.grid(
        Column(no_wrap=True, overflow="ellipsis"), Column(justify="right"), Column(), padding=(0, 2, 0, 0)
    )
    for where in status.bins:
        table.add_row(styled(where.name, "bold"), str(where.count), _level(where))
    return table


def reasons(status: Status) -> Iterator[Text]:
    """Yield why items were not sorted, most frequent first."""
    for reason in status.reasons:
        yield styled(f"{reason.count:6} ", "bold", reason.text)


def items(status: Status) -> Table:
    """Return the last items, newest first."""
    cut = Column(no_wrap=True, overflow="ellipsis")
    table = Table.grid(Column(justify="right"), cut, Column(justify="right"), cut, cut, padding=(0, 2, 0, 0))
    for item in status.items:
        score = "" if item.score is None else f"{item.score:.2f}"
        became = item.stroke_text or item.text
        table.add_row(str(item.id), *(styled(cell, "") for cell in (item.label or "?", score, item.bin, became)))
    return table


def _level(where: ToldBin) -> Text:
    if where.full:
        return Text("FULL", "bold red")
    if where.level is None or not where.capacity:
        return Text()
    filled = min(BAR, BAR * where.level // where.capacity)
    return Text.assemble(("━" * filled, "yellow"), ("·" * (BAR - filled), "dim"), f" {where.level} of {where.capacity}")


def _span(seconds: float | None) -> str:
    if seconds is None:
        return "?"
    minutes = int(seconds // 60)
    hours, days = minutes // 60, minutes // 1440
    if days:
        return f"{days} d {hours % 24} h"
    return f"{hours} h {minutes % 60} min" if hours else f"{minutes} min" if minutes else f"{seconds:.0f} s"
