"""What of this machine is ready to sort, and for all that is not, the command that fixes it."""

from __future__ import annotations

import grp
import importlib.util
import os
import platform
import re
import shlex
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from edge.clock import NS_PER_S, SystemClock
from edge.config import Station
from edge.errors import SorterError
from edge.system.mounts import in_memory, memory_under
from edge.system.privileges import unreadable_by_service
from edge.tools.check.findings import Ask, Finding, ask
from edge.tools.check.own_key import own_key_finding
from edge.tools.check.page_certificate import certificate_findings
from edge.tools.setup.setup import BOOKWORM_PYTHON, WITH_NUMPY_1

if TYPE_CHECKING:
    from edge.interfaces import Clock

OLDEST_PYTHON = (3, 11)
LEAST_FREE_MB = 500
# What shows the cameras of a type that there are.
LISTING = {"picamera2": "rpicam-hello --list-cameras"}
# Later than this beside the uptime and the machine was suspended: camera stamps may then be on another clock.
LARGEST_SUSPENSION_S = 1.0


@dataclass
class Doctor:
    """Looks at one machine; `root` and `ask` are replaced in tests."""

    station_path: Path | None = None
    station: Station | None = None
    clock: Clock = SystemClock()  # noqa: RUF009 - it has no state
    root: Path = Path("/")
    ask: Ask = ask
    problem: str = ""  # what is wrong with the station file, where it is not a station

    def examine(self) -> Iterator[Finding]:
        """Yield the findings one after the other, each as soon as it is known.

        What imports NumPy is imported only after a child process has shown that this works.
        """
        yield self.python()
        if self.station_path is not None:
            yield self.files(self.station_path)
        yield self.groups()
        yield from self.disk()
        if self.station is not None:
            yield own_key_finding(self.station)
            yield from certificate_findings(self.station)
        libraries = self.libraries()
        yield libraries
        if libraries.status == "fail":
            return
        yield self.runtime()
        yield self.camera()
        yield self.gpio()
        yield from self.pwm()
        yield from time_findings(self.clock, self.root)
        yield self.realtime()
        yield self.heat()
        if self.station is not None:
            yield from drift_findings(self.station.state_folder)

    # -- software ----------------------------------------------------------------------------------------------

    def python(self) -> Finding:
        text = f"Python {platform.python_version()} on {platform.machine()}"
        if sys.version_info < OLDEST_PYTHON:
            return Finding("python", "fail", text, "install Raspberry Pi OS Bookworm or later: it has Python 3.11")
        if sys.maxsize < 2**32:
            return Finding("python", "fail", f"{text}, 32 bits", "install the 64-bit Raspberry Pi OS")
        return Finding("python", "ok", text)

    def libraries(self) -> Finding:
        answer = self.ask("libraries")
        if answer.error:
            fix = _pip_install("--force-reinstall numpy opencv-python-headless")
            fix += "; then `sorter doctor` again for the rest"
            return Finding("numpy, opencv", "fail", answer.error, fix)
        return Finding("numpy, opencv", "ok", f"NumPy {answer.values['numpy']}, OpenCV {answer.values['opencv']}")

    def runtime(self) -> Finding:
        from edge.inference.classifier import open_shipped_bundle
        from edge.models.select import open_station_bundle

        try:
            bundle = open_shipped_bundle() if self.station is None else open_station_bundle(self.station)
        except SorterError as error:
            return Finding("model", "fail", str(error), _pip_install("--force-reinstall --no-deps edge-sorter"))
        answer = self.ask("runtime", bundle.source)
        if "SIGILL" in answer.error:
            install = _pip_install("'edge-sorter[tflite-runtime]'")
            fix = f'{install}, and set inference.runtime = "tflite-runtime"'
            return Finding("model", "fail", f"the runtime was built for a newer processor ({answer.error})", fix)
        if answer.error:
            return Finding("model", "fail", answer.error, _pip_install("'edge-sorter[edge]'"))
        values = answer.values
        golden = "golden photos and vectors" if values["photos"] else "golden vectors"
        text = f"{values['title']} on {values['runtime']}: {values['milliseconds']:.1f} ms, {golden} match"
        return Finding("model", "ok", text)

    # -- devices -----------------------------------------------------------------------------------------------

    def camera(self) -> Finding:
        if self.station is None or self.station_path is None:
            return self._cameras_at_hand()
        if self.station.camera.is_simulated:
            return Finding("camera", "ok", "simulated")
        answer = self.ask("camera", str(self.station_path))
        if answer.error:
            fix = LISTING.get(self.station.camera.type, "v4l2-ctl --list-devices")
            if "another program" in answer.error:
                fix = "sudo systemctl stop sorter"
            return Finding("camera", "fail", answer.error, fix)
        text = f"{answer.values['identity']}, frames are {answer.values['age_ms']:.0f} ms old when they are seen"
        if not answer.values["times_itself"]:
            return Finding("camera", "warn", f"{text}; it does not time its frames itself", "sorter calibrate camera")
        return Finding("camera", "ok", text)

    def _cameras_at_hand(self) -> Finding:
        nodes = sorted(path.name for path in (self.root / "dev/v4l/by-id").glob("*"))
        if importlib.util.find_spec("picamera2") is not None:
            nodes.append("picamera2 is installed")
        if nodes:
            return Finding("camera", "ok", f"{', '.join(nodes)}; give --station to try it")
        return Finding("camera", "warn", "no USB camera, and no picamera2", "sudo apt install python3-picamera2")

    def gpio(self) -> Finding:
        if self.station is not None and self.station.camera.is_simulated:
            return Finding("gpio", "ok", "simulated")
        answer = self.ask("gpio")
        if not answer.error:
            return Finding("gpio", "ok", f"{answer.values['board']}, gpiochip{answer.values['chip']}")
        if "no Raspberry Pi" in answer.error or not list((self.root / "dev").glob("gpiochip*")):
            return Finding("gpio", "warn", answer.error, "on a Pi: sudo apt install python3-lgpio")
        return Finding("gpio", "fail", answer.error, _gpio_cure(answer.error))

    def pwm(self) -> Iterator[Finding]:
        from edge.devices.gpio.sysfs_pwm import find_pwm_unit

        station = self.station
        if station is None or station.camera.is_simulated:
            return
        pins = [a.pwm_pin for a in station.actuators if a.pwm_pin is not None]
        if not pins:
            return
        try:
            unit = find_pwm_unit(pins[0], self.root / "sys/class/pwm")
            yield Finding("hardware pwm", "ok", unit.name)
        except SorterError as error:
            yield Finding("hardware pwm", "fail", str(error), "sudo nano /boot/firmware/config.txt && sudo reboot")

    def groups(self) -> Finding:
        names = {grp.getgrgid(number).gr_name for number in {*os.getgroups(), os.getegid()} if _has_name(number)}
        missing = [name for name in ("gpio", "video") if name not in names]
        if os.geteuid() == 0 or not missing:
            return Finding("groups", "ok", "root" if os.geteuid() == 0 else "gpio, video")
        return Finding(
            "groups",
            "warn",
            f"you are not in {' and '.join(missing)}; the service has its own user",
            f"sudo usermod -aG {','.join(missing)} $USER, then log in again",
        )

    def files(self, station: Path) -> Finding:
        """Whether the service can read what it starts from; where there is no service, whether you can."""
        reader, closed = unreadable_by_service(station, None if self.station is None else self.station.inference.bundle)
        if closed:
            there = " ".join(shlex.quote(str(path)) for path in closed)
            return Finding("files", "fail", f"{reader.name} can't read {there}", f"sudo chmod a+rX {there}")
        if self.problem:
            return Finding("files", "fail", self.problem, f"sorter check --station {shlex.quote(str(station))}")
        return Finding("files", "ok", f"{reader.name} can read {station}")

    def disk(self) -> Iterator[Finding]:
        folder = Path("/var/lib/sorter") if self.station is None else self.station.state_folder
        there = next(parent for parent in (folder, *folder.parents) if parent.exists())
        if memory := memory_under(folder, self.root):
            fix = "sudo raspi-config (Performance Options, Overlay File System: off)"
            yield Finding("disk", "warn", in_memory(folder, memory), fix)
            return
        if not os.access(there, os.W_OK):
            yield Finding("disk", "warn", f"{there} can't be written by you", f"sudo chown -R $USER {folder}")
            return
        free_mb = shutil.disk_usage(there).free / 2**20
        if free_mb < LEAST_FREE_MB:
            text = f"{free_mb:.0f} MB free for {folder}; expected {LEAST_FREE_MB}"
            yield Finding("disk", "warn", text, "sorter model prune; sudo journalctl --vacuum-size=50M")
            return
        yield Finding("disk", "ok", f"{free_mb / 1024:.1f} GB free for {folder}")

    # -- load --------------------------------------------------------------------------------------------------

    def realtime(self) -> Finding:
        answer = self.ask("realtime")
        if answer.error:
            text = "SCHED_FIFO is not allowed to you: strokes wake up to some ms late under load"
            return Finding("priority", "warn", text, "sudo sorter setup (the service has it)")
        return Finding("priority", "ok", f"SCHED_FIFO {answer.values['priority']}")

    def heat(self) -> Finding:
        from edge.health.monitors.machine import HOT_C, Machine

        state = Machine(self.clock, self.root).look()
        if state.temperature_c is None:
            return Finding("heat", "ok", "this machine does not tell its temperature")
        text = f"{state.temperature_c:.0f} degrees Celsius"
        if state.under_voltage:
            return Finding("heat", "warn", f"{text}, under-voltage", "use the Pi's own supply and a short cable")
        if state.throttled or state.temperature_c >= HOT_C:
            return Finding("heat", "warn", f"{text}, {'throttled' if state.throttled else 'hot'}", "fit a fan")
        return Finding("heat", "ok", text)


