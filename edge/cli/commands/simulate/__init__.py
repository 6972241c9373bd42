"""`sorter simulate`: a station in a simulated world, hours in minutes, and what became of every item."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edge.cli.options import FaultOption
from edge.errors import ConfigError
from edge.system.output import say, silence_native_logs

if TYPE_CHECKING:
    from edge.bundle.archive import Bundle
    from edge.config import Station
    from edge.tools.simulate.build import Conditions
    from edge.tools.simulate.score import Score

STATIONS = Path(__file__).resolve().parents[3] / "stations"
DEMO_STATION, FAST_STATION = STATIONS / "demo.toml", STATIONS / "fast.toml"


Minutes = Annotated[float, typer.Option(min=0.05, help="How long, in minutes of the simulated clock.")]
Hours = Annotated[float | None, typer.Option(min=0.01, help="How long, in hours instead of minutes.")]
Seed = Annotated[int | None, typer.Option(min=0, help="The same seed gives the same run.")]
StationFile = Annotated[
    Path | None,
    typer.Option(
        "--station", readable=False, help="Station file, of a real or a simulated station.", show_default="the demo"
    ),
]
Photos = Annotated[
    Path | None, typer.Option(help="Folder with one folder of photos for each label, or a list of them (.txt).")
]
Rate = Annotated[float | None, typer.Option(min=0.01, help="Items per minute, on average.")]
Gap = Annotated[float | None, typer.Option(min=0, help="Least gap between items, mm; 0 lets them touch.")]
Speed = Annotated[float | None, typer.Option(min=1, help="Belt speed, mm/s.")]
Fps = Annotated[float | None, typer.Option(min=1, max=240, help="Frames per second.")]
Sizes = Annotated[
    tuple[float, float] | None, typer.Option(help="Longer side of the smallest and the largest items, mm.")
]
FrameAge = Annotated[float | None, typer.Option(min=0, help="How old a frame is when it arrives, ms.")]
Texture = Annotated[str | None, typer.Option(help="Belt: rubber, blue, seams, dirty, wood, or a picture's path.")]
BundleFile = Annotated[
    Path | None, typer.Option(help="Model bundle; without it the station's, else the one that ships.")
]
Perfect = Annotated[
    bool, typer.Option("--perfect-model", help="A model that is never wrong, to see what the rest is worth.")
]
InvokeMs = Annotated[float, typer.Option(min=0, help="What one inference takes on the simulated clock, ms.")]
JournalFolder = Annotated[Path | None, typer.Option(help="Keep the run's journal in this folder.")]
Video = Annotated[Path | None, typer.Option(help="Write an annotated clip (.mp4).")]
Sweep = Annotated[
    bool,
    typer.Option("--sweep", help="120, 240 and 480 items a minute side by side, then faster belts until it breaks."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")]


def command(
    minutes: Minutes = 2.0,
    hours: Hours = None,
    seed: Seed = None,
    station: StationFile = None,
    photos: Photos = None,
    rate: Rate = None,
    gap: Gap = None,
    speed: Speed = None,
    fps: Fps = None,
    sizes: Sizes = None,
    frame_age: FrameAge = None,
    texture: Texture = None,
    fault: FaultOption = None,
    bundle: BundleFile = None,
    perfect_model: Perfect = False,
    invoke_ms: InvokeMs = 8.0,
    journal: JournalFolder = None,
    video: Video = None,
    sweep: Sweep = False,
    as_json: AsJson = False,
) -> None:
    """Run a station in a simulated world of real photos on a virtual clock, and count where every item landed."""
    from edge.config import load_station
    from edge.simulate.world.faults import parse_fault
    from edge.system.logs import configure_logs
    from edge.tools.simulate.build import Conditions
    from edge.tools.simulate.simulated_station import Changes, simulated_variant

    silence_native_logs()
    configure_logs()
    smallest, largest = sizes or (None, None)
    changes = Changes(
        seed=seed, photos=photos, items_per_min=rate, min_gap_mm=gap, texture=texture, speed_mm_per_s=speed,
        frames_per_s=fps, frame_age_ms=frame_age, smallest_mm=smallest, largest_mm=largest,
    )  # fmt: skip
    settings = simulated_variant(load_station(station or (FAST_STATION if sweep else DEMO_STATION)), changes)
    chosen_bundle = None if perfect_model else _open_bundle(settings, bundle)
    faults = [parse_fault(text) for text in fault or []]
    conditions = Conditions(chosen_bundle, invoke_ms, injected_faults=faults, journal_folder=journal)
    seconds = 60 * (60 * hours if hours is not None else minutes)
    if journal is not None:
        _make_journal_folder(journal)
    if sweep and (video or journal):
        raise ConfigError("--sweep makes several runs: leave --video and --journal out, or run one of them by itself")
    if sweep:
        _sweep(settings, conditions, seconds, as_json)
    else:
        _show(settings, _simulate(settings, conditions, seconds, video), as_json)


def _show(station: Station, score: Score, as_json: bool) -> None:
    from edge.cli.commands.simulate.tables import print_run

    if as_json:
        answer = {"station": station.name, "seed": station.simulation.seed, **score.to_json()}
        say(json.dumps(answer, indent=2))
    else:
        print_run(station, score)


def _make_journal_folder(folder: Path) -> None:
    from edge.system.privileges import leave_root

    leave_root(folder.absolute())
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"--journal {folder}: can't be made ({error.strerror}); give another folder") from None


def _sweep(station: Station, conditions: Conditions, seconds: float, as_json: bool) -> None:
    from edge.cli.commands.simulate.tables import print_sweep, sweep_figures
    from edge.tools.simulate.sweep import explain, play, sweep

    rows = list(sweep(station, play(conditions, seconds)))
    if as_json:
        say(json.dumps(sweep_figures(rows), indent=2))
    else:
        print_sweep(station, rows, explain(rows))


def _open_bundle(station: Station, path: Path | None) -> Bundle:
    from edge.bundle.archive import open_bundle
    from edge.models.fit import at_station
    from edge.models.select import open_station_bundle
    from edge.system.privileges import leave_root

    leave_root(station.state_folder if path is None else path.absolute())
    return at_station(open_station_bundle(station) if path is None else open_bundle(path), station)


def _simulate(station: Station, conditions: Conditions, seconds: float, video: Path | None) -> Score:
    from edge.tools.simulate.build import build_virtual_run, run_and_score

    run = build_virtual_run(station, conditions)
    if video is None:
        return run_and_score(station, run, seconds)
    from edge.tools.simulate.annotated_clip import open_clip

    with open_clip(video, station, run) as clip:
        return run_and_score(station, run, seconds, clip.on_frame)
