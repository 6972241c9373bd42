"""GPIO pins: gpiozero's own backends, given explicitly, and what makes them fail-safe.

Actuators use gpiozero's pins, not its devices: a gpiozero device turns its pin into a floating input when it
is closed, and its servo jumps to the middle when it is made. A pin that was opened here stays an output for
as long as the process lives.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Protocol

from edge.errors import ActuatorError, SetupError
from edge.system.realtime import Priority, real_time

SERVO_HZ = 50
# Where a folder of our own may be made for a moment: the first of these that are set and can be written.
PLACES = ("$LG_WD", "$RUNTIME_DIRECTORY", "$XDG_RUNTIME_DIR", "$TMPDIR", "/run", "/tmp", "/var/tmp", "/dev/shm")


class Pin(Protocol):
    """The part of gpiozero's pin that is used here."""

    state: float
    frequency: float | None
    when_changed: Callable[[float, bool], None] | None

    def output_with_state(self, state: float) -> None: ...

    def input_with_pull(self, pull: str) -> None: ...


class Pins(Protocol):
    """A gpiozero pin factory that also knows where servo pulses come from."""

    def pin(self, name: int) -> Pin: ...

    def servo_pin(self, name: int, hardware: bool) -> Pin: ...

    def close(self) -> None: ...


def open_pins() -> Pins:
    """Open the Pi's GPIO.

    The threads that lgpio starts, when it is loaded and when it opens the chip, bring the edges of inputs and draw servo
    pulses: they get the priority of an emergency stop here and keep it.

    Raises:
        SetupError: gpiozero or lgpio is not installed.
        ActuatorError: this is no Pi, or its GPIO may not be used.
    """
    try:
        with _room_for_lgpio(), real_time(Priority.EMERGENCY_STOP):
            from edge.devices.gpio.lgpio_pins import DrivenPins
    except ImportError as error:
        raise SetupError(
            f"GPIO needs {error.name}, which is not installed: pip install 'edge-sorter[edge]', and on a Pi "
            "sudo apt install python3-lgpio with a virtual environment made with --system-site-packages"
        ) from None
    with refusing("GPIO"), real_time(Priority.EMERGENCY_STOP):
        return DrivenPins()


@contextmanager
def _room_for_lgpio() -> Iterator[None]:
    """Let lgpio be imported in any working folder: it goes to LG_WD, else stays here, and puts a pipe there for good.

    Raises:
        SetupError: no folder can be written.
    """
    if "lgpio" in sys.modules:
        yield
        return
    before, folder = os.environ.get("LG_WD"), _make_folder()
    here = None
    with suppress(OSError):  # it was removed
        here = os.open(".", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.environ["LG_WD"] = folder
        yield
    except OSError as error:
        raise SetupError(f"lgpio can't be loaded ({error}); {_FOLDER_ADVICE}") from error
    finally:
        os.environ.pop("LG_WD")
        if before is not None:
            os.environ["LG_WD"] = before
        if here is not None:
            with suppress(OSError):
                os.fchdir(here)
            os.close(here)
        shutil.rmtree(folder, ignore_errors=True)  # the pipe is open at both ends, nobody needs its name


def _make_folder() -> str:
    """Make a folder that nobody else may write: two programs would take the same name for their pipes."""
    places = [place for place in map(os.path.expandvars, PLACES) if not place.startswith("$")]
    for place in places:
        with suppress(OSError):
            return tempfile.mkdtemp(prefix="sorter-lgpio-", dir=place.partition(":")[0])
    raise SetupError(f"GPIO needs a folder that can be written, and none of {', '.join(places)} can; {_FOLDER_ADVICE}")


_FOLDER_ADVICE = "set LG_WD to a folder that you may write, as in LG_WD=/run/sorter"


def open_output(pins: Pins, number: int, level: bool, who: str) -> Pin:
    """Drive a pin at a level from the first instant on.

    Raises:
        ActuatorError: the pin is used by something else or does not exist.
    """
    with refusing(f"{who}: GPIO {number}"):
        pin = pins.pin(number)
        pin.output_with_state(level)
        return pin


@contextmanager
def refusing(what: str) -> Iterator[None]:
    """Turn what a pin backend raises into an ActuatorError that says what to do."""
    try:
        yield
    except _backend_errors() as error:
        raise ActuatorError(f"{what} can't be used ({error}); {_advice(str(error))}") from error


def _backend_errors() -> tuple[type[Exception], ...]:
    """gpiozero passes lgpio's own exception through; it exists only where lgpio was imported."""
    from gpiozero.exc import GPIOZeroError

    lgpio: Any = sys.modules.get("lgpio")
    return (GPIOZeroError, OSError) if lgpio is None else (GPIOZeroError, OSError, lgpio.error)


def _advice(reason: str) -> str:
    reason = reason.lower()
    if "busy" in reason:
        return "another program holds it: `sudo systemctl stop sorter`, then `gpioinfo` shows who"
    if "revision" in reason:
        return 'this machine is no Raspberry Pi; a station with camera type "simulated" needs none'
    if "permission" in reason or "not allowed" in reason or "open gpiochip" in reason:
        return "sudo usermod -aG gpio $USER, then log in again"
    return "`sorter doctor` shows what is missing"
