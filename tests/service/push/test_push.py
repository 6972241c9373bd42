"""`sorter push` against a real OpenSSH server, with everything that goes wrong between two machines."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import typer
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from support.sshd import Device, SshServer
from typer.testing import CliRunner

from converter.fleet.inventory import parse_host
from converter.fleet.push import HostResult, PushOptions, State, push_to_all, push_to_one
from converter.fleet.ssh import Ways, converse
from converter.push_command import command
from edge.bundle.archive import open_bundle
from edge.bundle.signature import write_key_pair
from edge.models.verify import verify_store

NUMBERS = count(1)
Bundles = Callable[..., Path]


@pytest.fixture
def device(server: SshServer) -> Iterator[Device]:
    device = server.add_device(f"dev-{next(NUMBERS)}")
    yield device
    assert verify_store(device.store) == []


def push(server: SshServer, bundle: Path, *devices: Device, **options: Any) -> list[HostResult]:
    opened = open_bundle(bundle)
    hosts = [parse_host(device.alias) for device in devices]
    chosen = PushOptions(ssh_config=server.ssh_config, attempts=1, **options)
    return asyncio.run(push_to_all(bundle.read_bytes(), opened.digest, [hosts], chosen, lambda result: None))


def run_command(server: SshServer, *arguments: object) -> Any:
    app = typer.Typer()
    app.command()(command)
    return CliRunner().invoke(app, [*map(str, arguments), "--ssh-config", str(server.ssh_config), "--attempts", "1"])


def test_a_model_arrives_is_proven_and_goes_to_work(server: SshServer, device: Device, signed_bundle: Bundles) -> None:
    bundle = signed_bundle()
    (result,) = push(server, bundle, device)
    assert (result.state, result.active, result.already, result.error) == (State.DONE, True, False, "")
    assert result.sent == bundle.stat().st_size
    assert result.proving_ms is not None
    generation = device.store.active()
    assert generation.current == open_bundle(bundle).digest
    assert generation.probation
    evidence = device.store.find(generation.current)
    assert evidence.signer.startswith("SHA256:")
    assert evidence.golden_steps == 0


def test_a_model_that_is_there_is_not_sent_again(server: SshServer, device: Device, signed_bundle: Bundles) -> None:
    bundle = signed_bundle()
    push(server, bundle, device)
    before = device.store.active()
    (result,) = push(server, bundle, device)
    assert (result.state, result.already, result.active, result.sent) == (State.DONE, True, True, 0)
    assert device.store.active() == before


def test_installing_without_activating(server: SshServer, device: Device, signed_bundle: Bundles) -> None:
    push(server, signed_bundle("1.0"), device)
    newer = signed_bundle("1.1")
    (result,) = push(server, newer, device, activate=False)
    assert (result.state, result.active) == (State.DONE, False)
    assert device.store.holds(open_bundle(newer).digest)
    assert device.store.active().current != open_bundle(newer).digest


async def send_a_part(server: SshServer, device: Device, bundle: Path, until: int) -> int:
    """Push, but drop the connection after the given byte; return the offset that the device asked for."""
    content = bundle.read_bytes()
    async with (
        Ways(server.ssh_config) as ways,
        converse(parse_host(device.alias), "sorter receive", ways) as talk,
    ):
        talk.ask(protocol=1, ask="push", digest=open_bundle(bundle).digest, size=len(content))
        event = await talk.hear()
        await talk.send(content[int(event["offset"]) : until])
    return int(event["offset"])


def test_cut_off_every_tenth_of_the_way_it_goes_on_where_it_stopped(
    server: SshServer, device: Device, signed_bundle: Bundles
) -> None:
    bundle = signed_bundle(pad=1_000_000)
    size = bundle.stat().st_size
    reached = 0
    for tenth in range(1, 10):
        offset = asyncio.run(send_a_part(server, device, bundle, size * tenth // 10))
        assert reached <= offset <= size * (tenth - 1) // 10
        reached = offset
    (result,) = push(server, bundle, device)
    assert (result.state, result.active) == (State.DONE, True)
    assert result.sent <= size - reached
    assert reached > 0
    assert list((device.store.folder / "incoming").glob("*.part")) == []


def test_a_lost_connection_is_taken_up_by_the_same_push(
    server: SshServer, device: Device, signed_bundle: Bundles
) -> None:
    bundle = signed_bundle(pad=2_000_000)

    async def go() -> HostResult:
        seen: list[HostResult] = []
        options = PushOptions(ssh_config=server.ssh_config, attempts=3)
        host = parse_host(device.alias)

        def progress(result: HostResult) -> None:
            seen.append(result)
            if result.sent > 500_000 and not killed:
                killed.append(kill_receiver(device))

        return await push_to_one(bundle.read_bytes(), open_bundle(bundle).digest, host, options, progress)

    killed: list[int] = []
    result = asyncio.run(go())
    assert len(killed) == 1
    assert (result.state, result.active, result.error) == (State.DONE, True, "")


def kill_receiver(device: Device) -> int:
    """SIGKILL the one process that receives for this device; return its number."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if b"edge" in words and str(device.station_file).encode() in words:
            subprocess.run(["kill", "-KILL", folder.name], check=True)
            return int(folder.name)
    raise AssertionError("no receiver is running")


