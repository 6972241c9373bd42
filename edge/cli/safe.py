"""`sorter safe`: every actuator to its safe position, whatever state the rest is in."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edge.cli.options import DEFAULT_STATION
from edge.errors import ActuatorError, ConfigError
from edge.output import say


def command(
    station: Annotated[
        Path, typer.Option(readable=False, help="The station file; a broken one is read as far as it goes.")
    ] = (DEFAULT_STATION),
) -> None:
    """Drive every actuator to its safe position and stop the belt; the controller must not be running."""
    # Neither numpy nor OpenCV nor the settings: what made the controller fail must not stop this.
    from edge.actuate.pins import open_pins
    from edge.actuate.safe import drive_safe, read_safe_outputs
    from edge.clock import SystemClock

    try:
        reading = read_safe_outputs(station)
    except OSError as error:
        raise ConfigError(
            f"{station}: can't be read ({error.strerror}); give the station file with --station"
        ) from None
    for problem in reading.problems:
        say(f"sorter: {problem}", err=True)
    if reading.simulated:
        say("nothing to do: this station is simulated, its pins are in memory")
        return
    if not reading.outputs:
        raise ConfigError(f"{station}: no actuator can be read from it")
    refused = drive_safe(reading.outputs, open_pins("auto"), SystemClock())
    for output in reading.outputs:
        if not any(problem.startswith(f"{output.name}:") for problem in refused):
            say(f"{output.name}: safe")
    if refused:
        raise ActuatorError("\n".join(refused))
