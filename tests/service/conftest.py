"""A real OpenSSH server on loopback, whose accounts are stations: one key each, forced to `sorter receive`."""

from __future__ import annotations

import os
import random
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from edge.bundle.archive import pack_bundle, read_bundle
from edge.bundle.signature import public_line, write_key_pair
from edge.store.models import ModelStore

STATION = """
name = "{name}"
kind = "bin"
state_folder = "state"
[camera]
type = "folder"
path = "."
[[actuators]]
name = "flap"
type = "digital"
pin = 17
[[bins]]
name = "paper"
labels = ["paper"]
actuator = "flap"
[[bins]]
name = "residual"
labels = ["glass", "metal"]
"""


@dataclass
class Device:
    """One station reachable over the server; `alias` is its name in the test's ssh configuration."""

    alias: str
    folder: Path
    store: ModelStore

    @property
    def station_file(self) -> Path:
        return self.folder / "station.toml"


@dataclass
class SshServer:
    """The server and the client's configuration for it."""

    port: int
    folder: Path
    maker: Ed25519PrivateKey
    devices: list[Device] = field(default_factory=list)

    @property
    def ssh_config(self) -> Path:
        return self.folder / "ssh_config"

    def add_device(self, alias: str, options: str = "restrict", extra: str = "") -> Device:
        """A station of its own, with a key that can do nothing but receive."""
        folder = self.folder / alias
        (folder / "keys").mkdir(parents=True)
        (folder / "station.toml").write_text(extra + STATION.format(name=alias))
        (folder / "keys" / "maker.pub").write_text(public_line(self.maker.public_key()) + " maker\n")
        key = write_key_pair(folder / "login", alias)
        command = f"{sys.executable} -m edge receive --station {folder / 'station.toml'}"
        with (self.folder / "authorized_keys").open("a") as file:
            file.write(f'command="{command}",{options} {public_line(key)}\n')
        with self.ssh_config.open("a") as file:
            file.write(f"Host {alias}\n  IdentityFile {folder / 'login'}\n")
        device = Device(alias, folder, ModelStore(folder / "state" / "models"))
        self.devices.append(device)
        return device


@pytest.fixture(scope="session")
def sshd() -> str:
    """Path of the server's program."""
    program = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    assert program is not None, "these tests need a real OpenSSH server: apt-get install openssh-server"
    return program


@pytest.fixture(scope="module")
def server(sshd: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SshServer]:
    folder = tmp_path_factory.mktemp("ssh")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    host_key = write_key_pair(folder / "host_key", "host")
    (folder / "known_hosts").write_text(f"[127.0.0.1]:{port} {public_line(host_key)}\n")
    (folder / "authorized_keys").touch()
    (folder / "sshd_config").write_text(
        f"ListenAddress 127.0.0.1:{port}\nHostKey {folder / 'host_key'}\nPidFile none\nUsePAM no\nStrictModes no\n"
        f"AuthorizedKeysFile {folder / 'authorized_keys'}\nPasswordAuthentication no\n"
        "KbdInteractiveAuthentication no\nPermitRootLogin prohibit-password\nMaxStartups 300\nPermitUserEnvironment no\n"
    )
    (folder / "ssh_config").write_text(
        f"UserKnownHostsFile {folder / 'known_hosts'}\nIdentitiesOnly yes\nIdentityAgent none\nStrictHostKeyChecking yes\n"
        f"Host dev-* lab-*\n  HostName 127.0.0.1\n  Port {port}\n"
    )
    if os.getuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)  # its privilege separation asks for it
    process = subprocess.Popen(
        [sshd, "-D", "-e", "-f", str(folder / "sshd_config")], stderr=subprocess.PIPE, text=True, bufsize=1
    )
    assert process.stderr is not None
    said = []
    for line in process.stderr:
        said.append(line)
        if "Server listening" in line:
            break
    else:
        pytest.fail("sshd did not start: " + "".join(said))
    # What it says later must not fill the pipe.
    subprocess_log = (folder / "sshd.log").open("w")
    drain = subprocess.Popen(["cat"], stdin=process.stderr, stdout=subprocess_log)
    process.stderr.close()
    yield SshServer(port, folder, Ed25519PrivateKey.generate())
    process.terminate()
    process.wait()
    drain.wait()
    subprocess_log.close()


@pytest.fixture(scope="module")
def signed_bundle(server: SshServer, tiny_bundle: Callable[..., bytes]) -> Callable[..., Path]:
    """Write a signed bundle file; `pad` makes it larger by a report of as many bytes."""

    def write(version: str = "1.0", pad: int = 0, key: Ed25519PrivateKey | None = None, **changes: object) -> Path:
        bundle = read_bundle(tiny_bundle(version=version, **changes), version)
        members = {name: content for name, content in bundle.members.items() if name != "manifest.json"}
        if pad:
            members["report.html"] = random.Random(version).randbytes(pad)
        path = server.folder / f"tiny-{version}-{len(list(server.folder.glob('*.sorter')))}.sorter"
        path.write_bytes(pack_bundle(bundle.manifest, members, key or server.maker))
        return path

    return write
