"""`sorter calibrate show`, `diff`, `restore` and `sheet`: what needs no station."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edge.cli.commands.calibrate.steps import DemoOption, JsonOption, StateOption, load
from edge.cli.options import DEFAULT_STATION, StationOption
from edge.system.output import say
from edge.system.privileges import leave_root
from edge.system.terminal import Terminal, styled

if TYPE_CHECKING:
    from edge.config import Station
    from edge.config.calibration.record import Calibration

COLOURS = {"done": "green", "missing": "red", "partly": "yellow", "stale": "yellow"}


def sheet(
    file: Annotated[Path, typer.Argument(help="The PDF to write.")] = Path("sheet.pdf"),
) -> None:
    """Write the sheet that gives the picture its scale; print it on A4 at 100 %."""
    from edge.sensing.marker_sheet import write_sheet

    write_sheet(file)
    say(f"{file}: print it on A4 at 100 % (not 'fit to page'), and check its ruler of 100 mm")


def show(
    station: StationOption = DEFAULT_STATION,
    demo: DemoOption = False,
    state_folder: StateOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show what was measured, when, and what is missing or stale."""
    from edge.config.calibration.files import history, load_calibration
    from edge.tools.calibrate.report import flat, needed_steps, step_state, table_of

    settings = load(station, demo, state_folder)
    leave_root(settings.state_folder)
    calibration = load_calibration(settings.state_folder)
    states = {step: step_state(settings, calibration, step) for step in needed_steps(settings)}
    if as_json:
        answer = {
            "station": settings.name,
            "steps": states,
            "calibration": table_of(calibration),
            "older": [path.stem for path in history(settings.state_folder)],
        }
        say(json.dumps(answer, indent=2))
        return
    _print_states(settings, calibration, states)
    _print_values(flat(calibration))


def _print_states(station: Station, calibration: Calibration | None, states: dict[str, str]) -> None:
    from rich.table import Table

    table = Table("step", "state", "measured", title=f"Calibration of {station.name}", title_justify="left")
    for step, state in states.items():
        told = (
            "not measured: the model's own"
            if (step, state) == ("thresholds", "missing")
            else styled(state, COLOURS[state])
        )
        table.add_row(step, told, _measured_at(calibration, step))
    Terminal().print(table)
    if calibration is not None and calibration.station != station.name:
        Terminal().print(styled(f"It belongs to station {calibration.station}:", "yellow", " run `sorter calibrate`"))


def _measured_at(calibration: Calibration | None, step: str) -> str:
    part = None if calibration is None else getattr(calibration, step)
    parts = list(part.values()) if isinstance(part, dict) else [part]
    return max((p.measured_at for p in parts if p is not None), default="")


def _print_values(values: dict[str, Any]) -> None:
    from rich.table import Table

    if not values:
        return
    table = Table("value", "measured", show_header=False)
    for key, value in values.items():
        table.add_row(key, f"{value:.4g}" if isinstance(value, float) else str(value))
    Terminal().print(table)


def diff(
    older: Annotated[int, typer.Argument(min=1, help="Which older calibration: 1 is the one before this one.")] = 1,
    station: StationOption = DEFAULT_STATION,
    demo: DemoOption = False,
    state_folder: StateOption = None,
    as_json: JsonOption = False,
) -> None:
    """Compare the calibration in use with an older one."""
    from rich.table import Table

    from edge.config.calibration.files import load_calibration
    from edge.tools.calibrate.report import differences

    folder = load(station, demo, state_folder).state_folder
    leave_root(folder)
    path, before = _older(folder, older)
    changes = differences(before, load_calibration(folder))
    if as_json:
        rows = [{"key": key, "before": old, "now": new} for key, old, new in changes]
        say(json.dumps({"older": path.stem, "changes": rows}, indent=2))
    elif not changes:
        say(f"no difference to the calibration of {path.stem}")
    else:
        table = Table("value", path.stem, "now")
        for key, old, new in changes:
            table.add_row(key, *("-" if v is None else str(v) for v in (old, new)))
        Terminal().print(table)


def restore(
    older: Annotated[int, typer.Argument(min=1, help="Which older calibration: 1 is the one before this one.")] = 1,
    station: StationOption = DEFAULT_STATION,
    demo: DemoOption = False,
    state_folder: StateOption = None,
) -> None:
    """Put an older calibration in the place of the one in use, which is kept as well."""
    from edge.clock import SystemClock, stamp_of
    from edge.config.calibration.files import save_calibration
    from edge.config.calibration.overlay import stale_steps
    from edge.errors import CalibrationError

    settings = load(station, demo, state_folder)
    leave_root(settings.state_folder)
    path, calibration = _older(settings.state_folder, older)
    if calibration.station != settings.name:
        raise CalibrationError(
            f"{path}: belongs to station {calibration.station!r}, this one is {settings.name!r}; nothing was changed"
        )
    save_calibration(settings.state_folder, calibration, stamp_of(SystemClock().wall_time()))
    for step in stale_steps(settings, calibration):
        say(f"{step}: settings were changed since; run `sorter calibrate {step}`")
    say(f"the calibration of {path.stem} is in use again; restart the service: sudo systemctl restart sorter")


def _older(folder: Path, number: int) -> tuple[Path, Calibration]:
    from edge.config.calibration.files import history, read_calibration
    from edge.errors import CalibrationError

    paths = history(folder)
    if number > len(paths):
        raise CalibrationError(
            f"{folder}: {len(paths)} older calibrations are kept, number {number} is not there; "
            "`sorter calibrate show --json` lists them"
        )
    path = paths[number - 1]
    return path, read_calibration(path)
