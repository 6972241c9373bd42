"""A real OpenSSH server on loopback, whose accounts are stations: one key each, forced to `sorter receive`."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from support.stations import BIN, write_station

from edge.bundle.signature import public_line, write_key_pair
from edge.models.store import ModelStore

TINY_LABELS = ("paper", "glass", "metal")


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

    def add_device(self, alias: str, options: str = "restrict", labels: tuple[str, ...] = TINY_LABELS) -> Device:
        """A station of its own, with a key that can do nothing but receive."""
        folder = self.folder / alias
        (folder / "keys").mkdir(parents=True)
        first = {"name": labels[0], "labels": [labels[0]], "actuator": "flap"}
        rest = {"name": "residual", "labels": list(labels[1:])}
        write_station(folder, BIN, name=alias, state_folder="state", bins=[first, rest])
        (folder / "keys" / "maker.pub").write_text(public_line(self.maker.public_key()) + " maker\n")
        command = f"{sys.executable} -m edge receive --station {folder / 'station.toml'}"
        self._add_key(alias, f'command="{command}",{options} ')
        device = Device(alias, folder, ModelStore(folder / "state" / "models"))
        self.devices.append(device)
        return device

    def add_plain_account(self, alias: str) -> None:
        """A login without a forced command, for comparison with scp."""
        (self.folder / alias).mkdir()
        self._add_key(alias, "")

    def _add_key(self, alias: str, restriction: str) -> None:
        path = self.folder / alias / "login"
        key = write_key_pair(path, alias)
        with (self.folder / "authorized_keys").open("a") as file:
            file.write(f"{restriction}{public_line(key)}\n")
        with self.ssh_config.open("a") as file:
            file.write(f"Host {alias}\n  IdentityFile {path}\n")


@contextmanager
def running_sshd(folder: Path, max_startups: str = "300") -> Iterator[SshServer]:
    """Start a server whose every file lies in the folder; hosts named dev-* and lab-* lead to it."""
    program = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    if program is None:
        raise RuntimeError("a real OpenSSH server is needed: apt-get install openssh-server")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    _write_configuration(folder, port, max_startups)
    if os.getuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)  # its privilege separation asks for it
    log = folder / "sshd.log"
    process = subprocess.Popen([program, "-D", "-e", "-f", str(folder / "sshd_config")], stderr=subprocess.PIPE)
    try:
        _wait_until_listening(process, log)
        yield SshServer(port, folder, Ed25519PrivateKey.generate())
    finally:
        process.terminate()
        process.wait()


def _write_configuration(folder: Path, port: int, max_startups: str) -> None:
    host_key = write_key_pair(folder / "host_key", "host")
    (folder / "known_hosts").write_text(f"[127.0.0.1]:{port} {public_line(host_key)}\n")
    (folder / "authorized_keys").touch()
    (folder / "sshd_config").write_text(
        f"ListenAddress 127.0.0.1:{port}\nHostKey {folder / 'host_key'}\nPidFile none\nUsePAM no\nStrictModes no\n"
        f"AuthorizedKeysFile {folder / 'authorized_keys'}\nPasswordAuthentication no\nSubsystem sftp internal-sftp\n"
        "KbdInteractiveAuthentication no\nPermitRootLogin prohibit-password\n"
        f"MaxStartups {max_startups}\nLogLevel VERBOSE\n"
        # As the account of a station, that of the tests has no start-up file of a shell: it may take longer than a push.
        f"SetEnv HOME={folder}\n"
    )
    (folder / "ssh_config").write_text(
        f"UserKnownHostsFile {folder / 'known_hosts'}\nIdentitiesOnly yes\nIdentityAgent none\n"
        f"StrictHostKeyChecking yes\nHost dev-* lab-*\n  HostName 127.0.0.1\n  Port {port}\n"
    )


def _wait_until_listening(process: subprocess.Popen[bytes], log: Path) -> None:
    """Read what the server says until it listens; the rest goes to a file, so that it never fills the pipe."""
    assert process.stderr is not None
    said = b""
    while b"Server listening" not in said:
        line = process.stderr.readline()
        if not line:
            raise RuntimeError(f"sshd did not start: {said.decode()}")
        said += line
    with log.open("wb") as file:
        subprocess.Popen(["cat"], stdin=process.stderr, stdout=file)
    process.stderr.close()
