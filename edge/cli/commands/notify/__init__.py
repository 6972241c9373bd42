"""`sorter notify`: who is told what goes on, and does it reach them?"""

from __future__ import annotations

from typing import Annotated

import typer

from edge.cli.options import DEFAULT_STATION, StationOption
from edge.errors import ConfigError, NotifyError
from edge.system.output import say


def command(
    station: StationOption = DEFAULT_STATION,
    test: Annotated[bool, typer.Option("--test", help="Send a test message to each.")] = False,
) -> None:
    """List who is told what goes on at a station; with --test, send each a message and say what is wrong.

    It may be asked while the station runs. Run it as the service does (sudo -u sorter) to see what that may read.
    """
    from edge.clock import SystemClock
    from edge.config import load_station
    from edge.notify.channels import open_channels
    from edge.status.live import LiveView

    clock = SystemClock()
    channels = open_channels(load_station(station), LiveView(clock), clock)
    if not channels:
        raise ConfigError(f"{station}: nobody is told: there is no [notify.mqtt], [[notify.webhook]] or [notify.mail]")
    failed = 0
    for channel in channels:
        if not test:
            say(f"{channel.name}: {channel.place}")
            continue
        try:
            say(f"{channel.name}: sent to {channel.test()}")
        except NotifyError as error:
            failed += 1
            say(f"{channel.name}: not delivered: {error}")
    if failed:
        raise typer.Exit(NotifyError.exit_code)
