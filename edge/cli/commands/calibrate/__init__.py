"""`sorter calibrate`: make a station right on site."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edge.cli.commands.calibrate.kept import diff, restore, sheet, show
from edge.cli.commands.calibrate.steps import DemoOption, JsonOption, Request, StateOption, measure
from edge.cli.options import DEFAULT_STATION, StationOption

app = typer.Typer(
    no_args_is_help=False,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Measure a station on site and keep the result; run it again at any time.",
)


for looking in (sheet, show, diff, restore):
    app.command()(looking)


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
HostOption = Annotated[
    str | None, typer.Option(help="Where the page listens on which the region is drawn; 0.0.0.0: the whole network.")
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
    host: HostOption = None,
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
    from edge.tools.calibrate.steps.camera import CameraOptions
    from edge.tools.calibrate.steps.table import Options

    options = Options(
        CameraOptions(mains_hz=mains, host=host), seconds, passes, repeats=repeats, photos=photos, items=items
    )
    measure(Request(station, demo, state_folder, yes, as_json), None, options, everything=everything)


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
    host: HostOption = None,
) -> None:
    """View, sharpness and scale; exposure and gain chosen against blur and flicker, then fixed."""
    from edge.tools.calibrate.steps.camera import CameraOptions
    from edge.tools.calibrate.steps.table import Options
    from edge.types import Box

    box = None if region is None else Box(*region)
    options = Options(camera=CameraOptions(box, ruler, mains, find=find_region, draw=draw, host=host))
    measure(Request(station, demo, state_folder, yes, as_json), "camera", options)


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
    from edge.tools.calibrate.steps.table import Options

    measure(Request(station, demo, state_folder, yes, as_json), "background", Options(seconds=seconds))


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
    from edge.tools.calibrate.steps.table import Options

    measure(
        Request(station, demo, state_folder, yes, as_json),
        "belt",
        Options(passes=passes, source="items" if from_items else "sheet"),
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
    from edge.tools.calibrate.steps.table import Options

    options = Options(repeats=repeats, only=tuple(names or ()), jog=jog)
    measure(Request(station, demo, state_folder, yes, as_json), "diverters", options)


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
    from edge.tools.calibrate.steps.table import Options

    measure(Request(station, demo, state_folder, yes, as_json), "sensors", Options(only=tuple(names or ())))


@app.command()
def thresholds(
    photos: Annotated[
        Path | None,
        typer.Option(help="Photos taken here, one folder for each label; without them items are asked for."),
    ] = None,
    items: Annotated[
        int | None,
        typer.Option(min=20, max=1000, help="How many items of each label are asked for; unset: as the purity needs."),
    ] = None,
    label: Annotated[list[str] | None, typer.Option(help="Ask for this label; may be given several times.")] = None,
    purity: Annotated[
        float, typer.Option(min=0.5, max=0.999, help="Share of right items in a bin that is wanted.")
    ] = 0.95,
    station: StationOption = DEFAULT_STATION,
    demo: DemoOption = False,
    state_folder: StateOption = None,
    yes: YesOption = False,
    as_json: JsonOption = False,
) -> None:
    """How sure the model must be at this station for the purity that is wanted, from items put through or photos."""
    from edge.tools.calibrate.steps.table import Options

    options = Options(photos=photos, purity=purity, items=items, labels=tuple(label or ()))
    measure(Request(station, demo, state_folder, yes, as_json), "thresholds", options)


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
    from edge.tools.calibrate.steps.table import Options

    measure(
        Request(station, demo, state_folder, yes, as_json), "verify", Options(items=items, labels=tuple(label or ()))
    )
