"""SSH as the user has set it up: configuration, agent, known hosts, jump hosts; every failure with what mends it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncssh

from converter.inventory import Host
from edge.errors import TransferError

CONNECT_S = 20
_KEEPALIVE_S = 10


class _StrictClient(asyncssh.SSHClient):
    """Remembers the key of a host that is not trusted, for the error message."""

    def __init__(self) -> None:
        self.offered: tuple[str, int, asyncssh.SSHKey] | None = None

    def validate_host_public_key(self, host: str, addr: str, port: int, key: asyncssh.SSHKey) -> bool:
        self.offered = host, port, key
        return False


@asynccontextmanager
async def connect(host: Host, ssh_config: Path | None = None) -> AsyncIterator[asyncssh.SSHClientConnection]:
    """Connect to a device.

    Raises:
        TransferError: with the reason and, where there is one, the command that mends it.
    """
    client = _StrictClient()
    options = _options(host, ssh_config)
    config: Any = () if ssh_config is None else [str(ssh_config)]  # jump hosts look their own entries up in it
    try:
        connection = await asyncssh.connect(host.address, config=config, options=options, client_factory=lambda: client)
    except (asyncssh.Error, OSError, TimeoutError) as error:
        raise TransferError(f"{host.text}: {_explain(host, error, client, options)}") from None
    try:
        yield connection
    finally:
        connection.abort()


def _options(host: Host, ssh_config: Path | None) -> asyncssh.SSHClientConnectionOptions:
    arguments: dict[str, Any] = {"connect_timeout": CONNECT_S, "login_timeout": CONNECT_S}
    if host.user is not None:
        arguments["username"] = host.user
    if host.port is not None:
        arguments["port"] = host.port
    if ssh_config is not None:
        if not ssh_config.is_file():
            raise TransferError(f"{ssh_config}: no such ssh configuration")
        arguments["config"] = [str(ssh_config)]
    try:
        options = asyncssh.SSHClientConnectionOptions(
            host=host.address, keepalive_interval=_KEEPALIVE_S, compression_algs=None, **arguments
        )
    except (asyncssh.ConfigParseError, asyncssh.KeyImportError, ValueError, OSError) as error:
        raise TransferError(f"{host.text}: the ssh configuration can't be used: {error}") from None
    if options.known_hosts is None:
        raise TransferError(
            f"{host.text}: the ssh configuration switches the check of host keys off (UserKnownHostsFile none): "
            "remove that line; a model is only sent to a device that is known"
        )
    return options


def _explain(host: Host, error: Exception, client: _StrictClient, options: asyncssh.SSHClientConnectionOptions) -> str:
    if isinstance(error, asyncssh.HostKeyNotVerifiable) and client.offered is not None:
        return _explain_host_key(client.offered, options)
    if isinstance(error, asyncssh.HostKeyNotVerifiable):
        return f"a host on the way there is not known ({error.reason}): log in once with 'ssh {host.text}'"
    if isinstance(error, asyncssh.PermissionDenied):
        return (
            f"the device refused every key for user {options.username!r}: add yours with 'ssh-copy-id {host.text}', "
            "or as a forced command in its authorized_keys"
        )
    if isinstance(error, TimeoutError):
        return f"no answer within {CONNECT_S} s: is it on, and is the address right?"
    reason = getattr(error, "reason", None) or getattr(error, "strerror", None) or str(error) or type(error).__name__
    return f"can't connect ({reason}): try 'ssh {host.text}'"


def _explain_host_key(offered: tuple[str, int, asyncssh.SSHKey], options: asyncssh.SSHClientConnectionOptions) -> str:
    name, port, key = offered
    files = options.known_hosts if isinstance(options.known_hosts, list) else []
    file = str(files[0]) if files else "~/.ssh/known_hosts"
    where = name if port == 22 else f"[{name}]:{port}"
    shown = f"{key.get_algorithm()} {key.get_fingerprint()}"
    compare = "compare the fingerprint on the device: ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub"
    existing = [Path(file).expanduser() for file in (files or [file]) if Path(file).expanduser().is_file()]
    if existing and asyncssh.match_known_hosts([str(path) for path in existing], name, "", port)[0]:
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
        try:
            event = json.loads(line)
        except ValueError:
            event = None
        if not isinstance(event, dict) or "event" not in event:
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
async def converse(host: Host, command: str, ssh_config: Path | None) -> AsyncIterator[Conversation]:
    """Connect and start the device's end."""
    async with connect(host, ssh_config) as connection:
        try:
            process = await connection.create_process(command, encoding=None)
        except (asyncssh.Error, OSError) as error:
            raise LostError(f"{host.text}: the connection was lost ({error})") from None
        yield Conversation(host, process)
