"""`sorter check`: is this station right, before anything moves?"""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from edge.cli.options import DEFAULT_STATION, StationOption
from edge.system.output import say

if TYPE_CHECKING:
    from edge.tools.check.check import Report

PROBLEMS_FOUND = 2
COLOURS = {"error": "red", "warning": "yellow"}


def command(
    station: StationOption = DEFAULT_STATION,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of tables.")] = False,
) -> None:
    """Check a station file together with its calibration and model: all problems at once, nothing is moved."""
    from edge.clock import SystemClock
    from edge.tools.check.check import check_station

    report = check_station(station, SystemClock())
    if as_json:
        say(json.dumps(_as_table(report), indent=2))
    else:
        _print(report)
    if not report.ok:
        raise typer.Exit(PROBLEMS_FOUND)


def _as_table(report: Report) -> dict[str, object]:
    return {
        "path": str(report.path),
        "station": None if report.station is None else report.station.name,
        "ok": report.ok,
        "model": None if report.bundle is None else report.bundle.manifest.title,
        "milliseconds": None if report.invoke_ms is None else round(report.invoke_ms, 3),
        "travel": [{**asdict(way), "spare_ms": way.spare_ms} for way in report.travels],
        "problems": [asdict(problem) for problem in report.problems],
    }


def _print(report: Report) -> None:
    from rich.table import Table

    from edge.system.terminal import Terminal, styled

    console = Terminal()
    if report.travels:
        title = f"From the decision line of {report.station.name if report.station else ''} on"
        table = Table("bin", "travel ms", "needed ms", "spare ms", "pictures", title=title, title_justify="left")
        for column in table.columns[1:]:
            column.justify = "right"
        for way in report.travels:
            row = (f"{way.travel_ms:.0f}", f"{way.needed_ms:.0f}", f"{way.spare_ms:.0f}", str(way.crops))
            table.add_row(way.bin, *row)
        console.print(table)
    for problem in report.problems:
        colour = COLOURS[problem.severity]
        console.print(styled(problem.severity, colour, f" {problem.where}: {problem.text}"), soft_wrap=True)
    errors = sum(problem.severity == "error" for problem in report.problems)
    if report.ok:
        model = (
            "" if report.bundle is None else f", model {report.bundle.manifest.title} {report.invoke_ms or 0:.1f} ms"
        )
        console.print(styled("ok", "green", f" {report.path}{model}"), soft_wrap=True)
    else:
        console.print(f"{report.path}: {errors} to fix before it can run", soft_wrap=True)
