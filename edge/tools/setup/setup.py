"""What `sorter setup` does to a machine, as a list of tasks; nothing here changes anything by itself."""

from __future__ import annotations

import os
import platform
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from edge.config import Station
from edge.errors import SetupError
from edge.system.privileges import ANYBODY, first_unreadable
from edge.tools.setup.shipped import shipped_folder
from edge.tools.setup.tasks import Command, LetRead, Link, RemoveFile, Task, WriteFile

PLACEHOLDER = "/opt/edge-sorter"
UNITS = ("sorter.service", "sorter-maintenance.service", "sorter-maintenance.timer")
ENABLED = ("sorter.service", "sorter-maintenance.timer")
STATION = "etc/sorter/station.toml"
STATE_FOLDER = Path("/var/lib/sorter")
# What the service can't see: see ProtectHome= and PrivateTmp= in sorter.service.
HIDDEN_FROM_SERVICE = ("/home", "/root", "/run/user", "/tmp", "/var/tmp")
# Bookworm's picamera2, from apt, is built against NumPy 1: beside NumPy 2 there is no camera.
BOOKWORM_PYTHON = (3, 11)
WITH_NUMPY_1 = "'numpy<2' 'opencv-python-headless<4.12'"
OLDEST_SYSTEMD = 252  # Debian 12
EXAMPLE = Path(__file__).resolve().parents[2] / "stations" / "new.toml"

# name in systemd/ -> place on the machine, what it is for
COMPANIONS = {
    "sysusers.conf": ("etc/sysusers.d/sorter.conf", "describe the user `sorter` in the groups gpio and video"),
    "tmpfiles.conf": ("etc/tmpfiles.d/sorter.conf", "describe the folders /etc/sorter and /var/lib/sorter"),
    "sorter.rules": ("etc/udev/rules.d/99-sorter.rules", "let the groups gpio and video use pins, PWM and cameras"),
    "watchdog.conf": (
        "etc/systemd/system.conf.d/50-sorter-watchdog.conf",
        "switch the Pi's hardware watchdog on: it restarts a Pi that hangs",
    ),
    "journald.conf": ("etc/systemd/journald.conf.d/50-sorter.conf", "bound the system's log to 64 MB"),
}


@dataclass(frozen=True)
class Target:
    """The machine that is set up; a `root` other than / is a folder that holds a system which is not running."""

    root: Path = Path("/")
    venv: Path = Path(PLACEHOLDER)
    environment: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))

    @property
    def is_live(self) -> bool:
        return self.root == Path("/")

    def path(self, name: str) -> Path:
        return self.root / name

    def offline(self, command: Sequence[str]) -> Sequence[str]:
        """Return the command such that it works on the folder when the system in it is not running."""
        return command if self.is_live else [command[0], f"--root={self.root}", *command[1:]]


def check_target(target: Target, user_id: int, systemd_version: str, machine: str = "") -> None:
    """Refuse what can't work, before anything is changed.

    Raises:
        SetupError: one line for each reason.
    """
    problems = []
    if target.is_live and user_id != 0:
        problems.append(
            "setting up changes the system and needs root: sudo sorter setup (--dry-run shows what it does)"
        )
    if target.is_live and not target.path("run/systemd/system").is_dir():
        problems.append("this system was not started by systemd; expected Raspberry Pi OS, or Debian, 64-bit")
    found = re.search(r"systemd (\d+)", systemd_version)
    if found is None or int(found[1]) < OLDEST_SYSTEMD:
        problems.append(
            f"systemd {found[1] if found else 'is missing'}; expected {OLDEST_SYSTEMD} or newer (Raspberry Pi OS Bookworm)"
        )
    if target.is_live and (machine or platform.machine()) not in ("aarch64", "x86_64"):
        problems.append(f"a {machine or platform.machine()} system; expected 64-bit Raspberry Pi OS (aarch64)")
    if target.is_live and is_hidden(target.venv):
        beside = f" {WITH_NUMPY_1}" if sys.version_info[:2] == BOOKWORM_PYTHON else ""
        problems.append(
            f"this sorter lives in {target.venv}, where the service may not look; install it into {PLACEHOLDER}:\n"
            f"    sudo python3 -m venv --system-site-packages {PLACEHOLDER}\n"
            f"    sudo {PLACEHOLDER}/bin/pip install 'edge_sorter-VERSION-py3-none-any.whl[edge]'{beside}\n"
            f"    sudo {PLACEHOLDER}/bin/sorter setup"
        )
    elif target.is_live and (closed := first_unreadable(target.venv / "bin/sorter", ANYBODY)) is not None:
        problems.append(f"the service's user can't read {closed}: sudo chmod -R a+rX {target.venv}")
    if problems:
        raise SetupError("\n  ".join(["this machine can't be set up:", *problems]))


def is_hidden(path: Path) -> bool:
    """Say whether the service may not look there."""
    return any(path.is_relative_to(hidden) for hidden in HIDDEN_FROM_SERVICE)


def check_station(station: Station) -> None:
    """Refuse a station file that is right by itself and can't work as a service.

    Raises:
        SetupError: one line for each reason.
    """
    problems = []
    if not station.state_folder.is_relative_to(STATE_FOLDER):
        problems.append(
            f"state_folder is {station.state_folder}; the service may write {STATE_FOLDER} only: remove that line"
        )
    if station.inference.bundle is not None and is_hidden(station.inference.bundle):
        problems.append(
            f"inference.bundle is {station.inference.bundle}, where the service may not look: remove that line and "
            "run `sorter model install` with the bundle"
        )
    if problems:
        raise SetupError("\n  ".join(["this station file can't be used by the service:", *problems]))