def drift_findings(state_folder: Path) -> Iterator[Finding]:
    """Say what a running station noticed of light, lens and items, where it did."""
    from edge.health.faults import SPECS, FaultKind
    from edge.health.monitors.drift import read_told

    for told in read_told(state_folder):
        yield Finding("drift", "warn", told, SPECS[FaultKind.DRIFT].advice)


def time_findings(clock: Clock, root: Path) -> Iterator[Finding]:
    """Say whether camera stamps fit the clock, and whether the date can be relied on."""
    from edge.health.monitors.machine import RELEASED

    uptime = _first_number(root / "proc/uptime")
    apart = None if uptime is None else uptime - clock.now() / NS_PER_S
    if apart is not None and apart > LARGEST_SUSPENSION_S:
        text = f"the machine was suspended for {apart:.0f} s: camera stamps may not fit"
        yield Finding("monotonic clock", "warn", text, "sudo reboot")
    else:
        yield Finding("monotonic clock", "ok", "fits the uptime")
    synchronised = (root / "run/systemd/timesync/synchronized").exists()
    has_rtc = (root / "dev/rtc0").exists() or (root / "dev/rtc").exists()
    if clock.wall_time() < RELEASED:
        yield Finding("date", "warn", "not set", "sudo timedatectl set-ntp true, or fit a clock battery (RTC)")
    elif not synchronised and not has_rtc:
        text = "set, but neither synchronised nor kept by a clock chip; the journal's dates may jump"
        yield Finding("date", "warn", text, "sudo timedatectl set-ntp true")
    else:
        yield Finding("date", "ok", "synchronised" if synchronised else "kept by a clock chip")


