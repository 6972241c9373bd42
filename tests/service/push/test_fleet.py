"""A hundred devices: accounts of one SSH server in this process, each with a store of its own."""

from __future__ import annotations

import asyncio
import os
import resource
from collections.abc import Callable
from contextlib import closing
from io import FileIO
from pathlib import Path
from time import perf_counter

import asyncssh
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from support.stations import BIN, station_in

from converter.fleet.inventory import parse_host
from converter.fleet.push import HostResult, PushOptions, State, push_to_all
from edge.bundle.archive import read_bundle
from edge.bundle.signature import write_key_pair
from edge.clock import SystemClock
from edge.models.install import Device
from edge.models.store import ModelStore
from edge.models.trust import Trust
from edge.models.verify import verify_store
from edge.tools.receive.session import Place, serve

DEVICES = 100


class Fleet:
    """Device accounts by user name; whoever logs in talks to that device's receiver."""

    def __init__(self, folder: Path, trusted: Ed25519PrivateKey) -> None:
        self._folder = folder
        self._station = station_in(folder, BIN, state_folder="state")
        self._trust = Trust((trusted.public_key(),))

    def store(self, name: str) -> ModelStore:
        return ModelStore(self._folder / name)

    def device(self, name: str) -> Device:
        return Device(self.store(name), self._station, self._trust, SystemClock())

    async def handle(self, process: asyncssh.SSHServerProcess[bytes]) -> None:
        """Run the receiver of the account over a pair of pipes, as sshd does with a process."""
        name = process.get_extra_info("username")
        to_receiver, from_client = os.pipe()
        to_client, from_receiver = os.pipe()
        await process.redirect(stdin=from_client, stdout=to_client)
        place = Place(self.store(name).folder, SystemClock(), lambda: self.device(name))

        def receive() -> int:
            with FileIO(to_receiver, "rb") as reader, FileIO(from_receiver, "wb") as writer:
                return serve(reader, writer, place)

        code = await asyncio.to_thread(receive)
        await process.stdout.drain()
        process.exit(code)


class _Server(asyncssh.SSHServer):
    def begin_auth(self, username: str) -> bool:
        return False  # who may log in is the matter of other tests


async def push_to_fleet(fleet: Fleet, folder: Path, content: bytes, digest: str) -> list[HostResult]:
    host_key = write_key_pair(folder / "host_key", "host")
    assert host_key is not None
    server = await asyncssh.listen(
        "127.0.0.1", 0, server_host_keys=[str(folder / "host_key")], server_factory=_Server,
        process_factory=fleet.handle, encoding=None, backlog=DEVICES,
    )  # fmt: skip
    with closing(server):
        port = server.get_port()
        (folder / "known_hosts").write_text(f"[127.0.0.1]:{port} {(folder / 'host_key.pub').read_text()}")
        (folder / "ssh_config").write_text(f"UserKnownHostsFile {folder / 'known_hosts'}\nIdentityAgent none\n")
        hosts = [parse_host(f"device-{number}@127.0.0.1:{port}") for number in range(DEVICES)]
        options = PushOptions(ssh_config=folder / "ssh_config", attempts=1, at_once=16)
        return await push_to_all(content, digest, [hosts], options, lambda result: None)


def test_a_hundred_devices(
    tmp_path: Path, tiny_bundle: Callable[..., bytes], record_property: Callable[..., None]
) -> None:
    maker = Ed25519PrivateKey.generate()
    content = tiny_bundle(key=maker)
    fleet, digest = Fleet(tmp_path, maker), read_bundle(content, "x").digest
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started = perf_counter()
    results = asyncio.run(push_to_fleet(fleet, tmp_path, content, digest))
    seconds = perf_counter() - started
    grown_mb = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    record_property("seconds", round(seconds, 1))
    record_property("grown_mb", round(grown_mb))
    print(f"{DEVICES} devices in {seconds:.1f} s, {grown_mb:.0f} MB more, both ends in one process")  # noqa: T201
    assert grown_mb < 400
    assert {result.error for result in results} == {""}
    assert [result.state for result in results] == [State.DONE] * DEVICES
    for number in range(DEVICES):
        store = fleet.store(f"device-{number}")
        generation = store.active()
        assert generation is not None
        assert generation.current == digest
        assert verify_store(store) == []
