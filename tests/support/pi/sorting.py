"""A machine on which the product sorts as a service: all kinds of actuators, the simulated camera, inputs pulled from outside."""

from __future__ import annotations

from pathlib import Path

from support.pi.machine import Machine, Saved
from support.pi.machines import booted, saved
from support.pi.wires import Wires

VALVE, RELAY, ARM, STEP, DIRECTION, ENABLE, BEACON = 17, 27, 18, 22, 23, 24, 21
ESTOP, RESET, FULL = 16, 20, 25
# What each output must be at when nothing sorts. The relay board switches on at a low level, the driver's EN is off high.
SAFE = {VALVE: False, RELAY: True, ARM: False, STEP: False, DIRECTION: False, ENABLE: True}

# A square of the camera's own comes and goes as the item; the shipped model takes it for paper. Its counter keeps the
# picture from being always the same, above the region that is looked at. Limits of time are those of a machine on which
# one inference takes seconds.
STATION = """
name = "virtual"
kind = "bin"
state_folder = "/var/lib/sorter"

[camera]
type = "v4l2"
device = "/dev/video0"
width = 320
height = 180
frames_per_s = 5
stall_ms = 10000

[region]
y = 60

[deciding]
min_score = 0.2

[inference]
max_crops = 1

[safety]
estop_pin = 16
reset_pin = 20
beacon_pin = 21
stall_ms = 30000

[[actuators]]
name = "valve"
type = "digital"
pin = 17
max_on_ms = 60000

[[actuators]]
name = "relay"
type = "digital"
pin = 27
active_high = false

[[actuators]]
name = "arm"
type = "servo"
pin = 18
safe_us = 1100
positions_us = { out = 1800 }

[[actuators]]
name = "carousel"
type = "stepper"
step_pin = 22
direction_pin = 23
enable_pin = 24
positions_steps = { quarter = 50 }

[[bins]]
name = "paper"
labels = ["paper"]
actuator = "valve"
dwell_ms = 10000
full_pin = 25

[[bins]]
name = "metal"
labels = ["metal"]
actuator = "relay"

[[bins]]
name = "glass"
labels = ["glass"]
actuator = "arm"
position = "out"

[[bins]]
name = "organic"
labels = ["organic"]
actuator = "carousel"
position = "quarter"

[[bins]]
name = "residual"
labels = ["plastic", "cardboard", "trash"]
"""
# Starting and stopping take a tenth of this on a Pi.
EMULATED = "[Service]\nTimeoutStartSec=900\nTimeoutStopSec=300\n"
DROP_IN = "/etc/systemd/system/sorter.service.d/emulated.conf"
# White at less brightness: with all of it the picture counts as over-exposed.
CAMERA = "test_pattern=6,brightness=70,osd_text_mode=1,show_square=0,timestamp_source=1"
START_S, TURN_S = 600.0, 120.0


class Service:
    """The product's service in a machine, and what a person and the things before its lens do."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.wires = Wires(machine)

    def is_running(self) -> None:
        """Wait until it sorts."""
        self.await_status("running")

    def await_status(self, text: str, within_s: float = TURN_S) -> None:
        """Wait until the line that `systemctl status` shows begins with `text`."""
        asked = f"systemctl show -p StatusText --value sorter | grep -q '^{text}'"
        try:
            self.machine.until(f"the status is {text!r}", asked, within_s)
        except RuntimeError as error:
            raise RuntimeError(f"{error}\n{self.log()}") from None

    def await_ready(self, within_s: float = START_S) -> float:
        """Wait until systemd has heard READY; how long it took to, seconds since its process began."""
        self.machine.until("it is ready", "systemctl show -p SubState --value sorter | grep -q running", within_s)
        shown = self.machine.run(
            "systemctl show --timestamp=unix -p ActiveEnterTimestampMonotonic -p ExecMainStartTimestampMonotonic sorter"
        )
        values = dict(line.split("=") for line in shown.split())
        return (int(values["ActiveEnterTimestampMonotonic"]) - int(values["ExecMainStartTimestampMonotonic"])) / 1e6

    def let_go_on(self) -> None:
        """What a person does after a start: the emergency stop's chain is closed, the bin is empty, reset is pressed.

        The lines' simulated chip knows one pull only, and the product's own, when it takes a line, is the last.
        """
        self.wires.pull(gpio16=True, gpio20=True, gpio25=True)
        self.press_reset()
        self.is_running()

    def press_reset(self) -> None:
        self.wires.pull_in_turn([{"gpio20": False}, {"gpio20": True}], every_s=0.5)

    def put_item(self) -> None:
        """Put something before the lens."""
        self.camera("show_square=1")

    def take_item(self) -> None:
        self.camera("show_square=0")

    def set_up_camera(self) -> None:
        """The controls as they were when the service was set up; a camera that is plugged in anew has its own."""
        self.camera(CAMERA)

    def camera(self, controls: str) -> None:
        """Set the simulated camera's controls."""
        self.machine.run(f"v4l2-ctl -d /dev/video0 -c {controls}")

    def await_log(self, text: str, within_s: float = TURN_S) -> None:
        """Wait until the service's log has a text."""
        try:
            self.machine.until(f"the log has {text!r}", f"journalctl -u sorter -o cat | grep -q '{text}'", within_s)
        except RuntimeError as error:
            raise RuntimeError(f"{error}\n{self.log()}") from None

    def log(self, lines: int = 40) -> str:
        """The end of its log."""
        return self.machine.run(f"journalctl -u sorter -n {lines} --no-pager -o cat")


def sorting() -> Saved:
    """A machine whose service has been installed by `sorter setup`, is ready, and sorts; nothing lies before its lens."""
    recipe = f"{STATION} {EMULATED} {CAMERA} {Path(__file__).read_text()}"
    return saved("sorting", recipe, booted(), _set_up)


def _set_up(machine: Machine) -> None:
    machine.write(DROP_IN, EMULATED)
    machine.write("/root/station.toml", STATION)
    service = Service(machine)
    service.camera(CAMERA)
    machine.run("sorter setup --station /root/station.toml", 1200)
    service.await_ready()
    service.let_go_on()
