"""`sorter status`: how a running station is, from another process."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from edge.cli.options import DEFAULT_STATION, StationOption
from edge.cli.running import DemoOption, FolderOption, state_folder_of

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON: what the page's head says, and the bins.")]
# By the state's name; in every other one the station sorts. Written down in edge/errors.py.
EXIT_CODES = {"starting": 20, "stopped": 21, "fault": 22, "estop": 23}


def command(
    station: StationOption = DEFAULT_STATION,
    demo: DemoOption = False,
    state_folder: FolderOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say how a running station is, whether it has a page or not. Exit code 0: it sorts; 20 starting, 21 stopped, 22 in a
    fault, 23 emergency stop; 15 where no station runs or none answers.
    """
    from edge.system.output import say
    from edge.system.terminal import Terminal
    from edge.tools.status.screen import head
    from edge.tools.status.told import read_status

    status = read_status(state_folder_of(station, demo, state_folder))
    if as_json:
        say(json.dumps(status.model_dump(mode="json", exclude={"items"}), indent=2, ensure_ascii=False))
    else:
        terminal = Terminal(highlight=False)
        for line in head(status):
            terminal.print(line, soft_wrap=True)
        full = [where.name for where in status.bins if where.full]
        if full:
            say(f"full     {', '.join(full)}")
    raise typer.Exit(EXIT_CODES.get(status.state.code, 0))
