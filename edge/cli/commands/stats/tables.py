"""What `sorter stats` prints of counted items."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime

from rich.table import Table

from edge.journal.sums import SECONDS
from edge.stats.counts import TIMES, By, Key, Selection
from edge.system.output import say
from edge.system.terminal import Terminal

MODEL_CHARACTERS = 12  # of a bundle's digest


def print_counts(by: Sequence[By], counts: Counter[Key], selection: Selection) -> None:
    """Print a table: what is asked for by time in the order of time, all else by number."""
    total = counts.total()
    if not total:
        say(title_of(counts, selection))
        return
    table = Table(*by, title=title_of(counts, selection), title_justify="left")
    table.add_column("items", justify="right")
    table.add_column("share", justify="right")
    times = [place for place, one in enumerate(by) if one in TIMES]
    for key, items in sorted(counts.items(), key=lambda row: ([row[0][place] for place in times], -row[1], row[0])):
        cells = [value[:MODEL_CHARACTERS] if one is By.MODEL else value for one, value in zip(by, key, strict=True)]
        table.add_row(*cells, str(items), f"{items / total:.1%}")
    Terminal().print(table)


def title_of(counts: Counter[Key], selection: Selection) -> str:
    """Return how many items are counted, and of which time."""
    total = counts.total()
    return f"{total} items{_span(selection)}" if total else f"nothing matches{_span(selection)}"


def _span(selection: Selection) -> str:
    """Say which whole hours are meant; nothing where all are."""
    first, last = selection.hours
    since = "" if selection.since is None else f" from {_begin(first)}"
    return since + ("" if selection.until is None else f" until {_begin(last + 1)}")


def _begin(hour: int) -> str:
    return datetime.fromtimestamp(hour * SECONDS).astimezone().strftime("%Y-%m-%d %H:%M")
