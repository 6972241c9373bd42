"""A taught head over a real OpenSSH server: only what a device lacks is sent."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import typer
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from support.sshd import Device, SshServer
from support.taught import headed_bundle, taught_bundle
from typer.testing import CliRunner

from converter.fleet.inventory import parse_host
from converter.fleet.push import HostResult, PushOptions, State, push_to_all
from converter.push_command import command
from edge.bundle.archive import Bundle, bundle_bytes
from edge.models.verify import verify_store

NUMBERS = count(1)


@pytest.fixture
def device(server: SshServer) -> Iterator[Device]:
    device = server.add_device(f"dev-taught-{next(NUMBERS)}")
    yield device
    assert verify_store(device.store) == []


@pytest.fixture
def base(server: SshServer, tiny_bundle: Callable[..., bytes]) -> Bundle:
    return headed_bundle(tiny_bundle, server.maker, golden=60)


def push(server: SshServer, bundle: Bundle, device: Device, **options: Any) -> HostResult:
    chosen = PushOptions(ssh_config=server.ssh_config, attempts=1, **options)
    stages = [[parse_host(device.alias)]]
    (result,) = asyncio.run(push_to_all(bundle_bytes(bundle), bundle.digest, stages, chosen, lambda result: None))
    return result


def test_where_the_base_is_a_head_comes_alone(server: SshServer, device: Device, base: Bundle) -> None:
    taught = taught_bundle(base, ("paper", "glass", "metal", "cup"), key=server.maker)
    assert push(server, base, device).sent == base.size
    result = push(server, taught, device, pieces=True)
    assert (result.state, result.active, result.error) == (State.DONE, True, "")
    assert 0 < result.sent < taught.size / 5
    assert device.store.open(device.store.active().current).members == taught.members  # type: ignore[union-attr]


def test_where_the_base_is_not_all_of_it_comes(server: SshServer, device: Device, base: Bundle) -> None:
    taught = taught_bundle(base, key=server.maker)
    result = push(server, taught, device, pieces=True)
    assert (result.state, result.active, result.sent) == (State.DONE, True, taught.size)


def test_a_workstation_that_knows_of_no_pieces_sends_all(server: SshServer, device: Device, base: Bundle) -> None:
    push(server, base, device)
    taught = taught_bundle(base, key=server.maker)
    result = push(server, taught, device, pieces=False)
    assert (result.state, result.sent) == (State.DONE, taught.size)


def test_a_head_whose_signer_is_not_trusted_there_is_refused_as_ever(
    server: SshServer, device: Device, base: Bundle
) -> None:
    push(server, base, device)
    sisters = taught_bundle(base, key=Ed25519PrivateKey.generate())
    result = push(server, sisters, device, pieces=True)
    assert result.state is State.FAILED
    assert "have an engineer sign it" in result.error
    assert device.store.active().current == base.digest  # type: ignore[union-attr]


def test_the_command_sends_a_taught_file_by_its_name_in_pieces(server: SshServer, device: Device, base: Bundle) -> None:
    push(server, base, device)
    taught = taught_bundle(base, key=server.maker)
    path: Path = server.folder / f"{taught.manifest.title}.sorter"
    path.write_bytes(bundle_bytes(taught))
    app = typer.Typer()
    app.command()(command)
    done = CliRunner().invoke(app, [str(path), device.alias, "--ssh-config", str(server.ssh_config), "--attempts", "1"])
    assert done.exit_code == 0, done.output
    assert f"of {taught.size / 1000:.0f} kB" in done.output
    assert "tiny-2.0+line-1.1" in done.output
