"""SSH as the user has set it up: configuration, agent, known hosts, jump hosts; every failure with what fixes it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import asyncssh

from converter.fleet.inventory import Host, parse_host
from converter.fleet.ssh_config import CONNECT_S, Target, quoted, read_target
from edge.errors import ConfigError, TransferError
from edge.tools.receive.requests import parse_json

# The other side is there and says no: trying again changes nothing.
_FINAL = (
    asyncssh.PermissionDenied,
    asyncssh.HostKeyNotVerifiable,
    asyncssh.KeyExchangeFailed,
    asyncssh.ProtocolNotSupported,
    asyncssh.IllegalUserName,
)


Way = tuple[str, ...]  # jump hosts, the first one first


class _StrictClient(asyncssh.SSHClient):
    """Remembers the key of a host that is not trusted, for the error message."""

    def __init__(self) -> None:
        self.offered: tuple[str, int, asyncssh.SSHKey] | None = None

    def validate_host_public_key(self, host: str, addr: str, port: int, key: asyncssh.SSHKey) -> bool:
        self.offered = host, port, key
        return False


class Ways:
    """The ways to the hosts of one run: connections of their own to devices, one for all to each jump host.

    One connection for all: a server lets in no more than ten at a time that have not logged in yet (MaxStartups).
    """

    def __init__(self, config: Path | None = None) -> None:
        self._config = config
        self._jumps: dict[Way, asyncssh.SSHClientConnection] = {}
        self._locks: dict[Way, asyncio.Lock] = {}
        self._open = AsyncExitStack()

    async def __aenter__(self) -> Ways:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._open.aclose()

    @asynccontextmanager
    async def connect(self, host: Host) -> AsyncIterator[asyncssh.SSHClientConnection]:
        """Connect to a device.

        Raises:
            LostError: nobody answered; it may be there a moment later.
            TransferError: with the reason and, where there is one, the command that fixes it.
        """
        connection = await self._connect(await read_target(host, self._config), ())
        try:
            yield connection
        finally:
            connection.abort()

    async def _connect(self, target: Target, behind: tuple[Way, ...]) -> asyncssh.SSHClientConnection:
        tunnel = await self._jump(target.jumps, behind) if target.jumps else None
        client = _StrictClient()
        try:
            return await asyncssh.connect(
                target.address,
                target.port,
                config=None,
                tunnel=tunnel,
                client_factory=lambda: client,
                username=target.user,
                known_hosts=_trusted(target.known_hosts),
                **target.options,
            )
        except (asyncssh.Error, OSError, TimeoutError, ValueError) as error:
            final = isinstance(error, (*_FINAL, ValueError))
            raise (TransferError if final else LostError)(
                f"{target.host.text}: {_explain(target, error, client)}"
            ) from None

    async def _jump(self, jumps: Way, behind: tuple[Way, ...]) -> asyncssh.SSHClientConnection:
        """Return the connection to the last of some jump hosts, which all who go that way share."""
        if jumps in behind:
            raise ConfigError(f"{jumps[-1]}: the way there goes over itself (ProxyJump): correct the ssh configuration")
        async with self._locks.setdefault(jumps, asyncio.Lock()):
            connection = self._jumps.get(jumps)
            if connection is None or connection.is_closed():
                target = await read_target(parse_host(jumps[-1].removeprefix("ssh://")), self._config)
                way = replace(target, jumps=jumps[:-1] or target.jumps)
                connection = self._jumps[jumps] = await self._connect(way, (*behind, jumps))
                self._open.callback(connection.abort)
        return connection


def _trusted(files: Sequence[Path]) -> asyncssh.SSHKnownHosts:
    """Return what the files say that are there; a line that can't be read is nobody's key, as for ssh."""
    lines = [line for path in files if path.is_file() for line in path.read_text(errors="replace").splitlines()]
    try:
        return asyncssh.import_known_hosts("\n".join(lines))
    except ValueError:
        return asyncssh.import_known_hosts("\n".join(filter(_is_readable, lines)))


def _is_readable(line: str) -> bool:
    try:
        asyncssh.import_known_hosts(line)
    except ValueError:
        return False
    return True


def _explain(target: Target, error: Exception, client: _StrictClient) -> str:
    if isinstance(error, asyncssh.HostKeyNotVerifiable):
        if client.offered is not None:
            return _explain_host_key(client.offered, target)
        return f"its host key is refused ({error.reason}): log in once with 'ssh {target.host.for_ssh}'"
    if isinstance(error, asyncssh.PermissionDenied):
        return _explain_refusal(target)
    if isinstance(error, TimeoutError):
        return f"no answer within {CONNECT_S} s: is it on, and is the address right?"
    reason = getattr(error, "reason", None) or getattr(error, "strerror", None) or str(error) or type(error).__name__
    return f"can't connect ({reason}): try 'ssh {target.host.for_ssh}'"


def _explain_refusal(target: Target) -> str:
    broken = f" (not usable: {'; '.join(target.broken)})" if target.broken else ""
    if target.locked:
        names = " ".join(map(quoted, target.locked))
        return (
            f"no key that could be used is known there for user {target.user!r}{broken}, and {names} has a passphrase, "
            f"which is asked for by nobody here: put it into the agent first, with 'eval $(ssh-agent); ssh-add {names}'"
        )
    return (
        f"the device refused every key for user {target.user!r}{broken}: add yours with "
        f"'ssh-copy-id {target.host.for_ssh}', or as a forced command in its authorized_keys"
    )


def _explain_host_key(offered: tuple[str, int, asyncssh.SSHKey], target: Target) -> str:
    name, port, key = offered
    file = quoted(target.known_hosts[0] if target.known_hosts else Path("~/.ssh/known_hosts").expanduser())
    where = name if port == 22 else f"[{name}]:{port}"
    shown = f"{key.get_algorithm()} {key.get_fingerprint()}"
    compare = "compare the fingerprint on the device: ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub"
    if asyncssh.match_known_hosts(_trusted(target.known_hosts), name, "", port)[0]:
        return (
            f"its host key has changed (now {shown}): it was installed anew, or somebody is in between; {compare}; "
            f"if it is right: ssh-keygen -f {file} -R '{where}' && ssh-keyscan -p {port} {name} >> {file}"
        )
    return f"unknown host ({shown}); {compare}; then: ssh-keyscan -p {port} {name} >> {file}"


class Conversation:
    """JSON lines and raw bytes with `sorter receive` on the other side."""

    def __init__(self, host: Host, process: asyncssh.SSHClientProcess[bytes]) -> None:
        self._host = host
        self._process = process

    def ask(self, **request: object) -> None:
        """Send the request line."""
        self._process.stdin.write(json.dumps(request).encode() + b"\n")

    async def send(self, chunk: bytes) -> bool:
        """Send bytes; False when the other side takes no more (it will have said why)."""
        try:
            self._process.stdin.write(chunk)
            await self._process.stdin.drain()
        except (OSError, asyncssh.Error):
            return False
        return True

    async def hear(self) -> dict[str, Any]:
        """The next event.

        Raises:
            TransferError: the other side reports an error, ends, or is no `sorter receive`.
        """
        try:
            line = await self._process.stdout.readline()
        except (asyncssh.Error, OSError) as error:
            raise TransferError(f"{self._host.text}: the connection was lost ({error}): push again") from None
        if not line.endswith(b"\n"):
            raise await self._ended()
        event = parse_json(line)
        if not isinstance(event, dict) or not isinstance(event.get("event"), str):
            raise TransferError(
                f"{self._host.text}: expected an answer of `sorter receive`, got {line[:80]!r}: "
                "is the account's shell silent, and the same edge-sorter installed?"
            )
        if event["event"] == "error":
            raise DeviceError(f"{self._host.text}: {event.get('message')}", str(event.get("kind")))
        return event

    async def read_exactly(self, size: int) -> bytes:
        """Raw bytes.

        Raises:
            TransferError: the connection ended before.
        """
        try:
            return await self._process.stdout.readexactly(size)
        except (asyncio.IncompleteReadError, asyncssh.Error, OSError):
            raise TransferError(f"{self._host.text}: the connection was lost: run it again, it goes on there") from None

    async def _ended(self) -> TransferError:
        try:
            said = (await self._process.stderr.read(2000)).decode(errors="replace").strip().splitlines()
            await self._process.wait_closed()
        except (asyncssh.Error, OSError):
            said = []
        status = self._process.exit_status
        if status in (126, 127):
            return TransferError(
                f"{self._host.text}: `sorter` is not on the account's PATH there: install edge-sorter, or give its path "
                "with --remote-command"
            )
        if status is None or status < 0 or status > 128:  # lost, or the other end was killed by a signal
            return LostError(f"{self._host.text}: the connection was lost: push again, it goes on where it stopped")
        last = f": {said[-1]}" if said else ""
        return TransferError(f"{self._host.text}: the device's end stopped with exit code {status}{last}")


class DeviceError(TransferError):
    """The device itself refused; trying again changes nothing. `kind` is the class of its own error."""

    def __init__(self, message: str, kind: str) -> None:
        super().__init__(message)
        self.kind = kind


class LostError(TransferError):
    """The connection was lost; trying again goes on where it stopped."""


@asynccontextmanager
async def converse(host: Host, command: str, ways: Ways) -> AsyncIterator[Conversation]:
    """Connect and start the device's end."""
    async with ways.connect(host) as connection:
        try:
            process = await connection.create_process(command, encoding=None)
        except (asyncssh.Error, OSError) as error:
            raise LostError(f"{host.text}: the connection was lost ({error})") from None
        yield Conversation(host, process)