def test_two_pushes_of_one_model_at_once(server: SshServer, device: Device, signed_bundle: Bundles) -> None:
    bundle = signed_bundle(pad=500_000)
    options = PushOptions(ssh_config=server.ssh_config, attempts=1)

    async def both() -> list[HostResult]:
        one = (bundle.read_bytes(), open_bundle(bundle).digest, parse_host(device.alias), options, lambda result: None)
        return list(await asyncio.gather(push_to_one(*one), push_to_one(*one)))

    results = asyncio.run(both())
    assert [result.state for result in results] == [State.DONE, State.DONE]
    assert sorted(result.already for result in results) == [False, True]


def allow(device: Device, wish: str) -> None:
    """Have the station file leave something to whoever may push."""
    with device.station_file.open("a") as file:
        file.write(f"[receive]\n{wish} = true\n")


def test_two_models_at_once_are_both_installed_and_one_is_active(
    server: SshServer, device: Device, signed_bundle: Bundles
) -> None:
    allow(device, "allow_downgrade")
    bundles = [signed_bundle("1.0", pad=200_000), signed_bundle("2.0", pad=200_000)]
    options = PushOptions(ssh_config=server.ssh_config, attempts=1, allow_downgrade=True)

    async def both() -> list[HostResult]:
        host = parse_host(device.alias)
        return list(
            await asyncio.gather(
                *(push_to_one(b.read_bytes(), open_bundle(b).digest, host, options, lambda r: None) for b in bundles)
            )
        )

    assert [result.state for result in asyncio.run(both())] == [State.DONE, State.DONE]
    digests = {open_bundle(bundle).digest for bundle in bundles}
    assert digests <= {model.digest for model in device.store.models()}
    assert device.store.active().current in digests


@pytest.mark.parametrize("byte", [100, -40])
def test_a_tampered_bundle_is_refused(server: SshServer, device: Device, signed_bundle: Bundles, byte: int) -> None:
    bundle = signed_bundle()
    content = bytearray(bundle.read_bytes())
    content[byte] ^= 1
    host, options = parse_host(device.alias), PushOptions(ssh_config=server.ssh_config, attempts=1)
    digest = open_bundle(bundle).digest
    result = asyncio.run(push_to_one(bytes(content), digest, host, options, lambda r: None))
    assert result.state is State.FAILED
    assert "damaged" in result.error or "not laid out" in result.error
    assert device.store.active() is None
    (fixed,) = push(server, bundle, device)
    assert fixed.state is State.DONE


def test_what_the_device_refuses_is_said_with_its_reason(
    server: SshServer, device: Device, signed_bundle: Bundles
) -> None:
    first = signed_bundle("2.0")
    push(server, first, device)
    stranger = Ed25519PrivateKey.generate()
    for bundle, said in (
        (signed_bundle("3.0", key=stranger), "trusted key"),
        (signed_bundle("1.9"), "or newer, got 1.9"),
    ):
        (result,) = push(server, bundle, device)
        assert result.state is State.FAILED
        assert said in result.error
        assert device.store.active().current == open_bundle(first).digest
    old = signed_bundle("1.9")
    (refused,) = push(server, old, device, allow_downgrade=True)
    assert "receive.allow_downgrade = true" in refused.error
    (refused,) = push(server, signed_bundle("3.0"), device, probation=False)
    assert "receive.allow_no_probation = true" in refused.error
    assert device.store.active().current == open_bundle(first).digest
    allow(device, "allow_downgrade")
    assert push(server, old, device, allow_downgrade=True)[0].state is State.DONE
    newest = signed_bundle("4.0")
    assert push(server, newest, device)[0].state is State.DONE
    (installed,) = push(server, old, device)
    assert "or newer, got 1.9" in installed.error
    assert device.store.active().current == open_bundle(newest).digest


