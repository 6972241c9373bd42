"""What `sorter check` asks of the machine that it runs on: the camera, the pins, the page's port, the state folder.

What `sorter run` would refuse is an error. Two things are warnings instead: what only a Raspberry Pi can have, where
this machine is none (a station file is often written on a workstation), and what depends on who runs it, or on a
service that is running now.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from edge.config import Station
from edge.errors import ConfigError
from edge.system.mounts import in_memory, memory_under
from edge.tools.check.check_camera import camera_problems
from edge.tools.check.page_certificate import certificate_problems
from edge.tools.check.problems import Problem, error_on_a_pi, this_machine

LEAST_FREE_MB = 100


def machine_problems(station: Station, root: Path = Path("/")) -> Iterator[Problem]:
    """Compare a station with this machine; nothing is moved or kept. `root` is where its /dev and /proc are looked for."""
    yield from camera_problems(station, root)
    if station.camera.is_live and station.pin_users():
        yield from gpio_problems(root)
    if station.page.enabled:
        yield from page_problems(station)
    if not station.camera.is_simulated:
        yield from state_problems(station.state_folder, root)


def gpio_problems(root: Path = Path("/")) -> Iterator[Problem]:
    """No chip of pins, or none that this user may drive."""
    chips = sorted((root / "dev").glob("gpiochip*"))
    if not chips:
        yield Problem(
            error_on_a_pi(root),
            "gpio",
            f"{this_machine(root)} has no /dev/gpiochip*, so `sorter run` could drive no pin: "
            "the station's pins need a Raspberry Pi",
        )
    elif not any(os.access(chip, os.R_OK | os.W_OK) for chip in chips):
        text = f"you may not use {chips[0].name}: sudo usermod -aG gpio $USER, then log in again (the service may)"
        yield Problem("warning", "gpio", text)


def page_problems(station: Station) -> Iterator[Problem]:
    """An address that the page can't listen on, or a certificate that it can't be served with, or soon no more."""
    from edge.web.serving.server import listen

    page = station.page
    yield from certificate_problems(station)
    try:
        listen(page.host, page.port).close()
    except ConfigError as error:
        in_use = "another program uses it" in str(error)
        maybe = " (if it is the sorter service that runs now, all is well)" if in_use else ""
        yield Problem("warning" if in_use else "error", "page", f"{error}{maybe}")


def state_problems(folder: Path, root: Path = Path("/")) -> Iterator[Problem]:
    """A state folder that can't be made or written, that is full, or that is gone when the power goes."""
    there = next(parent for parent in (folder, *folder.parents) if parent.exists())
    where = "state_folder"
    if not there.is_dir():
        yield Problem("error", where, f"{folder}: {there} is a file; expected a folder: choose another state_folder")
        return
    if not os.access(there, os.W_OK | os.X_OK):
        yield Problem(
            "warning", where, f"{there} can't be written by you; the service's user is given it by `sudo sorter setup`"
        )
    free_mb = shutil.disk_usage(there).free / 2**20
    if free_mb < LEAST_FREE_MB:
        text = f"{free_mb:.0f} MB free for {folder}: what does not fit is not kept: sorter model prune, or remove other files"
        yield Problem("warning", where, text)
    if memory := memory_under(folder, root):
        yield Problem("warning", where, in_memory(folder, memory))
