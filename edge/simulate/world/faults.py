"""What can be made to go wrong in the simulated world, by hand or at a given time."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from edge.clock import NS_PER_S
from edge.config import Station
from edge.errors import ConfigError


class InjectedFault(StrEnum):
    """One thing that goes wrong; where the product has a fault for it, by the same name."""

    CAMERA_LOST = "camera-lost"
    CAMERA_STALLED = "camera-stalled"
    CAMERA_FROZEN = "camera-frozen"
    CAMERA_BLACK = "camera-black"
    CAMERA_OVEREXPOSED = "camera-overexposed"
    CAMERA_MOVED = "camera-moved"
    SHADOW = "shadow"  # somebody stands in the light
    LAMP_STEP = "lamp-step"  # a lamp goes out, or the exposure jumps
    BELT_STOPPED = "belt-stopped"
    BELT_SLIPPING = "belt-slipping"  # the drum turns on, the belt moves at 60 %
    DIVERTER_STUCK = "diverter-stuck"  # :ACTUATOR stays where it is
    DIVERTER_UNPLUGGED = "diverter-unplugged"  # :ACTUATOR falls back and no longer hears its pin
    JAM = "jam"  # what is diverted gets stuck and falls nowhere
    BIN_FULL = "bin-full"  # :BIN reports full
    EMERGENCY_STOP = "emergency-stop"  # the chain opens: belt and actuators lose their power
    CAMERA_CLOCK = "camera-clock"  # its frames are stamped by another clock
    ACTUATOR_REFUSED = "actuator-refused"  # no actuator's pin can be driven
    ACTUATOR_HUNG = "actuator-hung"  # the actuation thread does not turn
    CLASSIFIER_FAILED = "classifier-failed"
    CLASSIFIER_STUCK = "classifier-stuck"  # an answer never comes
    CLASSIFIER_SLOW = "classifier-slow"
    OVERLOADED = "overloaded"  # one inference takes longer than the belt allows
    JOURNAL_SLOW = "journal-slow"  # a write that does not end
    JOURNAL_BLOCKED = "journal-blocked"  # the same, for longer
    DISK_FULL = "disk-full"
    DISK_READ_ONLY = "disk-read-only"
    DISK_ERROR = "disk-error"
    HOT = "hot"
    THROTTLED = "throttled"
    UNDER_VOLTAGE = "under-voltage"
    CLOCK_UNSET = "clock-unset"
    PAGE_DOWN = "page-down"
    PROGRAM_ERROR = "program-error"  # a bug in a stage
    RESET = "reset"  # the reset button is pressed for as long as given, else a fifth of a second


TARGETED: Final = {InjectedFault.DIVERTER_STUCK, InjectedFault.DIVERTER_UNPLUGGED, InjectedFault.BIN_FULL}
_FORM: Final = re.compile(r"(?P<kind>[a-z-]+)(:(?P<target>[a-z0-9_-]+))?@(?P<at>\d+(\.\d+)?)(\+(?P<for>\d+(\.\d+)?))?")


@dataclass(frozen=True, slots=True)
class Planned:
    """A disturbance from `start_s` seconds after the start for `duration_s`; None: for good."""

    kind: InjectedFault
    start_s: float
    duration_s: float | None = None
    target: str = ""

    @property
    def start_ns(self) -> int:
        return round(self.start_s * NS_PER_S)

    @property
    def end_ns(self) -> int | None:
        """End after the start of the run, nanoseconds."""
        if self.duration_s is None:
            return self.start_ns + NS_PER_S // 5 if self.kind is InjectedFault.RESET else None
        return self.start_ns + round(self.duration_s * NS_PER_S)


def parse_fault(text: str) -> Planned:
    """Read `KIND[:TARGET]@SECONDS[+DURATION]`.

    Raises:
        ConfigError: anything else.
    """
    found = _FORM.fullmatch(text)
    if found is None or found["kind"] not in set(InjectedFault):
        raise ConfigError(
            f"fault {text!r}: expected KIND[:TARGET]@SECONDS[+DURATION] with one of these kinds: "
            + ", ".join(sorted(InjectedFault))
        )
    kind = InjectedFault(found["kind"])
    if (kind in TARGETED) != bool(found["target"]):
        raise ConfigError(
            f"fault {text!r}: {kind} "
            + ("needs a target, like " + f"{kind}:NAME@{found['at']}" if kind in TARGETED else "has no target")
        )
    return Planned(
        kind, float(found["at"]), float(found["for"]) if found["for"] is not None else None, found["target"] or ""
    )


def check_target(station: Station, kind: InjectedFault, target: str) -> None:
    """Refuse a disturbance of something that the station does not have.

    Raises:
        ConfigError: it has nothing of that name, or no sensor that would notice.
    """
    actuators = [actuator.name for actuator in station.actuators]
    if kind in (InjectedFault.DIVERTER_STUCK, InjectedFault.DIVERTER_UNPLUGGED) and target not in actuators:
        raise ConfigError(f"fault {kind}: expected one of the actuators {', '.join(actuators)}, got {target!r}")
    watched = [where.name for where in station.bins if where.full_pin is not None]
    if kind is InjectedFault.BIN_FULL and target not in watched:
        known = ", ".join(watched) or "none"
        raise ConfigError(f"fault {kind}: expected one of the bins with a full_pin ({known}), got {target!r}")
    if kind is InjectedFault.JAM and station.safety.jam_pin is None and not any(b.exit_pin for b in station.bins):
        raise ConfigError(
            f"fault {kind}: nothing here would see it: neither safety.jam_pin nor a bin's exit_pin is set"
        )
    needed = {InjectedFault.EMERGENCY_STOP: station.safety.estop_pin, InjectedFault.RESET: station.safety.reset_pin}
    if kind in needed and needed[kind] is None:
        raise ConfigError(f"fault {kind}: the station has no pin for it under [safety]")