def test_a_disk_that_is_full_in_the_middle(server: SshServer, device: Device, signed_bundle: Bundles) -> None:
    keys = server.folder / "authorized_keys"
    limited = keys.read_text().replace(
        'command="',
        'command="ulimit -f 200; ',
        -1,  # blocks of 512 or 1024 bytes: less than the bundle in any case
    )
    before = keys.read_text()
    keys.write_text(limited)
    bundle = signed_bundle(pad=1_000_000)
    (result,) = push(server, bundle, device)
    keys.write_text(before)
    assert result.state is State.FAILED
    assert "can't store the model" in result.error
    assert device.store.active() is None
    (fixed,) = push(server, bundle, device)
    assert fixed.state is State.DONE


# -- who may come in, and what for -----------------------------------------------------------------------------


def test_an_unknown_host_is_an_error_with_the_command_that_adds_it(
    server: SshServer, device: Device, signed_bundle: Bundles
) -> None:
    known = server.folder / "known_hosts"
    before = known.read_text()
    known.write_text("")
    (result,) = push(server, signed_bundle(), device)
    known.write_text(before)
    assert result.state is State.FAILED
    assert "unknown host" in result.error
    assert f"ssh-keyscan -p {server.port} 127.0.0.1 >> {known}" in result.error
    assert "SHA256:" in result.error
    assert device.store.active() is None


def test_a_changed_host_key_is_told_from_an_unknown_one(
    server: SshServer, device: Device, signed_bundle: Bundles
) -> None:
    known = server.folder / "known_hosts"
    before = known.read_text()
    other = write_key_pair(server.folder / f"other-{device.alias}", "x")
    assert other is not None
    known.write_text(before.split()[0] + " " + (server.folder / f"other-{device.alias}.pub").read_text())
    (result,) = push(server, signed_bundle(), device)
    known.write_text(before)
    assert "has changed" in result.error
    assert f"ssh-keygen -f {known} -R '[127.0.0.1]:{server.port}'" in result.error


def test_a_configuration_that_checks_no_host_keys_is_refused(
    server: SshServer, device: Device, signed_bundle: Bundles, tmp_path: Path
) -> None:
    careless = tmp_path / "ssh_config"
    careless.write_text("UserKnownHostsFile none\n" + server.ssh_config.read_text())
    opened = open_bundle(signed_bundle())
    options = PushOptions(ssh_config=careless, attempts=1)
    result = asyncio.run(push_to_one(b"", opened.digest, parse_host(device.alias), options, lambda r: None))
    assert result.state is State.FAILED
    assert "switches the check of host keys off" in result.error


def test_a_wrong_key_is_refused(server: SshServer, device: Device, signed_bundle: Bundles) -> None:
    for name in ("login", "login.pub"):
        (device.folder / name).unlink()
    write_key_pair(device.folder / "login", "stranger")
    (result,) = push(server, signed_bundle(), device)
    assert result.state is State.FAILED
    assert "refused every key" in result.error
    assert "ssh-copy-id" in result.error


def test_nobody_listens(server: SshServer, signed_bundle: Bundles) -> None:
    opened = open_bundle(signed_bundle())
    options = PushOptions(ssh_config=server.ssh_config, attempts=1)
    result = asyncio.run(push_to_one(b"", opened.digest, parse_host("127.0.0.1:1"), options, lambda r: None))
    assert result.state is State.FAILED
    assert "can't connect" in result.error


