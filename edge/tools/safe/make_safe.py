"""`sorter safe` with nothing but pins: what made the controller fail must not stop it, nor make it slow."""

from __future__ import annotations

from pathlib import Path

from edge.clock import SystemClock
from edge.devices.gpio.pins import open_pins
from edge.errors import ActuatorError, ConfigError, OutputError, ReaderGoneError, SorterError
from edge.station.stops.safe_outputs import drive_safe, read_safe_outputs
from edge.system.output import complain, give_up_output, say
from edge.system.signals import undisturbed

STATION = Path("/etc/sorter/station.toml")


def make_safe(station: Path) -> None:
    """Drive every output of a station to its safe level, then tell what was done.

    Raises:
        ConfigError: no output is known.
        ActuatorError: a pin refused; all others are safe.
        SetupError: the pins can't be opened.
    """
    with undisturbed():  # neither a terminal that closes nor an impatient person ends the second that it takes
        reading = read_safe_outputs(station)
        outputs = reading.outputs
        # Nothing is said before: whoever should read it may be gone, or not read.
        refused = drive_safe(outputs, open_pins(), SystemClock()) if outputs else []
    for problem in reading.problems:
        complain(f"sorter: {problem}")
    if reading.simulated and not outputs:
        say("nothing to do: this station is simulated, its pins are in memory")
        return
    if not outputs:
        raise ConfigError(f"{station}: no actuator can be read from it; give the station file with --station")
    for output in outputs:
        if not any(problem.startswith(f"{output.name}:") for problem in refused):
            say(f"{output.name}: safe")
    if refused:
        raise ActuatorError("\n".join(refused))


def main(station: Path) -> int:
    """Do it without the command line proper; return the exit code."""
    try:
        make_safe(station)
    except ReaderGoneError:  # nobody reads what was done; it is done
        give_up_output()
    except SorterError as error:
        complain(f"sorter: {error}")
        if isinstance(error, OutputError):
            give_up_output()
        return error.exit_code
    return 0


def plain_station(arguments: list[str]) -> Path | None:
    """`--station FILE` or nothing; None for all that the command line proper has to look at."""
    if not arguments:
        return STATION
    if len(arguments) == 2 and arguments[0] == "--station" and not arguments[1].startswith("-"):
        return Path(arguments[1])
    return None
