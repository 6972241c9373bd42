"""`sorter setup`: install the service on this machine, or take it away."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edge.system.output import say

if TYPE_CHECKING:
    from edge.tools.setup.tasks import Task


def command(
    station: Annotated[
        Path | None,
        typer.Option(readable=False, help="Your station file; copied to /etc/sorter unless there is one already."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")] = False,
    remove: Annotated[
        bool, typer.Option("--remove", help="Take the service away; settings, journal and models stay.")
    ] = False,
    root: Annotated[
        Path, typer.Option(help="Folder of a system that is not running, such as a mounted SD card.")
    ] = Path("/"),
) -> None:
    """Install, enable and start the service: user, folders, units, device rules, hardware watchdog. Needs root."""
    import os
    import sys

    from edge.system.processes import SystemRunner
    from edge.tools.setup.setup import (
        PLACEHOLDER,
        Target,
        check_target,
        hints,
        plan_removal,
        plan_setup,
        receive_command,
    )

    os.umask(0o022)  # the service's user must be able to read what is written here, however strict root's own is
    runner = SystemRunner()
    target = Target(root.absolute(), Path(sys.prefix if root == Path("/") else PLACEHOLDER))
    wanted = _checked(station)
    tasks = plan_removal(target) if remove else plan_setup(target, wanted)
    if dry_run:
        _show(tasks)
    check_target(target, os.geteuid(), runner.run(["systemctl", "--version"]))
    if dry_run:
        return
    for task in tasks:
        done = task.is_done()
        if not done:
            task.do(runner)
        say(f"{'already so' if done else 'done':<11} {task.text}")
    os.sync()  # units and program have to survive a power cut in the next seconds
    for hint in [] if remove else hints(target, wanted):
        say(f"hint        {hint}")
    if target.is_live and not remove:
        say("look at it: systemctl status sorter; its log: journalctl -u sorter -f")
        say(f"models over SSH (see docs/fleet.md): ForceCommand {receive_command(target)}")


def _show(tasks: Sequence[Task]) -> None:
    for task in tasks:
        say(f"{'already so' if task.is_done() else 'would':<11} {task.text}")
    say("nothing was changed")


def _checked(station: Path | None) -> str | None:
    """Return the station file's text, refused here when it is wrong rather than at every start of the service."""
    from edge.config import load_station
    from edge.tools.setup.setup import check_station

    if station is None:
        return None
    check_station(load_station(station))
    return station.read_text("utf-8-sig")
