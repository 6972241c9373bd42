"""`sorter calibrate`: make a station right on site."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from edge.cli.calibrate_steps import Visit, load, measure
from edge.cli.options import DEFAULT_STATION, StationOption

if TYPE_CHECKING:
    from edge.calibrate.record import Calibration
    from edge.config import Station

COLOURS = {"done": "green", "missing": "red", "partly": "yellow", "stale": "yellow"}

DemoOption = Annotated[bool, typer.Option("--demo", help="Practise on a simulated station.")]
StateOption = Annotated[Path | None, typer.Option(help="Another folder for the calibration.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object; asks nothing.")]

app = typer.Typer(
    no_args_is_help=False,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Measure a station on site and keep the result; run it again at any time.",
)


def stamp(seconds: float) -> str:
    """Return an instant as the history folder names it."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y%m%dT%H%M%SZ")


@app.command()
def sheet(
    file: Annotated[Path, typer.Argument(help="The PDF to write.")] = Path("sheet.pdf"),
) -> None:
    """Write the sheet that gives the picture its scale; print it on A4 at 100 %."""
    from edge.calibrate.sheet import write_sheet

    write_sheet(file)
    typer.echo(f"{file}: print it on A4 at 100 % (not 'fit to page'), and check its ruler of 100 mm")


