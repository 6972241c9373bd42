"""What the user's ssh configuration says of a host, as OpenSSH itself reads it.

`ssh -G` prints it with every Host, Match and Include already applied, so nothing here can read it differently: a host that
`ssh NAME` reaches, a push reaches as well.
"""

from __future__ import annotations

import asyncio
import os
import pwd
import re
import shlex
import socket
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncssh

from converter.fleet.inventory import Host
from edge.errors import ConfigError, SetupError, TransferError

CONNECT_S = 20
_KEEPALIVE_S = 10
# The options of an algorithm's kind: in asyncssh, and what asyncssh knows of them.
_ALGORITHMS = {
    "kexalgorithms": "kex_algs",
    "ciphers": "encryption_algs",
    "macs": "mac_algs",
    "hostkeyalgorithms": "server_host_key_algs",
    "pubkeyacceptedalgorithms": "signature_algs",
}
_FAMILIES = {"inet": socket.AF_INET, "inet6": socket.AF_INET6}
Settings = dict[str, list[str]]


@dataclass(frozen=True)
class Target:
    """Where a host is and how to get in.

    Attributes:
        known_hosts: the files that the configuration names, whether they are there or not.
        locked: keys that can't be used because they have a passphrase and nobody is asked for it.
        broken: keys that can't be read, each with the reason.
        jumps: hosts on the way, the first one first.
    """

    host: Host
    address: str
    port: int
    user: str
    known_hosts: tuple[Path, ...]
    options: dict[str, Any] = field(default_factory=dict)
    locked: tuple[Path, ...] = ()
    broken: tuple[str, ...] = ()
    jumps: tuple[str, ...] = ()


async def read_target(host: Host, config: Path | None) -> Target:
    """Ask OpenSSH how it would connect to a host; `config` takes the place of the user's own configuration.

    Raises:
        SetupError: there is no OpenSSH on this machine.
        TransferError: the configuration can't be used, or would accept any host.
    """
    words = [*_words(config), *host.ssh_words]
    settings, usual = await _settings(words, host), await _settings(["-F", os.devnull, "any"], host)
    if settings["userknownhostsfile"] == usual["userknownhostsfile"]:
        settings["userknownhostsfile"] = ["~/.ssh/known_hosts ~/.ssh/known_hosts2"]  # below HOME, as the keys are
    spelled = _Spelling(settings, host)
    files = tuple(Path(path) for name in ("userknownhostsfile", "globalknownhostsfile") for path in spelled.paths(name))
    # The system's own list may well be left out; without the user's, any host would do.
    if {"none", os.devnull} & set(spelled.paths("userknownhostsfile")):
        raise TransferError(
            f"{host.text}: the ssh configuration switches the check of host keys off (UserKnownHostsFile none): "
            "remove that line; a model is only sent to a device that is known"
        )
    keys = _load_keys([Path(path) for path in spelled.each("identityfile")])
    jumps = settings.get("proxyjump", ["none"])[0]
    return Target(
        host=host,
        address=settings["hostname"][0],
        port=int(settings["port"][0]),
        user=settings["user"][0],
        known_hosts=files,
        options={
            **_key_options(keys, spelled, settings),
            **_way_options(spelled, settings),
            **{
                option: _known(option, settings[name][0])
                for name, option in _ALGORITHMS.items()
                if name in settings and settings[name] != usual.get(name)
            },
        },
        locked=tuple(keys.locked),
        broken=tuple(keys.broken),
        jumps=() if jumps == "none" else tuple(jumps.split(",")),
    )


def _words(config: Path | None) -> list[str]:
    if config is not None:
        if not config.is_file():
            raise TransferError(f"{config}: no such ssh configuration")
        return ["-F", str(config)]
    # OpenSSH takes the home folder of the account, whatever HOME says.
    own = Path.home() / ".ssh" / "config"
    if Path.home() != Path(pwd.getpwuid(os.getuid()).pw_dir) and own.is_file():
        return ["-F", str(own)]
    return []


