"""Which devices: names on the command line, or groups in an inventory file.

    [groups.hall-1]
    hosts = ["line-1", "pi@line-2.local", "10.0.0.7:2222"]

    [groups.all]
    groups = ["hall-1", "hall-2"]

Everything else of a host (user, port, key, jump host) belongs in the user's own ssh configuration.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from edge.config import explain_problems
from edge.errors import ConfigError
from edge.system.text import NotTextError
from edge.system.toml import load_toml

_HOST = re.compile(
    r"^(?:(?P<user>[^@\s:\[\]-][^@\s:\[\]]*)@)?(?:\[(?P<v6>[0-9a-fA-F:.]+(?:%[\w.-]+)?)\]|(?P<name>[^\s:@\[\]-][^\s:@\[\]]*))(?::(?P<port>\d{1,5}))?$"
)


@dataclass(frozen=True)
class Host:
    """One device; user and port are None where the ssh configuration decides."""

    text: str
    address: str
    user: str | None = None
    port: int | None = None

    @property
    def ssh_words(self) -> tuple[str, ...]:
        """How OpenSSH's programs want to be told of it: a port is an option there, not a part of the name."""
        port = () if self.port is None else ("-p", str(self.port))
        return *port, self.address if self.user is None else f"{self.user}@{self.address}"

    @property
    def for_ssh(self) -> str:
        """The words as they are typed after `ssh` or `ssh-copy-id`."""
        return " ".join(self.ssh_words)


class _Group(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")
    hosts: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()


class Inventory(BaseModel):
    """An inventory file."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    groups: dict[str, _Group]


def load_inventory(path: Path) -> Inventory:
    """Read an inventory file.

    Raises:
        ConfigError: it is missing, no TOML, or has an unknown key.
    """
    try:
        table = load_toml(path)
    except OSError as error:
        raise ConfigError(f"{path}: can't read the inventory ({error.strerror})") from None
    except NotTextError as error:
        raise ConfigError(f"{path}: {error}") from None
    try:
        return Inventory.model_validate(table)
    except ValidationError as error:
        lines = explain_problems(error, Inventory, table)
        raise ConfigError("\n  ".join([f"{path}: expected [groups.NAME] with hosts and groups:", *lines])) from None


def resolve_hosts(targets: Sequence[str], inventory: Inventory | None) -> list[Host]:
    """Hosts as they are, `@group` as the group's hosts; each host once, in the order of first mention.

    Raises:
        ConfigError: a host can't be read, or a group is unknown or contains itself.
    """
    texts = [text for target in targets for text in _expand(target, inventory, ())]
    return [parse_host(text) for text in dict.fromkeys(texts)]


def parse_host(text: str) -> Host:
    """`[user@]host[:port]`, an IPv6 address in brackets."""
    match = _HOST.match(text)
    port = int(match["port"]) if match and match["port"] else None
    if match is None or (port is not None and not 0 < port < 65536):
        raise ConfigError(f"{text!r} is no host: expected [user@]name[:port], or @group with --inventory")
    return Host(text, match["v6"] or match["name"], match["user"], port)


def _expand(target: str, inventory: Inventory | None, above: tuple[str, ...]) -> list[str]:
    if not target.startswith("@"):
        return [target]
    name = target[1:]
    groups = {} if inventory is None else inventory.groups
    if name in above:
        raise ConfigError(f"group {name!r} contains itself: {' > '.join((*above, name))}")
    if name not in groups:
        close = difflib.get_close_matches(name, groups, n=1)
        known = f"did you mean {close[0]!r}?" if close else f"known groups: {', '.join(groups) or 'none'}"
        raise ConfigError(f"unknown group {name!r}; {known}" + ("; give --inventory FILE" if inventory is None else ""))
    group = groups[name]
    found = list(group.hosts)
    for child in group.groups:
        found += _expand(f"@{child}", inventory, (*above, name))
    return found