def ssh(server: SshServer, *arguments: str, program: str = "ssh", text: str = "") -> subprocess.CompletedProcess[str]:
    path = shutil.which(program)
    assert path is not None, "install Debian's openssh-client"
    return subprocess.run(
        [path, "-F", str(server.ssh_config), *arguments],
        input=text, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip


def test_the_forced_key_can_do_nothing_but_receive(server: SshServer, device: Device, tmp_path: Path) -> None:
    witness = tmp_path / "witness"
    answer = ssh(server, device.alias, f"touch {witness}", text="hello\n")
    assert not witness.exists()
    assert json.loads(answer.stdout)["kind"] == "TransferError"
    assert answer.returncode == 12
    copied = ssh(server, f"{device.alias}:/etc/hostname", str(witness), program="scp")
    assert copied.returncode != 0
    assert not witness.exists()
    for refused in (
        ("-N", "-o", "ExitOnForwardFailure=yes", "-R", "0:127.0.0.1:1", device.alias),
        ("-W", f"127.0.0.1:{server.port}", device.alias),
        ("-tt", device.alias),
    ):
        assert ssh(server, *refused).returncode == 255
    for other in ((device.alias, "/bin/sh"), ("-s", device.alias, "sftp"), ("-A", device.alias, "env")):
        answer = ssh(server, *other, text="x\n")
        assert answer.returncode == 12
        assert json.loads(answer.stdout)["kind"] == "TransferError"
    fetched = ssh(server, device.alias, program="sftp", text=f"get /etc/hostname {witness}\n")
    assert fetched.returncode != 0
    assert not witness.exists()


@pytest.mark.parametrize(
    "line",
    ["", "\n", "hello\n", "{}\n", '{"ask": "rm"}\n', '{"ask": "push", "protocol": 1, "digest": "../../x", "size": 5}\n',
     '{"ask": "status", "protocol": 99}\n', "[" * 70_000],
)  # fmt: skip
def test_nonsense_is_answered_with_one_error(server: SshServer, device: Device, line: str) -> None:
    answer = ssh(server, device.alias, "x", text=line)
    assert answer.returncode == 12
    assert json.loads(answer.stdout)["event"] == "error"
    assert "Traceback" not in answer.stderr


def test_over_a_jump_host(server: SshServer, device: Device, signed_bundle: Bundles, tmp_path: Path) -> None:
    gate = server.add_device(f"lab-gate-{next(NUMBERS)}", options="restrict,port-forwarding")
    config = tmp_path / "ssh_config"
    config.write_text(f"{server.ssh_config.read_text()}Host {device.alias}\n  ProxyJump {gate.alias}\n")
    bundle = signed_bundle()
    options = PushOptions(ssh_config=config, attempts=1)
    host = parse_host(device.alias)
    result = asyncio.run(push_to_one(bundle.read_bytes(), open_bundle(bundle).digest, host, options, lambda r: None))
    assert (result.error, result.state) == ("", State.DONE)


# -- many -----------------------------------------------------------------------------------------------------


def test_a_failure_stops_the_roll_out_and_the_same_command_goes_on(
    server: SshServer, signed_bundle: Bundles, tmp_path: Path
) -> None:
    devices = [server.add_device(f"lab-{next(NUMBERS)}") for _ in range(4)]
    trusted = devices[1].folder / "keys" / "maker.pub"
    kept = trusted.read_text()
    trusted.write_text("")
    inventory = tmp_path / "inventory.toml"
    inventory.write_text(f"[groups.hall]\nhosts = {json.dumps([device.alias for device in devices])}\n")
    arguments = (signed_bundle(), "@hall", "--inventory", inventory, "--canary", 2, "--then", "1", "--json")
    first = run_command(server, *arguments)
    answer = json.loads(first.stdout)
    assert first.exit_code == 12
    assert not answer["ok"]
    assert [host["state"] for host in answer["hosts"]] == ["done", "failed", "not started", "not started"]
    assert "trusted key" in answer["hosts"][1]["error"]
    trusted.write_text(kept)
    second = run_command(server, *arguments)
    answer = json.loads(second.stdout)
    assert second.exit_code == 0
    assert [host["state"] for host in answer["hosts"]] == ["done"] * 4
    assert [host["already"] for host in answer["hosts"]] == [True, False, False, False]


def test_a_dry_run_changes_nothing(server: SshServer, device: Device, signed_bundle: Bundles) -> None:
    result = run_command(server, signed_bundle(), device.alias, "--dry-run")
    assert result.exit_code == 0
    assert "would get" in result.stdout
    assert "nothing was changed" in result.stdout
    assert device.store.models() == []


def test_a_dry_run_names_the_stages(server: SshServer, signed_bundle: Bundles) -> None:
    names = [server.add_device(f"lab-{next(NUMBERS)}").alias for _ in range(3)]
    options = ("--canary", 1, "--then", "100%", "--soak-minutes", "5", "--dry-run")
    result = run_command(server, signed_bundle(), *names, *options)
    assert result.exit_code == 0
    assert f"stage 1: {names[0]}, then 5 minutes of waiting" in result.stdout
    assert f"stage 2: {names[1]}, {names[2]}" in result.stdout


def test_a_canary_that_came_back_stops_the_roll_out(server: SshServer, signed_bundle: Bundles) -> None:
    canary, other = (server.add_device(f"lab-{next(NUMBERS)}") for _ in range(2))
    push(server, signed_bundle("1.0"), canary)
    bundle = signed_bundle("1.1")

    def roll_back_at_once(result: HostResult) -> None:
        if result.state is State.DONE and canary.store.active().probation:
            canary.store.roll_back("worse", "2026-11-01")

    stages = [[parse_host(canary.alias)], [parse_host(other.alias)]]
    options = PushOptions(ssh_config=server.ssh_config, attempts=1)
    results = asyncio.run(
        push_to_all(bundle.read_bytes(), open_bundle(bundle).digest, stages, options, roll_back_at_once)
    )
    assert [result.state for result in results] == [State.FAILED, State.NOT_STARTED]
    assert "came back to tiny-1.0" in results[0].error