async def _settings(words: Sequence[str], host: Host) -> Settings:
    try:
        process = await asyncio.create_subprocess_exec(
            "ssh", "-G", *words, stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
    except FileNotFoundError:
        raise SetupError("`ssh` is not on this machine: sudo apt-get install openssh-client") from None
    out, said = await process.communicate()
    if process.returncode:
        lines = said.decode(errors="replace").strip().splitlines() or [f"ssh -G ended with {process.returncode}"]
        reason = "; ".join(line for line in lines if "terminating" not in line)
        raise TransferError(f"{host.text}: ssh can't use its configuration ({reason}): correct that line")
    settings: Settings = defaultdict(list)
    for line in out.decode(errors="surrogateescape").splitlines():
        name, _, value = line.partition(" ")
        settings[name].append(value)
    return settings


class _Spelling:
    """The values of a host with `~`, `${NAME}` and the tokens of ssh_config(5) put in."""

    def __init__(self, settings: Settings, host: Host) -> None:
        self._settings = settings
        account = pwd.getpwuid(os.getuid())
        self._tokens = {
            "%": "%", "d": str(Path.home()), "h": settings["hostname"][0], "i": str(os.getuid()),
            "L": os.uname().nodename.split(".")[0], "l": os.uname().nodename, "n": host.address,
            "p": settings["port"][0], "r": settings["user"][0], "u": account.pw_name,
            "k": settings.get("hostkeyalias", [host.address])[0],
        }  # fmt: skip

    def each(self, name: str) -> list[str]:
        return [self.text(value) for value in self._settings.get(name, ()) if value != "none"]

    def paths(self, name: str) -> list[str]:
        return [self.text(word) for value in self._settings.get(name, ()) for word in value.split()]

    def text(self, value: str) -> str:
        value = re.sub(r"%(.)", lambda found: self._tokens.get(found[1], found[0]), value)
        value = re.sub(r"\$\{(\w+)\}", lambda found: os.environ.get(found[1], found[0]), value)
        return os.path.expanduser(value)  # noqa: PTH111  (a Path would lose what is no path)


@dataclass
class _Keys:
    pairs: list[asyncssh.SSHKeyPair] = field(default_factory=list)
    public: list[str] = field(default_factory=list)
    locked: list[Path] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)


def _load_keys(paths: Sequence[Path]) -> _Keys:
    """Load the keys that are there; as for ssh, one that is missing or can't be used keeps no other from being tried."""
    keys = _Keys()
    for path in paths:
        public = path if path.suffix == ".pub" else path.with_name(f"{path.name}.pub")
        if public.is_file():
            keys.public.append(str(public))
        if not path.is_file() or path == public:
            continue
        try:
            keys.pairs += asyncssh.load_keypairs(str(path))
        except (asyncssh.KeyImportError, asyncssh.KeyEncryptionError, ValueError, OSError) as error:
            if "passphrase" in str(error).lower():
                keys.locked.append(path)
            else:
                keys.broken.append(f"{path}: {getattr(error, 'strerror', None) or error}")
    return keys


def _key_options(keys: _Keys, spelled: _Spelling, settings: Settings) -> dict[str, Any]:
    options: dict[str, Any] = {"client_keys": keys.pairs}
    agent = settings.get("identityagent", ["SSH_AUTH_SOCK"])[0]
    if agent != "SSH_AUTH_SOCK":
        options["agent_path"] = None if agent == "none" else spelled.text(agent)
    if settings.get("identitiesonly") == ["yes"]:
        options["agent_identities"] = keys.public or None
        if not keys.public:
            options["agent_path"] = None
    if certificates := [path for path in spelled.each("certificatefile") if Path(path).is_file()]:
        options["client_certs"] = certificates
    return options


def _way_options(spelled: _Spelling, settings: Settings) -> dict[str, Any]:
    options: dict[str, Any] = {
        "connect_timeout": CONNECT_S,
        "login_timeout": CONNECT_S,
        "keepalive_interval": _KEEPALIVE_S,
        "compression_algs": None,
    }
    if command := spelled.each("proxycommand"):
        options["proxy_command"] = ["/bin/sh", "-c", f"exec {command[0]}"]
    if alias := settings.get("hostkeyalias"):
        options["host_key_alias"] = alias[0]
    if family := _FAMILIES.get(settings["addressfamily"][0]):
        options["family"] = family
    return options


def _known(option: str, names: str) -> list[str]:
    """Return those of the names that asyncssh knows: it refuses all of them for one that it does not."""
    known: list[str] = []
    for name in names.split(","):
        try:
            asyncssh.SSHClientConnectionOptions(config=None, **{option: [name]})
        except ValueError:
            continue
        known.append(name)
    if not known:
        raise ConfigError(f"{option}: none of {names} can be used here: allow a newer algorithm for this host")
    return known


def quoted(path: Path) -> str:
    """Return a path as it is typed into a shell."""
    return shlex.quote(str(path))