def _pip_install(wanted: str) -> str:
    """Return the command that installs something into this Python's environment, with sudo where that is another's."""
    if sys.version_info[:2] == BOOKWORM_PYTHON and importlib.util.find_spec("picamera2") is not None:
        kept = [name for name in wanted.split() if name not in ("numpy", "opencv-python-headless")]
        wanted = " ".join([*kept, WITH_NUMPY_1])
    sudo = "" if os.access(sys.prefix, os.W_OK) else "sudo "
    return f"{sudo}{shlex.quote(sys.executable)} -m pip install {wanted}"


def _gpio_cure(error: str) -> str:
    """Return what helps against this error; of those that nobody knows, what is wrong most often."""
    if "LG_WD" in error:
        return "LG_WD=FOLDER sorter doctor, with a folder that you may write"
    if "not installed" in error:
        return "sudo apt install python3-lgpio"
    if "busy" in error:
        return "sudo systemctl stop sorter"
    if "usermod" in error:
        return "sudo usermod -aG gpio $USER, then log in again"
    return "sudo apt install python3-lgpio; sudo usermod -aG gpio $USER"


def _has_name(group: int) -> bool:
    try:
        grp.getgrgid(group)
    except KeyError:
        return False
    return True


def _first_number(path: Path) -> float | None:
    try:
        found = re.match(r"[\d.]+", path.read_text("ascii"))
    except OSError:
        return None
    return float(found[0]) if found else None
