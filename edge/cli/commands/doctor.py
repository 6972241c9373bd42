"""`sorter doctor`: is this machine ready?"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edge.cli.options import DEFAULT_STATION
from edge.errors import ConfigError, SetupError
from edge.system.output import say

if TYPE_CHECKING:
    from edge.tools.check.doctor import Doctor
    from edge.tools.check.findings import Finding

COLOURS = {"ok": "green", "warn": "yellow", "fail": "red"}


def command(
    station: Annotated[
        Path | None,
        typer.Option(
            readable=False,
            help="A station file whose camera, model and folder are tried; without it the installed one.",
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of a table.")] = False,
    report: Annotated[
        Path | None,
        typer.Option(
            readable=False,
            help="Measure too, for a minute, and write all of it to this file, which names nobody and can be sent.",
        ),
    ] = None,
) -> None:
    """Look at this machine: what is ready, what is not, and the command that fixes it; no pin is moved."""
    from edge.config import load_station
    from edge.tools.check.doctor import Doctor

    if report is not None:
        from edge.tools.report.report import check_place

        check_place(report)

    if station is None and DEFAULT_STATION.is_file():
        station = DEFAULT_STATION
    settings, problem = None, ""
    try:
        settings = None if station is None else load_station(station)
    except ConfigError as error:
        problem = str(error)
    doctor = Doctor(station, settings, problem=problem)
    findings = list(doctor.examine())
    if as_json:
        ready = all(finding.status != "fail" for finding in findings)
        say(json.dumps({"ready": ready, "findings": [asdict(finding) for finding in findings]}, indent=2))
    else:
        _print(findings)
    if report is not None:
        _write(report, doctor, findings)
    if any(finding.status == "fail" for finding in findings):
        raise typer.Exit(SetupError.exit_code)


def _write(file: Path, doctor: Doctor, findings: list[Finding]) -> None:
    from edge.tools.report.report import WHERE_TO_SEND, Reporter, write_report

    say("measuring for the report, a minute or so ...", err=True)
    write_report(file, Reporter(doctor).report(findings))
    say(f"{file}: written. To send it, {WHERE_TO_SEND}", err=True)


def _print(findings: list[Finding]) -> None:
    from rich.table import Table

    from edge.system.terminal import Terminal, styled

    console = Terminal()
    table = Table("", "what", "found")
    for finding in findings:
        table.add_row(styled(finding.status, COLOURS[finding.status]), finding.name, finding.text)
    console.print(table)
    # Outside the table, where a command is not broken over lines and can be copied.
    for finding in findings:
        if finding.fix:
            console.print(styled(f"to fix {finding.name}:", COLOURS[finding.status], f" {finding.fix}"), soft_wrap=True)