@app.command()
def show(
    station: StationOption = DEFAULT_STATION,
    demo: DemoOption = False,
    state_folder: StateOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show what was measured, when, and what is missing or stale."""
    from edge.calibrate.files import history, load_calibration
    from edge.calibrate.report import flat, needed_steps, step_state

    settings = load(station, demo, state_folder)
    calibration = load_calibration(settings.state_folder)
    states = {step: step_state(settings, calibration, step) for step in needed_steps(settings)}
    if as_json:
        answer = {
            "station": settings.name,
            "steps": states,
            "calibration": None if calibration is None else calibration.model_dump(mode="json", exclude_none=True),
            "older": [path.stem for path in history(settings.state_folder)],
        }
        typer.echo(json.dumps(answer, indent=2))
        return
    _print_states(settings, calibration, states)
    _print_values(flat(calibration))


def _print_states(station: Station, calibration: Calibration | None, states: dict[str, str]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("step", "state", "measured", title=f"Calibration of {station.name}", title_justify="left")
    for step, state in states.items():
        table.add_row(step, f"[{COLOURS[state]}]{state}[/]", _measured_at(calibration, step))
    Console().print(table)


def _measured_at(calibration: Calibration | None, step: str) -> str:
    part = None if calibration is None else getattr(calibration, step)
    parts = list(part.values()) if isinstance(part, dict) else [part]
    return max((p.measured_at for p in parts if p is not None), default="")


def _print_values(values: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    if not values:
        return
    table = Table("value", "measured", show_header=False)
    for key, value in values.items():
        table.add_row(escape(key), escape(f"{value:.4g}" if isinstance(value, float) else str(value)))
    Console().print(table)


@app.command()
def diff(
    older: Annotated[int, typer.Argument(min=1, help="Which older calibration: 1 is the one before this one.")] = 1,
    station: StationOption = DEFAULT_STATION,
    demo: DemoOption = False,
    state_folder: StateOption = None,
    as_json: JsonOption = False,
) -> None:
    """Compare the calibration in use with an older one."""
    from rich.console import Console
    from rich.table import Table

    from edge.calibrate.files import load_calibration
    from edge.calibrate.report import differences

    folder = load(station, demo, state_folder).state_folder
    path, before = _older(folder, older)
    changes = differences(before, load_calibration(folder))
    if as_json:
        rows = [{"key": key, "before": old, "now": new} for key, old, new in changes]
        typer.echo(json.dumps({"older": path.stem, "changes": rows}, indent=2))
    elif not changes:
        typer.echo(f"no difference to the calibration of {path.stem}")
    else:
        table = Table("value", path.stem, "now")
        for key, old, new in changes:
            table.add_row(escape(key), *("-" if v is None else escape(str(v)) for v in (old, new)))
        Console().print(table)


@app.command()
def restore(
    older: Annotated[int, typer.Argument(min=1, help="Which older calibration: 1 is the one before this one.")] = 1,
    station: StationOption = DEFAULT_STATION,
    demo: DemoOption = False,
    state_folder: StateOption = None,
) -> None:
    """Put an older calibration in the place of the one in use, which is kept as well."""
    from edge.calibrate.files import save_calibration
    from edge.clock import SystemClock

    settings = load(station, demo, state_folder)
    path, calibration = _older(settings.state_folder, older)
    save_calibration(settings.state_folder, calibration, stamp(SystemClock().wall_time()))
    typer.echo(f"the calibration of {path.stem} is in use again; restart the service: sudo systemctl restart sorter")


def _older(folder: Path, number: int) -> tuple[Path, Calibration]:
    from edge.calibrate.files import history, parse_calibration
    from edge.errors import CalibrationError

    paths = history(folder)
    if number > len(paths):
        raise CalibrationError(
            f"{folder}: {len(paths)} older calibrations are kept, number {number} is not there; "
            "`sorter calibrate show --json` lists them"
        )
    path = paths[number - 1]
    return path, parse_calibration(path.read_bytes(), path)


# -- measuring -------------------------------------------------------------------------------------------------

YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Everything is prepared: wait for no key.")]
RegionOption = Annotated[
    tuple[int, int, int, int] | None, typer.Option(help="X Y WIDTH HEIGHT in pixels, instead of the station file's.")
]
RulerOption = Annotated[
    tuple[float, float] | None, typer.Option(help="A length in mm and in pixels, instead of the sheet.")
]
MainsOption = Annotated[float, typer.Option(min=16, max=400, help="Frequency of the mains, Hz: 50 or 60.")]
SecondsOption = Annotated[float, typer.Option(min=2, help="How long the empty place is watched; a whole turn is best.")]
PassesOption = Annotated[int, typer.Option(min=2, max=50, help="How often the sheet rides through.")]
FromItemsOption = Annotated[
    bool, typer.Option("--from-items", help="Follow items instead of the sheet; needs the scale of the camera step.")
]
RepeatsOption = Annotated[int | None, typer.Option(min=5, max=200, help="Strokes of each diverter.")]


@app.callback(invoke_without_command=True)
def walk(
    context: typer.Context,
    station: StationOption = DEFAULT_STATION,
    demo: DemoOption = False,
    state_folder: StateOption = None,
    yes: YesOption = False,
    as_json: JsonOption = False,
    everything: Annotated[bool, typer.Option("--all", help="Every step, also those that still hold.")] = False,
    mains: MainsOption = 50.0,
    seconds: SecondsOption = 20.0,
    passes: PassesOption = 5,
    repeats: RepeatsOption = None,
    photos: Annotated[
        Path | None, typer.Option(help="Photos taken here, one folder for each label; without them no thresholds.")
    ] = None,
    items: Annotated[
        int | None, typer.Option(min=5, max=1000, help="Known items at the end: 12, on a simulated station 40.")
    ] = None,
) -> None:
    """Walk through the steps that the station needs and that are missing or stale; nothing is kept before the end."""
    if context.invoked_subcommand is not None:
        return
    from edge.calibrate.camera import CameraWishes
    from edge.calibrate.session import Wishes

    wishes = Wishes(CameraWishes(mains_hz=mains), seconds, passes, repeats=repeats, photos=photos, items=items)
    measure(Visit(station, demo, state_folder, yes, as_json), None, wishes, everything=everything)


@app.command()
def camera(
    station: StationOption = DEFAULT_STATION,
    demo: DemoOption = False,
    state_folder: StateOption = None,
    yes: YesOption = False,
    as_json: JsonOption = False,
    region: RegionOption = None,
    ruler: RulerOption = None,
    mains: MainsOption = 50.0,
    find_region: Annotated[
        bool, typer.Option("--find-region", help="Find the belt's edges in the picture while it runs.")
    ] = False,
    draw: Annotated[bool, typer.Option("--draw", help="Draw the region on a page in the browser.")] = False,
    host: Annotated[str | None, typer.Option(help="Where that page listens; 0.0.0.0: the whole network.")] = None,
) -> None:
    """View, sharpness and scale; exposure and gain chosen against blur and flicker, then fixed."""
    from edge.calibrate.camera import CameraWishes
    from edge.calibrate.session import Wishes
    from edge.types import Box

    box = None if region is None else Box(*region)
    wishes = Wishes(camera=CameraWishes(box, ruler, mains, find=find_region, draw=draw, host=host))
    measure(Visit(station, demo, state_folder, yes, as_json), "camera", wishes)


@app.command()
def background(
    station: StationOption = DEFAULT_STATION,
    demo: DemoOption = False,
    state_folder: StateOption = None,
    yes: YesOption = False,
    as_json: JsonOption = False,
    seconds: SecondsOption = 20.0,
) -> None:
    """The empty place: whether it stays empty in the station's eyes, and how well items stand out."""
    from edge.calibrate.session import Wishes

    measure(Visit(station, demo, state_folder, yes, as_json), "background", Wishes(seconds=seconds))


@app.command()
def belt(
    station: StationOption = DEFAULT_STATION,
    demo: DemoOption = False,
    state_folder: StateOption = None,
    yes: YesOption = False,
    as_json: JsonOption = False,
    passes: PassesOption = 5,
    from_items: FromItemsOption = False,
) -> None:
    """Speed and direction from the sheet (or items) riding through; the encoder; how far the belt runs on."""
    from edge.calibrate.session import Wishes

    measure(
        Visit(station, demo, state_folder, yes, as_json),
        "belt",
        Wishes(passes=passes, source="items" if from_items else "sheet"),
    )


@app.command()
def diverters(
    names: Annotated[list[str] | None, typer.Argument(help="Which; without names all of them.")] = None,
    station: StationOption = DEFAULT_STATION,
    demo: DemoOption = False,
    state_folder: StateOption = None,
    yes: YesOption = False,
    as_json: JsonOption = False,
    repeats: RepeatsOption = None,
    jog: Annotated[bool, typer.Option("--jog", help="First set the positions of servos with the arrow keys.")] = False,
) -> None:
    """Fire each diverter and see how long it takes to its position and back. Things move!"""
    from edge.calibrate.session import Wishes

    wishes = Wishes(repeats=repeats, only=tuple(names or ()), jog=jog)
    measure(Visit(station, demo, state_folder, yes, as_json), "diverters", wishes)


@app.command()
def sensors(
    names: Annotated[list[str] | None, typer.Argument(help="Which; without names all of them.")] = None,
    station: StationOption = DEFAULT_STATION,
    demo: DemoOption = False,
    state_folder: StateOption = None,
    yes: YesOption = False,
    as_json: JsonOption = False,
) -> None:
    """Activate each sensor once: does it work, the right way round, and how long does it bounce?"""
    from edge.calibrate.session import Wishes

    measure(Visit(station, demo, state_folder, yes, as_json), "sensors", Wishes(only=tuple(names or ())))


@app.command()
def thresholds(
    photos: Annotated[Path, typer.Option(help="Folder of photos taken here: one folder for each label.")],
    purity: Annotated[
        float, typer.Option(min=0.5, max=0.999, help="Share of right items in a bin that is wanted.")
    ] = 0.95,
    station: StationOption = DEFAULT_STATION,
    demo: DemoOption = False,
    state_folder: StateOption = None,
    yes: YesOption = False,
    as_json: JsonOption = False,
) -> None:
    """How sure the model must be at this station for the purity that is wanted."""
    from edge.calibrate.session import Wishes

    measure(Visit(station, demo, state_folder, yes, as_json), "thresholds", Wishes(photos=photos, purity=purity))


@app.command()
def verify(
    items: Annotated[
        int | None, typer.Option(min=5, max=1000, help="How many known items: 12, on a simulated station 40.")
    ] = None,
    label: Annotated[
        list[str] | None, typer.Option(help="Ask for items of this label; may be given several times.")
    ] = None,
    station: StationOption = DEFAULT_STATION,
    demo: DemoOption = False,
    state_folder: StateOption = None,
    yes: YesOption = False,
    as_json: JsonOption = False,
) -> None:
    """Run known items through the station as calibrated; report where each landed, with pictures. Things move!"""
    from edge.calibrate.session import Wishes

    measure(Visit(station, demo, state_folder, yes, as_json), "verify", Wishes(items=items, labels=tuple(label or ())))
