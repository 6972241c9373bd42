"""A machine on which the product is set up as a service by the documented commands, with a model that was pushed to it.

Its station is a small simulated belt (see support/drawn_place.py): what the kernel and systemd make of the service is
shown here; the pins are another part's business.
"""

from __future__ import annotations

import random
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from support.drawn_photos import write_photo
from support.drawn_place import HERE, draw_thing
from support.paths import ROOT
from support.pi.debian import built
from support.pi.machine import Machine, Saved
from support.pi.machines import booted, saved
from support.pi.service.activities import AtWork, until
from support.stations import BELT, station_text
from support.taught import headed_bundle

from edge.bundle.archive import MODEL, pack_bundle
from edge.bundle.signature import load_private_key, write_key_pair

STATION = station_text(
    BELT,
    name="line-1",
    state_folder="/var/lib/sorter",
    # A camera and a belt that an emulated processor keeps up with.
    camera={"frames_per_s": 2},
    belt={"speed_mm_per_s": 60},
    simulation={"photos": "photos", "items_per_min": 20},
    safety={"stall_ms": 60000},
    inference={"max_crops": 1},
    receive={"allow_downgrade": True},
    page={"enabled": True, "host": "127.0.0.1", "port": 8080},
    actuators=[
        {"name": f"flap-{label}", "type": "digital", "pin": pin} for label, pin in (("paper", 17), ("metal", 27))
    ],
    bins=[
        {"name": "paper", "labels": ["paper"], "actuator": "flap-paper", "distance_mm": 400},
        {"name": "metal", "labels": ["metal"], "actuator": "flap-metal", "distance_mm": 600},
        {"name": "residual", "labels": ["glass"]},
    ],
)
VERSIONS = ("2.0", "2.1", "2.2", "2.3", "2.4")
PAD = 2 << 20  # bytes of a report in each model: what is sent and written takes its time
PLACE = "/etc/sorter"
UNTIL_READY = "systemctl is-active --quiet sorter"
READY_S = 400.0
ENOUGH = 5
# Debian's own scripts write these, and have not run in the machine.
PAM = "account required pam_unix.so\nauth required pam_deny.so\nsession required pam_permit.so\n"
PAGE = ROOT / "docs" / "fleet.md"


@dataclass(frozen=True, slots=True)
class Workstation:
    """The folder of whoever looks after the station: a signing key, a key for SSH, signed models.

    Args:
        folder: with `signing-key`, `login`, `tiny-VERSION.sorter`, `photos/`, `station.toml`.
    """

    folder: Path

    def model(self, version: str) -> Path:
        return self.folder / f"tiny-{version}.sorter"


def workstation(tiny_bundle: Callable[..., bytes]) -> Workstation:
    """Made once."""

    def make(folder: Path) -> None:
        write_key_pair(folder / "signing-key", "anna")
        key = load_private_key(folder / "signing-key")
        write_key_pair(folder / "login", "anna")
        for version in VERSIONS:
            (folder / f"tiny-{version}.sorter").write_bytes(_model(tiny_bundle, version, key))
        for label, colour in HERE.items():
            for seed in range(4):
                write_photo(folder / "photos" / label / f"{seed}.png", draw_thing(colour, seed))
        (folder / "station.toml").write_text(STATION)

    return Workstation(built("workstation", f"{STATION} {VERSIONS} {PAD}", make))


def _model(tiny_bundle: Callable[..., bytes], version: str, key: Ed25519PrivateKey) -> bytes:
    bundle = headed_bundle(tiny_bundle, version=version)
    members = {name: content for name, content in bundle.members.items() if name != "manifest.json"}
    assert MODEL in members
    return pack_bundle(bundle.manifest, members | {"report.html": random.Random(version).randbytes(PAD)}, key)


def serving(place: Workstation) -> Saved:
    """The machine as it sorts, with the first model at work, so many items after it was set up."""
    recipe = f"{place.folder.name} {STATION} {PAM} {documented()}"
    return saved("serving", recipe, booted(), lambda machine: _prepare(machine, place))


