"""`sorter pull`: journals and pictures from devices to this workstation."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from converter.fleet.inventory import Host, load_inventory, resolve_hosts
from converter.fleet.pull import PullResult, pull_from
from converter.fleet.push import REMOTE_COMMAND
from converter.fleet.ssh import Ways
from edge.errors import ConfigError, TransferError
from edge.system.output import say
from edge.system.terminal import Terminal

_SHOWN = 5  # lines of labels that can't be used, of a device


def command(  # noqa: PLR0913  (one argument an option)
    targets: Annotated[
        list[str], typer.Argument(metavar="HOST...", help="[user@]host[:port], or @group of the inventory.")
    ],
    into: Annotated[Path, typer.Option(help="Folder for what comes; one folder a device below it.")] = Path("stations"),
    inventory: Annotated[Path | None, typer.Option(help="Inventory file with groups of hosts.")] = None,
    at_once: Annotated[int, typer.Option(min=1, max=200, help="Devices served at the same time.")] = 10,
    ssh_config: Annotated[Path | None, typer.Option(help="Another ssh configuration than your own.")] = None,
    remote_command: Annotated[str, typer.Option(help="The device's end.")] = REMOTE_COMMAND,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of a table.")] = False,
) -> None:
    """Bring home what is new: journal rows, calibrations, kept pictures, labels, taught heads; `sorter journal list --file` reads the copy."""
    hosts = resolve_hosts(targets, None if inventory is None else load_inventory(inventory))
    if not hosts:
        raise ConfigError(f"{' '.join(targets)}: no hosts in there")

    async def all_of_them() -> list[PullResult]:
        slots = asyncio.Semaphore(at_once)

        async def one(host: Host, ways: Ways) -> PullResult:
            async with slots:
                return await pull_from(host, into, remote_command, ways, lambda result: None)

        async with Ways(ssh_config) as ways:
            return list(await asyncio.gather(*(one(host, ways) for host in hosts)))

    with Terminal(stderr=True, quiet=as_json).status(f"pulling from {len(hosts)} devices"):
        results = asyncio.run(all_of_them())
    if as_json:
        rows = [
            {
                "host": result.host.text,
                "folder": str(result.folder),
                "rows": result.rows,
                "files": result.files,
                "labels": result.labels,
                "received": result.received,
                "error": result.error,
                "passed_over": result.passed_over,
            }
            for result in results
        ]
        say(json.dumps({"ok": not any(result.error for result in results), "hosts": rows}, indent=2))
    else:
        _print_table(results)
    if any(result.error for result in results):
        raise typer.Exit(TransferError.exit_code)


def _print_table(results: list[PullResult]) -> None:
    table = Table("device", "new rows", "files", "labels", "kB", "folder")
    for column in table.columns[1:5]:
        column.justify = "right"
    for result in results:
        numbers = (result.rows, result.files, result.labels, round(result.received / 1000))
        table.add_row(result.host.text, *map(str, numbers), str(result.folder))
    Terminal().print(table)
    for result in results:
        for line in result.passed_over[:_SHOWN]:
            say(f"sorter: {result.host.text}: passed over {line}", err=True)
        if (more := len(result.passed_over) - _SHOWN) > 0:
            say(f"sorter: {result.host.text}: passed over {more} more; --json lists them", err=True)
        if result.error:
            say(f"sorter: {result.host.text}: {result.error}", err=True)
