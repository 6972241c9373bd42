"""What `ssh` takes as a configuration, `sorter push` takes; what `ssh` refuses is named with its line."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from support.sshd import Device, SshServer, running_sshd

from converter.fleet.inventory import parse_host
from converter.fleet.push import HostResult, PushOptions, State, push_to_all, push_to_one
from converter.fleet.ssh import DeviceError, Ways, converse
from edge.bundle.archive import open_bundle
from edge.bundle.signature import write_key_pair

pytestmark = pytest.mark.needs_sshd
NUMBERS = count(1)
Bundles = Callable[..., Path]


@pytest.fixture
def device(server: SshServer) -> Device:
    return server.add_device(f"dev-config-{next(NUMBERS)}")


def look(host: str, config: Path, bundle: Path, **options: Any) -> HostResult:
    """A dry run: everything but the model itself goes over the connection."""
    opened = open_bundle(bundle)
    chosen = PushOptions(ssh_config=config, dry_run=True, **{"attempts": 1, **options})
    return asyncio.run(push_to_one(bundle.read_bytes(), opened.digest, parse_host(host), chosen, lambda result: None))


def entry(server: SshServer, device: Device, *lines: str, key: Path | None = None) -> str:
    """The configuration of one device, `lines` before what leads to it."""
    body = (
        *lines,
        f"IdentityFile {key or device.folder / 'login'}",
        f"UserKnownHostsFile {server.folder / 'known_hosts'}",
        "HostName 127.0.0.1",
        f"Port {server.port}",
        "IdentitiesOnly yes",
        "IdentityAgent none",
    )
    return f"Host {device.alias}\n" + "".join(f"  {line}\n" for line in body)


@pytest.mark.parametrize(
    "lines",
    [
        ("IdentityFile {folder}/nope",),
        ("UserKnownHostsFile {folder}/nope {folder}/known_hosts",),
        ("IdentityFile {folder}/%n/login",),
        ("SetEnv LANG=C", "IdentityFile {folder}/empty"),
        ("KexAlgorithms +diffie-hellman-group14-sha1", "Ciphers aes128-ctr,chacha20-poly1305@openssh.com"),
        ("GlobalKnownHostsFile /dev/null", "AddressFamily inet"),
        ("ProxyCommand bash {folder}/through %h %p",),
    ],
)
def test_what_ssh_takes_is_taken(
    server: SshServer, device: Device, signed_bundle: Bundles, tmp_path: Path, lines: tuple[str, ...]
) -> None:
    (server.folder / "empty").write_text("")
    (server.folder / "through").write_text("exec 3<>/dev/tcp/$1/$2; cat <&3 & exec cat >&3\n")
    config = tmp_path / "config"
    config.write_text(entry(server, device, *(line.format(folder=server.folder) for line in lines)))
    result = look(device.alias, config, signed_bundle())
    assert (result.error, result.state) == ("", State.DONE)


def test_a_comment_in_another_encoding_is_a_comment(
    server: SshServer, device: Device, signed_bundle: Bundles, tmp_path: Path
) -> None:
    config = tmp_path / "config"
    config.write_bytes(b"# Stra\xdfe\n" + entry(server, device).encode())
    assert look(device.alias, config, signed_bundle()).state is State.DONE


def test_a_line_of_the_known_hosts_that_is_none_hides_no_other(
    server: SshServer, device: Device, signed_bundle: Bundles, tmp_path: Path
) -> None:
    known = tmp_path / "known_hosts"
    known.write_text("nonsense\n[127.0.0.1]:1 ssh-ed25519 AAAA\n" + (server.folder / "known_hosts").read_text())
    config = tmp_path / "config"
    config.write_text(entry(server, device, f"UserKnownHostsFile {known}"))
    assert look(device.alias, config, signed_bundle()).state is State.DONE


@pytest.mark.parametrize("line", ["NoSuchOption yes", "Port many", 'ProxyCommand "nc %h'])
def test_what_ssh_refuses_is_named_with_its_line(
    server: SshServer, device: Device, signed_bundle: Bundles, tmp_path: Path, line: str
) -> None:
    config = tmp_path / "config"
    config.write_text(f"{entry(server, device)}Host other\n  {line}\nHost *\n  {line}\n")
    said = subprocess.run(["ssh", "-G", "-F", config, device.alias], capture_output=True, text=True, check=False)
    result = look(device.alias, config, signed_bundle())
    if said.returncode == 0:
        assert (result.error, result.state) == ("", State.DONE)
    else:
        assert result.state is State.FAILED
        assert f"{config}" in result.error
        assert "line" in result.error


def test_a_key_with_a_passphrase_is_told_from_a_key_that_is_refused(
    server: SshServer, device: Device, signed_bundle: Bundles, tmp_path: Path
) -> None:
    locked = tmp_path / "locked key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "secret", "-f", locked], check=True)
    config = tmp_path / "config"
    config.write_text(entry(server, device, key=Path(f'"{locked}"')))
    result = look(device.alias, config, signed_bundle())
    assert result.state is State.FAILED
    assert f"ssh-add '{locked}'" in result.error
    assert "refused every key" not in result.error


def test_hints_are_written_as_ssh_takes_them(server: SshServer, device: Device, signed_bundle: Bundles) -> None:
    write_key_pair(server.folder / f"stranger-{device.alias}", "stranger")
    config = server.folder / f"config-{device.alias}"
    config.write_text(entry(server, device, key=server.folder / f"stranger-{device.alias}"))
    result = look(f"root@{device.alias}:{server.port}", config, signed_bundle())
    assert f"ssh-copy-id -p {server.port} root@{device.alias}" in result.error


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("line-1", "line-1"),
        ("pi@line-1", "pi@line-1"),
        ("pi@line-1:2298", "-p 2298 pi@line-1"),
        ("pi@[fe80::1%eth0]:2298", "-p 2298 pi@fe80::1%eth0"),
    ],
)
def test_a_host_as_openssh_wants_to_be_told_of_it(text: str, words: str) -> None:
    assert parse_host(text).for_ssh == words


@pytest.fixture(scope="module")
def gate(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SshServer]:
    """A jump host as Debian ships it: of those that are not logged in, it drops some from the eleventh on."""
    with running_sshd(tmp_path_factory.mktemp("gate"), max_startups="10:30:100") as server:
        yield server


def test_twenty_devices_behind_one_jump_host(
    server: SshServer, gate: SshServer, signed_bundle: Bundles, tmp_path: Path
) -> None:
    gate.add_plain_account("lab-jump")
    names = [server.add_device(f"dev-behind-{n}").alias for n in range(20)]
    known = f"{server.folder / 'known_hosts'} {gate.folder / 'known_hosts'}"
    config = tmp_path / "config"
    config.write_text(
        f"UserKnownHostsFile {known}\nMatch host lab-jump\n  HostName 127.0.0.1\n  Port {gate.port}\n"
        f"  IdentityFile {gate.folder / 'lab-jump' / 'login'}\n"
        f"Host dev-behind-*\n  ProxyJump lab-jump\nHost *\n{server.ssh_config.read_text()}"
    )
    bundle = signed_bundle()
    options = PushOptions(ssh_config=config, dry_run=True, attempts=1)
    hosts = [parse_host(name) for name in names]
    results = asyncio.run(push_to_all(b"", open_bundle(bundle).digest, [hosts], options, lambda result: None))
    assert {(result.error, result.state) for result in results} == {("", State.DONE)}
    assert (gate.folder / "sshd.log").read_text(errors="replace").count("Accepted publickey") <= 1


def test_jump_hosts_that_lead_to_each_other_are_named(
    server: SshServer, device: Device, signed_bundle: Bundles, tmp_path: Path
) -> None:
    config = tmp_path / "config"
    config.write_text(f"Host lab-a\n  ProxyJump lab-b\nHost lab-b\n  ProxyJump lab-a\n{server.ssh_config.read_text()}")
    result = look("lab-a", config, signed_bundle())
    assert result.state is State.FAILED
    assert "ProxyJump" in result.error


def test_a_device_that_is_just_booting_is_tried_again(
    server: SshServer, device: Device, signed_bundle: Bundles, tmp_path: Path
) -> None:
    closed = server.ssh_config.read_text().replace(f"Port {server.port}", "Port 1")
    config = tmp_path / "config"
    config.write_text(closed)
    opened = open_bundle(signed_bundle())
    tried = []

    def watch(result: HostResult) -> None:
        tried.append(result.state)
        if result.state is State.FAILED:  # it is up now
            config.write_text(server.ssh_config.read_text())

    options = PushOptions(ssh_config=config, dry_run=True, attempts=3)
    result = asyncio.run(push_to_one(b"", opened.digest, parse_host(device.alias), options, watch))
    assert State.FAILED in tried
    assert (result.error, result.state) == ("", State.DONE)


# -- the labels of a station change ---------------------------------------------------------------------------


def test_a_model_without_a_bins_label_is_refused_before_it_is_sent(
    server: SshServer, device: Device, signed_bundle: Bundles
) -> None:
    async def ask() -> None:
        """Ask for a push and send nothing of it: who is refused then is refused before."""
        async with Ways(server.ssh_config) as ways, converse(parse_host(device.alias), "sorter receive", ways) as talk:
            talk.ask(protocol=1, ask="push", digest="0" * 64, size=1_000_000, labels="tetra glass metal")
            assert (await talk.hear())["event"] == "send"
            with pytest.raises(DeviceError, match=r"'paper'.*--no-activate"):
                await talk.hear()

    asyncio.run(ask())
    labels = ("tetra", "glass", "metal")
    bundle = signed_bundle("2.0", labels=labels, thresholds={"minimum_score": dict.fromkeys(labels, 0.5)})
    looked = look(device.alias, server.ssh_config, bundle, labels=labels)
    assert looked.state is State.FAILED
    assert "'paper'" in looked.error


def test_the_labels_of_a_station_change_with_the_model_already_there(
    server: SshServer, device: Device, signed_bundle: Bundles
) -> None:
    labels = ("tetra", "glass", "metal")
    bundle = signed_bundle("2.1", labels=labels, thresholds={"minimum_score": dict.fromkeys(labels, 0.5)})
    opened = open_bundle(bundle)
    options = PushOptions(ssh_config=server.ssh_config, attempts=1, labels=opened.labels, activate=False)
    host = parse_host(device.alias)
    result = asyncio.run(push_to_one(bundle.read_bytes(), opened.digest, host, options, lambda result: None))
    assert (result.error, result.state, result.active) == ("", State.DONE, False)

    def activate() -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "edge", "model", "activate", "tiny-2.1", "--station", str(device.station_file)]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    refused = activate()
    assert refused.returncode != 0
    assert "'paper'" in refused.stderr
    device.station_file.write_text(device.station_file.read_text().replace('"paper"', '"tetra"'))
    done = activate()
    assert done.returncode == 0, done.stderr
    assert device.store.active().current == opened.digest
