"""`sorter simulate`: a station in a simulated world, hours in minutes, and what became of every item."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from edge.bundle.archive import Bundle
    from edge.config import Station
    from edge.simulate.build import Conditions
    from edge.simulate.score import Score

DEMO_STATION = Path(__file__).resolve().parents[1] / "stations" / "demo.toml"


def command(
    minutes: Annotated[float, typer.Option(min=0.05, help="How long, in minutes of the simulated clock.")] = 2.0,
    hours: Annotated[float | None, typer.Option(min=0.01, help="How long, in hours instead of minutes.")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="The same seed gives the same run.")] = None,
    station: Annotated[
        Path, typer.Option(help="Station file, of a real or a simulated station.", show_default="the demo")
    ] = DEMO_STATION,
    photos: Annotated[
        Path | None, typer.Option(help="Folder with one folder of photos for each label, or a list of them (.txt).")
    ] = None,
    rate: Annotated[float | None, typer.Option(min=0.01, help="Items per minute, on average.")] = None,
    gap: Annotated[float | None, typer.Option(min=0, help="Least gap between items, mm; 0 lets them touch.")] = None,
    speed: Annotated[float | None, typer.Option(min=1, help="Belt speed, mm/s.")] = None,
    fps: Annotated[float | None, typer.Option(min=1, max=240, help="Frames per second.")] = None,
    sizes: Annotated[
        tuple[float, float] | None, typer.Option(help="Longer side of the smallest and the largest items, mm.")
    ] = None,
    frame_age: Annotated[float | None, typer.Option(min=0, help="How old a frame is when it arrives, ms.")] = None,
    texture: Annotated[
        str | None, typer.Option(help="Belt: rubber, blue, seams, dirty, wood, or a picture's path.")
    ] = None,
    fault: Annotated[
        list[str] | None, typer.Option(help="KIND[:TARGET]@SECONDS[+DURATION], as in jam@30+5; may be repeated.")
    ] = None,
    bundle: Annotated[
        Path | None, typer.Option(help="Model bundle; without it the station's, else the one that ships.")
    ] = None,
    perfect_model: Annotated[
        bool, typer.Option("--perfect-model", help="A model that is never wrong, to see what the rest is worth.")
    ] = False,
    invoke_ms: Annotated[float, typer.Option(min=0, help="What one inference takes on the simulated clock, ms.")] = 8.0,
    journal: Annotated[Path | None, typer.Option(help="Keep the run's journal in this folder.")] = None,
    video: Annotated[Path | None, typer.Option(help="Write an annotated clip (.mp4).")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of tables.")] = False,
) -> None:
    """Run a station in a simulated world of real photos on a virtual clock, and count where every item landed."""
    from edge.config import load_station
    from edge.simulate.build import Conditions
    from edge.simulate.disturbances import parse_disturbance
    from edge.simulate.variant import Changes, simulated_variant

    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    changes = Changes(
        seed=seed,
        photos=photos,
        items_per_min=rate,
        min_gap_mm=gap,
        texture=texture,
        speed_mm_per_s=speed,
        frames_per_s=fps,
        frame_age_ms=frame_age,
        smallest_mm=None if sizes is None else sizes[0],
        largest_mm=None if sizes is None else sizes[1],
    )
    settings = simulated_variant(load_station(station), changes)
    conditions = Conditions(
        bundle=None if perfect_model else _open_bundle(settings, bundle),
        invoke_ms=invoke_ms,
        disturbances=[parse_disturbance(text) for text in fault or []],
        journal_folder=journal,
    )
    outcome = _simulate(settings, conditions, 60 * (60 * hours if hours is not None else minutes), video)
    if as_json:
        answer = {"station": settings.name, "seed": settings.simulation.seed, **outcome.to_json()}
        typer.echo(json.dumps(answer, indent=2))
    else:
        _print_tables(settings, outcome)


def _open_bundle(station: Station, path: Path | None) -> Bundle:
    from edge.bundle.archive import open_bundle
    from edge.wiring import check_labels, find_bundle

    bundle = open_bundle(path or find_bundle(station))
    check_labels(station, bundle)
    return bundle


def _simulate(station: Station, conditions: Conditions, seconds: float, video: Path | None) -> Score:
    from edge.simulate.build import build_virtual_run, run_and_score

    run = build_virtual_run(station, conditions)
    if video is None:
        return run_and_score(station, run, seconds)
    from edge.simulate.video import open_clip

    with open_clip(video, station, run):
        return run_and_score(station, run, seconds)


def _print_tables(station: Station, score: Score) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console()
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


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.1%}"
