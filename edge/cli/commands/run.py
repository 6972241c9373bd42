"""`sorter run`: sort until stopped."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edge.cli.options import DEFAULT_STATION, FaultOption, StationOption
from edge.errors import OutputError
from edge.system.output import leave_dead_streams, say

if TYPE_CHECKING:
    from edge.config import Station
    from edge.simulate.world.faults import Planned
    from edge.status.snapshot import Snapshot

DEMO_STATION = Path(__file__).resolve().parents[2] / "stations" / "demo.toml"


def command(
    station: StationOption = DEFAULT_STATION,
    demo: Annotated[bool, typer.Option("--demo", help="Run the simulated demo station instead.")] = False,
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Another port for the page; 0: any free one.")
    ] = None,
    host: Annotated[str | None, typer.Option(help="Another address for the page; 0.0.0.0: the whole network.")] = None,
    state_folder: Annotated[
        Path | None, typer.Option(help="Another folder for journal, calibration and models.")
    ] = None,
    seconds: Annotated[float | None, typer.Option(min=0.1, help="Stop by itself after this time.")] = None,
    fault: FaultOption = None,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Log every item.")] = False,
) -> None:
    """Sort: take frames, decide, fire, keep the journal and show the page, until Ctrl-C or SIGTERM."""
    import logging

    from edge.config import load_station
    from edge.station.build import build_station
    from edge.station.runtime import Runtime
    from edge.system.logs import configure_logs
    from edge.system.mounts import in_memory, memory_under
    from edge.system.privileges import leave_root

    configure_logs(logging.DEBUG if verbose else logging.INFO)
    file = DEMO_STATION if demo else station
    settings = _with_options(load_station(file), {"host": host, "port": port}, state_folder)
    leave_root(settings.state_folder)
    if not settings.camera.is_simulated and (memory := memory_under(settings.state_folder)):
        logging.getLogger(__name__).warning("%s", in_memory(settings.state_folder, memory))
    built = build_station(settings, faults=_planned(fault), file=file.absolute())
    if built.page.server is not None:
        _say_where(built.page.server.urls, settings, is_practice=demo)
    elif settings.page.enabled:
        say("page: none for now")
    if demo:
        say("to teach a station a label that no model knows, in another terminal: sorter teach --demo")
    say("sorting; Ctrl-C stops")
    try:
        Runtime(built).run(seconds)
    finally:
        with suppress(OSError, OutputError):  # its terminal is gone; the journal has it all
            print_summary(built.reporting.live.snapshot())
        leave_dead_streams()


def _say_where(urls: Sequence[str], settings: Station, *, is_practice: bool) -> None:
    """Print the page's addresses; at the demo, where nothing moves, they are some that sign in."""
    from edge.errors import ConfigError
    from edge.web.station.token import read_token

    for url in urls:
        say(f"page: {url}")
    if not settings.page.controls:
        return
    with suppress(ConfigError):  # the log says it
        token = read_token(settings.state_folder)
        if not is_practice:
            say("to act on it: `sorter token` shows what to sign in with")
            return
        for url in urls:
            say(f"to act on it: {url}#token={token}")


def _planned(faults: list[str] | None) -> list[Planned]:
    from edge.simulate.world.faults import parse_fault

    return [parse_fault(text) for text in faults or []]


def _with_options(station: Station, options: dict[str, Any], state_folder: Path | None) -> Station:
    page = station.page.with_values(**{name: value for name, value in options.items() if value is not None})
    folder = station.state_folder if state_folder is None else state_folder.absolute()
    return station.with_values(page=page, state_folder=folder)


def print_summary(snapshot: Snapshot) -> None:
    """Print what was sorted: a row for each bin and reason."""
    from rich.table import Table

    from edge.clock import NS_PER_MS, NS_PER_S
    from edge.system.terminal import Terminal

    table = Table("bin", "reason", "items", title=f"{snapshot.total} items in {snapshot.uptime_ns / NS_PER_S:.0f} s")
    table.columns[2].justify = "right"
    for (bin_name, reason), count in sorted(snapshot.counts.items()):
        table.add_row(bin_name, reason, str(count))
    console = Terminal()
    console.print(table)
    if snapshot.total:
        deciding = snapshot.deciding
        console.print(
            f"decided {deciding.median / NS_PER_MS:.0f} ms after crossing the line (median), "
            f"{deciding.p99 / NS_PER_MS:.0f} ms at p99"
        )