def _prepare(machine: Machine, place: Workstation) -> None:
    machine.run(f"mkdir -p {PLACE}")
    machine.put(place.folder / "photos", f"{PLACE}/photos")
    machine.put(place.folder / "station.toml", f"{PLACE}/mine.toml")
    machine.run(f"/opt/edge-sorter/bin/sorter setup --station {PLACE}/mine.toml > /root/setup.txt 2>&1", 300)
    machine.until("the service is ready", UNTIL_READY, READY_S)
    receive_models(machine, place)
    with reached(machine, place) as station:
        station.push(place.model(VERSIONS[0]), True)
        until(lambda: len(station.items()) >= ENOUGH, "items are stored", READY_S)


def documented() -> tuple[list[str], str]:
    """What the page on many devices has root do on each: the commands, and the file for sshd."""
    part = PAGE.read_text().partition("## Once, on every device")[2]
    commands = re.search(r"```console\n(.*?)```", part, re.DOTALL)
    settings = re.search(r"```text\n(.*?)```", part, re.DOTALL)
    assert commands is not None
    assert settings is not None
    return [line.removeprefix("$ ") for line in commands[1].splitlines()], settings[1]


def receive_models(machine: Machine, place: Workstation) -> None:
    """Let the machine receive models, as the page says."""
    commands, settings = documented()
    # Raspberry Pi OS starts the server by its service; a Debian that has no presets starts both, and they are in each other's way.
    machine.run("systemctl mask --now ssh.socket; systemctl restart ssh")
    for name in ("sshd", "other"):
        machine.write(f"/etc/pam.d/{name}", PAM)
    machine.run("sed -i 's/^UsePAM no/UsePAM yes/' /etc/ssh/sshd_config.d/machine.conf")
    machine.put(place.folder / "signing-key.pub", "signing-key.pub")
    own = " ".join((place.folder / "login.pub").read_text().split()[:2])
    for command in commands:
        machine.run(command.replace("ssh-ed25519 AAAA...", own))
    machine.write("/etc/ssh/sshd_config.d/sorter.conf", settings)
    machine.run("systemctl reload ssh")


def ssh_config(machine: Machine, place: Workstation) -> Path:
    """The workstation's own ssh configuration, in which the station is called `line-1`."""
    host_key = machine.run("cat /etc/ssh/ssh_host_ed25519_key.pub")
    known = machine.folder / "known_hosts"
    known.write_text(f"[127.0.0.1]:{machine.port} {host_key}")
    config = machine.folder / "ssh_config"
    config.write_text(
        f"Host line-1\n  HostName 127.0.0.1\n  Port {machine.port}\n  IdentityFile {place.folder / 'login'}\n"
        f"  IdentitiesOnly yes\n  UserKnownHostsFile {known}\n"
    )
    return config


@contextmanager
def reached(machine: Machine, place: Workstation) -> Iterator[AtWork]:
    """The station in the machine, as the workstation reaches it."""
    config = ssh_config(machine, place)

    def push(model: Path, active: bool) -> str:
        return sorter(
            "push", model, "sorter@line-1", "--ssh-config", config, "--activate" if active else "--no-activate"
        )

    def command(*words: str) -> str:
        return machine.run(f"sorter {' '.join(words)}", 120)

    token = machine.run("cat /var/lib/sorter/page-token").strip()
    with machine.forwarded(8080) as port:
        headers = {"Authorization": f"Bearer {token}"}
        # Nothing is kept open: the station ends connections that are silent for as long as a slow machine takes.
        few = httpx.Limits(max_keepalive_connections=0)
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", headers=headers, timeout=60, limits=few) as page:
            yield AtWork(page, push, command)


def sorter(*words: object) -> str:
    """Run a command of the product's on this machine, as a person at a workstation does."""
    done = subprocess.run(
        [sys.executable, "-m", "edge", *map(str, words)], capture_output=True, text=True, timeout=300, cwd=ROOT
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
