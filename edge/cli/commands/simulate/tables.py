"""What `sorter simulate` prints: the bins of one run, or the rows of a sweep."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rich.table import Table

from edge.system.terminal import Terminal

if TYPE_CHECKING:
    from edge.config import Station
    from edge.tools.simulate.score import Score
    from edge.tools.simulate.sweep import Row

SWEEP_COLUMNS = (
    "mm/s", "a min", "items", "missed", "doubled", "astray", "purity", "recovery", "residual", "margin", "lost"
)  # fmt: skip
SWEEP_NOTE = (
    "astray: landed elsewhere than decided. margin: least time from a decision to its stroke, ms. "
    "lost: share of items that a belt too fast took, whatever the model thinks of them."
)


def print_run(station: Station, score: Score) -> None:
    """Print the bins of one run, and how it went."""
    console = Terminal()
    title = f"{station.name}, seed {station.simulation.seed}: {score.items} items in {score.minutes:g} min"
    bins = Table(
        "bin", "landed", "of these right", "purity", "belonging", "recovery", title=title, title_justify="left"
    )
    for column in bins.columns[1:]:
        column.justify = "right"
    for b in [*score.bins, score.diverted]:
        row = (b.name, str(b.landed), str(b.right), _share(b.purity), str(b.belonging), _share(b.recovery))
        bins.add_row(*row, style="bold" if b is not score.bins[0] and b.name == "diverted" else None)
    console.print(bins)
    reasons = ", ".join(f"{name} {count}" for name, count in sorted(score.reasons.items(), key=lambda p: -p[1]))
    console.print(
        f"{score.items_per_min:.1f} items/min, {score.residual_share:.1%} to residual ({reasons})\n"
        f"counted {score.found} one by one and {score.touching} in touching groups; missed {score.missed}, "
        f"counted twice {score.doubled}, counted nothing as something {score.phantom}\n"
        f"landed elsewhere than decided {score.mis_timed}, beside the bins {score.spilled}; "
        f"wrong label {score.wrong_label}; frames dropped {score.dropped_frames}\n"
        f"decided {score.latency.median:.0f} ms after the line (median; p99 {score.latency.p99:.0f}), "
        f"at least {score.margin.least:.0f} ms before its stroke (median {score.margin.median:.0f})",
        highlight=False,
    )
    console.print("\n".join(f"fault {span}" for span in score.faults) or "no fault was raised", highlight=False)


def print_sweep(station: Station, rows: Sequence[Row], words: str) -> None:
    """Print the runs side by side, and at which speed it broke."""
    table = Table(box=None, padding=(0, 1, 0, 0), title=f"{station.name}, seed {station.simulation.seed}")
    table.title_justify = "left"
    for name in SWEEP_COLUMNS:
        table.add_column(name, justify="right", no_wrap=True)
    for row in rows:
        score = row.score
        numbers = (f"{row.speed_mm_per_s:g}", f"{row.items_per_min:g}")
        counts = (str(n) for n in (score.items, score.missed, score.doubled + score.phantom, score.mis_timed))
        shares = (_share(v) for v in (score.diverted.purity, score.diverted.recovery, score.residual_share))
        table.add_row(*numbers, *counts, *shares, f"{score.margin.least:.0f}", f"{row.trouble[1]:.1%}")
    console = Terminal()
    console.print(table)
    console.print(f"{SWEEP_NOTE}\n{words}", highlight=False)


def sweep_figures(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Return the runs as plain values for a JSON list."""
    return [
        {"speed_mm_per_s": row.speed_mm_per_s, "rate": row.items_per_min, **row.score.to_json(),
         "trouble": row.trouble[0], "trouble_share": round(row.trouble[1], 4), "broke": row.broke}
        for row in rows
    ]  # fmt: skip


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.1%}"
