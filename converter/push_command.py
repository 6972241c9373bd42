"""`sorter push`: a bundle from this workstation to one device or two hundred."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.live import Live
from rich.table import Table
from rich.text import Text

from converter.fleet.inventory import Host, load_inventory, resolve_hosts
from converter.fleet.push import REMOTE_COMMAND, HostResult, PushOptions, State, push_to_all
from converter.fleet.rollout import plan_stages
from edge.bundle.archive import Bundle, bundle_bytes, open_bundle
from edge.errors import ConfigError, TransferError
from edge.system.output import say
from edge.system.terminal import Terminal, styled

_COLOURS = {State.DONE: "green", State.FAILED: "red", State.NOT_STARTED: "yellow"}


SoakOption = Annotated[
    float, typer.Option(min=0, help="Wait this long after each stage; a device that came back stops the roll-out.")
]
AttemptsOption = Annotated[int, typer.Option(min=1, max=20, help="Connections to a device before it counts as failed.")]
ProbationOption = Annotated[
    bool, typer.Option(help="The device watches it and comes back by itself; it decides whether it can go without.")
]
DowngradeOption = Annotated[
    bool,
    typer.Option("--allow-downgrade", help="Ask for an older version; a device takes it if its station file says so."),
]
TargetsArgument = Annotated[
    list[str], typer.Argument(metavar="HOST...", help="[user@]host[:port], or @group of the inventory.")
]


def command(  # noqa: PLR0913  (one argument an option)
    bundle: Annotated[Path, typer.Argument(help="The bundle NAME-VERSION.sorter.")],
    targets: TargetsArgument,
    inventory: Annotated[Path | None, typer.Option(help="Inventory file with groups of hosts.")] = None,
    canary: Annotated[int, typer.Option(min=0, help="This many devices first.")] = 0,
    then: Annotated[str, typer.Option(help="Stages after that: a count, or a share of all devices.")] = "100%",
    soak_minutes: SoakOption = 0.0,
    at_once: Annotated[int, typer.Option(min=1, max=200, help="Devices served at the same time.")] = 20,
    attempts: AttemptsOption = 3,
    activate: Annotated[bool, typer.Option(help="Put the model to work, not only install it.")] = True,
    probation: ProbationOption = True,
    allow_downgrade: DowngradeOption = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only look what would be done.")] = False,
    ssh_config: Annotated[Path | None, typer.Option(help="Another ssh configuration than your own.")] = None,
    remote_command: Annotated[str, typer.Option(help="The device's end.")] = REMOTE_COMMAND,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of a table.")] = False,
) -> None:
    """Send a model to devices over SSH; each proves it before it goes to work."""
    opened = open_bundle(bundle)
    hosts = resolve_hosts(targets, None if inventory is None else load_inventory(inventory))
    if not hosts:
        raise ConfigError(f"{' '.join(targets)}: no hosts in there")
    options = PushOptions(
        activate=activate,
        probation=probation,
        allow_downgrade=allow_downgrade,
        dry_run=dry_run,
        attempts=attempts,
        at_once=at_once,
        soak_s=soak_minutes * 60,
        remote_command=remote_command,
        ssh_config=ssh_config,
        labels=opened.labels,
        pieces=opened.manifest.taught is not None,
    )
    stages = plan_stages(hosts, canary, then)
    board = _Board(opened, [host for stage in stages for host in stage], quiet=as_json)
    with board.live:
        results = asyncio.run(push_to_all(bundle_bytes(opened), opened.digest, stages, options, board.show))
    if as_json:
        _print_json(opened, results)
    else:
        board.print_end()
        if dry_run:
            _print_stages(stages, soak_minutes)
    if any(result.state is not State.DONE for result in results):
        raise typer.Exit(TransferError.exit_code)


class _Board:
    """The progress of all devices: a live table on a terminal, the table at the end elsewhere."""

    def __init__(self, bundle: Bundle, hosts: list[Host], quiet: bool) -> None:
        self._bundle = bundle
        self._results = {host: HostResult(host) for host in hosts}
        self._console = Terminal(quiet=quiet)
        # A redirected stdout gets the table once, at the end.
        self.live = Live(
            console=self._console, get_renderable=self._table, refresh_per_second=4, transient=True, auto_refresh=True
        )

    def show(self, result: HostResult) -> None:
        self._results[result.host] = result

    def print_end(self) -> None:
        results = list(self._results.values())
        self._console.print(self._table(limit=None))
        failed = [result for result in results if result.state is State.FAILED]
        for result in failed:
            say(f"sorter: {result.host.text}: {result.error}", err=True)
        if failed:
            done = sum(result.state is State.DONE for result in results)
            left = sum(result.state is State.NOT_STARTED for result in results)
            say(
                f"sorter: {done} of {len(results)} devices are done, {len(failed)} failed, {left} were not started. "
                "Fix what failed and run the same command again: devices that are done take one round trip",
                err=True,
            )

    def _table(self, limit: int | None = 30) -> Table:
        table = Table("device", "state", "sent", "there", title=self._bundle.manifest.title, title_justify="left")
        results = list(self._results.values())
        # Two hundred rows fit no terminal: those at work first.
        if limit is not None and len(results) > limit:
            order = [State.SENDING, State.PROVING, State.CONNECTING, State.FAILED, State.DONE, State.WAITING]
            results.sort(key=lambda result: order.index(result.state) if result.state in order else len(order))
            states = [result.state for result in results]
            table.caption = ", ".join(f"{states.count(state)} {state}" for state in State if state in states)
            results = results[:limit]
        for result in results:
            table.add_row(
                result.host.text, _state_text(result), _sent_text(result, self._bundle.size), _there_text(result)
            )
        return table


def _print_stages(stages: Sequence[Sequence[Host]], soak_minutes: float) -> None:
    say("dry run: nothing was changed")
    for number, stage in enumerate(stages, start=1):
        if len(stages) > 1:
            pause = f", then {soak_minutes:g} minutes of waiting" if number < len(stages) and soak_minutes else ""
            say(f"stage {number}: {', '.join(host.text for host in stage)}{pause}")


def _state_text(result: HostResult) -> Text:
    return styled(str(result.state), _COLOURS.get(result.state, ""))


def _sent_text(result: HostResult, size: int) -> str:
    if result.already:
        return "nothing"
    if result.state is State.DONE and 0 < result.sent < size:
        return f"{result.sent / 1000:.0f} of {size / 1000:.0f} kB"
    return f"{100 * min(1.0, result.sent / size):.0f} %" if result.sent else ""


def _there_text(result: HostResult) -> str:
    if result.note:
        return result.note
    if result.state is not State.DONE:
        return ""
    had = "was there, " if result.already else ""
    active = "active" if result.active else "installed"
    return f"{had}{active}, {result.milliseconds or 0:.1f} ms an inference, {result.seconds:.1f} s"


def _print_json(bundle: Bundle, results: list[HostResult]) -> None:
    answer = {
        "bundle": bundle.manifest.title,
        "digest": bundle.digest,
        "size": bundle.size,
        "ok": all(result.state is State.DONE for result in results),
        "hosts": [
            {**asdict(result), "host": result.host.text, "seconds": round(result.seconds, 3)} for result in results
        ],
    }
    say(json.dumps(answer, indent=2))
