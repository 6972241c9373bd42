"""How `sorter calibrate` runs its steps: the station opened, the service held, the result kept or nothing at all."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edge.errors import SorterError
from edge.system.output import say
from edge.system.terminal import Terminal, styled

if TYPE_CHECKING:
    from edge.config import Station
    from edge.config.calibration.record import Calibration
    from edge.tools.calibrate.session import CalibrationSession
    from edge.tools.calibrate.steps.table import Options


DemoOption = Annotated[bool, typer.Option("--demo", help="Practise on a simulated station.")]
StateOption = Annotated[Path | None, typer.Option(help="Another folder for the calibration.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object; asks nothing.")]

PRACTICE_STATION = Path(__file__).resolve().parents[3] / "stations" / "practice.toml"


def load(station: Path, demo: bool, state_folder: Path | None) -> Station:
    """Read the station whose calibration is wanted."""
    from edge.config import load_station

    settings = load_station(PRACTICE_STATION if demo else station)
    return settings if state_folder is None else settings.with_values(state_folder=state_folder.absolute())


@dataclass(frozen=True)
class Request:
    """At which station, and how much is asked."""

    station: Path
    demo: bool
    state_folder: Path | None
    yes: bool
    as_json: bool


def measure(request: Request, step: str | None, options: Options, *, everything: bool = False) -> None:
    """Run one step, or those that are due, and keep the result; every way out leaves the hardware safe and given back."""
    import logging

    from edge.config.calibration.recover import load_or_quarantine
    from edge.system.logs import configure_logs
    from edge.system.privileges import leave_root
    from edge.system.processes import SystemRunner
    from edge.system.signals import interrupted_by_signals
    from edge.tools.calibrate.service_pause import folder_claimed, service_paused

    configure_logs(logging.WARNING)
    # With --json the answer alone goes to stdout.
    console = Terminal(stderr=request.as_json, quiet=request.as_json, highlight=False)
    written = load(request.station, request.demo, request.state_folder)
    live = written.camera.is_live
    with ExitStack() as stack:
        stack.enter_context(interrupted_by_signals())
        if live:
            stack.enter_context(service_paused(SystemRunner(), lambda text: console.print(text)))
        leave_root(written.state_folder)
        stack.enter_context(folder_claimed(written.state_folder))
        old, _ = load_or_quarantine(written)
        session = stack.enter_context(_session(written, old, options, console, hurry=request.yes or request.as_json))
        steps = session.due() if step is None and not everything else session.all_steps() if step is None else [step]
        _run_steps(session, steps, old, console, request)


def _run_steps(
    session: CalibrationSession, steps: list[str], old: Calibration | None, console: Terminal, request: Request
) -> None:
    from edge.clock import SystemClock
    from edge.tools.calibrate.report import differences, table_of

    clock = SystemClock()
    answer: dict[str, Any] = {"station": session.written.name, "steps": {}}
    if not steps:
        console.print(
            styled(
                "Everything is measured and still holds.",
                "green",
                " `sorter calibrate show` shows it; --all measures again.",
            )
        )
    for number, name in enumerate(steps, start=1):
        console.print(styled(f"\n{name}", "bold cyan", f" ({number} of {len(steps)})"))
        try:
            outcome = session.run(name, clock.wall_time())
        except (SorterError, KeyboardInterrupt) as error:
            console.print(
                styled(f"{name}: stopped.", "red", " Nothing was kept; the calibration from before is unchanged.")
            )
            if request.as_json and isinstance(error, SorterError):
                answer |= {"ok": False, "failed": name, "problem": str(error)}
                say(json.dumps(answer, indent=2))
            raise
        for line in outcome.lines:
            console.print(styled("  measured", "green", f" {line}"), soft_wrap=True)
        for line in outcome.warnings:
            console.print(styled("  warning", "yellow", f"  {line}"), soft_wrap=True)
        answer["steps"][name] = {"measured": list(outcome.lines), "warnings": list(outcome.warnings)}
    if steps:
        path, album = session.save(clock.wall_time())
        changed = differences(old, session.calibration)
        console.print(f"\n{len(changed)} values are new in {path}", soft_wrap=True)
        if album is not None:
            console.print(f"pictures: {album}", soft_wrap=True)
        answer |= {"file": str(path), "pictures": None if album is None else str(album)}
    if request.as_json:
        calibration = table_of(session.calibration)
        say(json.dumps({**answer, "ok": True, "calibration": calibration}, indent=2))


@contextmanager
def _session(
    written: Station, old: Calibration | None, options: Options, console: Terminal, *, hurry: bool
) -> Iterator[CalibrationSession]:
    from edge.clock import SystemClock, VirtualClock
    from edge.tools.calibrate.operator.console import ConsoleOperator
    from edge.tools.calibrate.operator.operator import Operator, SimulatedOperator
    from edge.tools.calibrate.rig import open_rig
    from edge.tools.calibrate.session import CalibrationSession

    simulated = written.camera.is_simulated
    with open_rig(written, VirtualClock() if simulated else SystemClock()) as rig:
        operator: Operator = ConsoleOperator(console, hurry=hurry)
        if rig.world is not None:
            console.print(
                styled("A simulated station: what is asked for is done by itself, once you press Enter.", "dim")
            )
            operator = SimulatedOperator(rig.world, operator)
        yield CalibrationSession.begin(written, rig, operator, old, options)