def plan_setup(target: Target, station: str | None, start: bool = True) -> list[Task]:
    """Return the tasks that install, enable and start the service; `station` is the text of a station file."""
    shipped = shipped_folder()
    tasks: list[Task] = []
    for name, (place, purpose) in COMPANIONS.items():
        tasks.append(WriteFile(target.path(place), (shipped / name).read_text(), purpose))
    for name in UNITS:
        unit = (shipped / name).read_text().replace(PLACEHOLDER, str(target.venv))
        tasks.append(WriteFile(target.path(f"etc/systemd/system/{name}"), unit, f"install the unit {name}"))
    tasks += [
        Command(target.offline(["systemd-sysusers"]), "create the user and the groups"),
        Command(target.offline(["systemd-tmpfiles", "--create", "sorter.conf"]), "create the folders"),
        _station_file(target, station),
        LetRead(target.path(STATION), "let the service read the station file"),
        Link(target.path("usr/local/bin/sorter"), target.venv / "bin/sorter", "make `sorter` a command for everyone"),
    ]
    person = target.environment.get("SUDO_USER", "root")
    if target.is_live and person != "root":
        tasks.append(Command(["gpasswd", "--add", person, "sorter"], f"let {person} read the journal and push models"))
    if target.is_live:
        tasks += _make_effective()
    tasks.append(
        Command(target.offline(["systemctl", "enable", *ENABLED]), "start the service and its upkeep at every boot")
    )
    if target.is_live and start:
        tasks += [
            Command(["systemctl", "restart", "sorter-maintenance.timer"], "start the timer of the upkeep"),
            Command(["systemctl", "restart", "--no-block", "sorter.service"], "start sorting with this version"),
        ]
    if target.is_live:  # never in an image: all its stations would have one key
        make_key = [f"{target.venv}/bin/python", "-I", "-m", "edge", "key", "station"]
        tasks.append(Command(make_key, "make the station's own key, which signs what it is taught, unless it has one"))
    return tasks


def plan_removal(target: Target) -> list[Task]:
    """Return the tasks that take the service away; settings, journal, models and the user stay."""
    tasks: list[Task] = []
    units = [name for name in UNITS if target.path(f"etc/systemd/system/{name}").exists()]
    if units:
        now = ["--now"] if target.is_live else []
        tasks.append(
            Command(target.offline(["systemctl", "disable", *now, *units]), "stop the service and make the pins safe")
        )
    tasks += [RemoveFile(target.path(f"etc/systemd/system/{name}"), f"remove the unit {name}") for name in UNITS]
    tasks += [RemoveFile(target.path(place), f"no longer {purpose}") for place, purpose in COMPANIONS.values()]
    tasks.append(RemoveFile(target.path("usr/local/bin/sorter"), "remove the command `sorter`"))
    if target.is_live:
        tasks += _make_effective()
    return tasks


def receive_command(target: Target) -> str:
    """The forced command for models over SSH.

    Isolated (-I): the account's home is the state folder, from which Python would read `usercustomize.py`, and the
    session runs outside the service's sandbox.
    """
    return f"{target.venv}/bin/python -I -m edge receive"


def hints(target: Target, station: str | None) -> list[str]:
    """Return what a person had better change by hand on this machine."""
    found = []
    if station is not None and target.path(STATION).read_text("utf-8-sig") != station:
        found.append(f"/{STATION} was there already and differs from yours; it was kept: compare and copy by hand")
    if target.is_live and not target.path("dev/watchdog").exists():
        found.append("no hardware watchdog: put dtparam=watchdog=on into /boot/firmware/config.txt and restart")
    controllers = target.path("sys/fs/cgroup/cgroup.controllers")
    if target.is_live and controllers.exists() and "memory" not in controllers.read_text().split():
        found.append(
            "memory limits have no effect: add cgroup_enable=memory to the line in /boot/firmware/cmdline.txt and restart"
        )
    found += _open_doors(target)
    venv_settings = target.venv / "pyvenv.cfg"
    if venv_settings.exists() and not re.search(
        r"include-system-site-packages\s*=\s*true", venv_settings.read_text(), re.IGNORECASE
    ):
        found.append(
            f"{target.venv} does not see the system's Python packages, so no picamera2: "
            f"python3 -m venv --system-site-packages --upgrade {target.venv}"
        )
    return found


def _open_doors(target: Target) -> list[str]:
    ssh = target.path("etc/ssh")
    files = (ssh / "sshd_config", *sorted(ssh.glob("sshd_config*/*.conf")), target.path("etc/sorter/authorized_keys"))
    return [
        f"{file}: `sorter receive` reads Python files from the service's own folder, which a broken-in service may have "
        f"put there: {receive_command(target)}"
        for file in files
        if file.is_file() and any(map(_is_open_door, file.read_text("utf-8", "replace").splitlines()))
    ]


def _is_open_door(line: str) -> bool:
    """Tell whether a line starts the device's end of a push by a Python that is not isolated."""
    command = re.match(r"[^#]*\b(?:sorter|edge) receive\b", line)
    return command is not None and re.search(r"\s-[A-Za-z]*I[A-Za-z]*\s", command[0]) is None


def _station_file(target: Target, station: str | None) -> Task:
    place = target.path(STATION)
    if station is not None:
        return WriteFile(place, station, "put your station file in place, unless there is one", keep=True)
    return WriteFile(place, EXAMPLE.read_text(), "write a station file to begin with, unless there is one", keep=True)


def _make_effective() -> list[Task]:
    return [
        Command(["udevadm", "control", "--reload"], "tell udev"),
        Command(["udevadm", "trigger", "--action=change"], "give the devices that are there to their groups"),
        Command(["systemctl", "daemon-reexec"], "tell systemd, and its watchdog"),
        Command(["systemctl", "restart", "systemd-journald.service"], "tell the system's log"),
    ]
