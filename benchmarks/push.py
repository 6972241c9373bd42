"""`sorter push` beside plain `scp` of the same file to the same loopback server, and many devices at once.

python benchmarks/push.py [--devices 200] [--at-once 20] [--repeat 5]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from time import perf_counter

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from support.sshd import Device, SshServer, running_sshd  # noqa: E402  (only after the path is set)

from converter.inventory import parse_host  # noqa: E402
from converter.push import HostResult, PushOptions, State, push_to_all, push_to_one  # noqa: E402
from edge.bundle.archive import Bundle, open_bundle, pack_bundle  # noqa: E402
from edge.classify import open_shipped_bundle  # noqa: E402


def seconds(work: Callable[[], object]) -> float:
    started = perf_counter()
    work()
    return perf_counter() - started


def push(server: SshServer, bundle: Path, device: Device) -> HostResult:
    """One push from a process that is running already, as a roll-out does it."""
    opened = open_bundle(bundle)
    options = PushOptions(ssh_config=server.ssh_config, attempts=1)
    result = asyncio.run(
        push_to_one(bundle.read_bytes(), opened.digest, parse_host(device.alias), options, lambda _: None)
    )
    if result.state is not State.DONE:
        sys.exit(f"push failed: {result.error}")
    return result


def scp(server: SshServer, file: Path, target: Path) -> None:
    subprocess.run(["scp", "-q", "-F", server.ssh_config, file, f"lab-plain:{target}"], check=True)


def start_of_receiver(device: Device, bundle: Bundle) -> None:
    """The device's end alone, without SSH, for a model that is at work already: Python's start is most of it."""
    command = [sys.executable, "-m", "edge", "receive", "--station", device.station_file]
    request = {"protocol": 1, "ask": "push", "digest": bundle.digest, "size": bundle.size}
    subprocess.run(command, input=json.dumps(request).encode() + b"\n", check=True, capture_output=True)


def versions(server: SshServer, count: int) -> list[Path]:
    """The shipped model under one new version each, signed: files that differ in nothing but that."""
    shipped = open_shipped_bundle()
    members = {name: content for name, content in shipped.members.items() if name not in ("manifest.json", "signature")}
    paths = []
    for number in range(count):
        manifest = shipped.manifest.model_copy(update={"version": f"99.{number}"})
        paths.append(server.folder / f"{manifest.name}-99.{number}.sorter")
        paths[-1].write_bytes(pack_bundle(manifest, members, server.maker))
    return paths


def one_device(server: SshServer, labels: tuple[str, ...], repeat: int) -> None:
    device = server.add_device("dev-one", labels=labels)
    server.add_plain_account("lab-plain")
    target = server.folder / "copied"
    names = ("scp", "push, whole", "push, without the self-test", "push, already at work", "receiver alone")
    times: dict[str, list[float]] = {name: [] for name in names}
    first, *bundles = versions(server, repeat + 1)
    push(server, first, device)  # the very first push also installs the shipped model to come back to
    for bundle in bundles:
        target.unlink(missing_ok=True)
        times["scp"].append(seconds(partial(scp, server, bundle, target)))
        whole = push(server, bundle, device)
        times["push, whole"].append(whole.seconds)
        times["push, without the self-test"].append(whole.seconds - (whole.proving_ms or 0.0) / 1000)
        times["push, already at work"].append(push(server, bundle, device).seconds)
        times["receiver alone"].append(seconds(partial(start_of_receiver, device, open_bundle(bundle))))
    scp_s = statistics.median(times["scp"])
    print(f"one device, {first.stat().st_size / 1e6:.1f} MB, median of {repeat}:")
    for name, values in times.items():
        middle = statistics.median(values)
        print(f"  {name:28} {middle:7.3f} s   {middle / scp_s:5.2f} x scp")
    print("  a model that is at work already: 1 question, 1 answer (one round trip), 0 bytes of it sent")


def many_devices(server: SshServer, bundle: Path, labels: tuple[str, ...], count: int, at_once: int) -> None:
    devices = [server.add_device(f"lab-{number:03}", labels=labels) for number in range(count)]
    opened = open_bundle(bundle)
    hosts = [parse_host(device.alias) for device in devices]
    options = PushOptions(ssh_config=server.ssh_config, attempts=2, at_once=at_once)
    for what in ("new", "already there"):
        started = perf_counter()
        results = asyncio.run(push_to_all(bundle.read_bytes(), opened.digest, [hosts], options, lambda _: None))
        elapsed = perf_counter() - started
        done = sum(result.state is State.DONE and result.active for result in results)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(f"{count} devices, {what}: {done} done in {elapsed:.1f} s, {at_once} at once; peak here {peak:.0f} MB")
        for result in results:
            if result.state is not State.DONE:
                print(f"  {result.host.text}: {result.error}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--devices", type=int, default=200)
    parser.add_argument("--at-once", type=int, default=20)
    parser.add_argument("--repeat", type=int, default=5)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, running_sshd(Path(folder)) as server:
        labels = open_shipped_bundle().labels
        one_device(server, labels, arguments.repeat)
        if arguments.devices:
            (bundle,) = versions(server, 1)
            many_devices(server, bundle, labels, arguments.devices, arguments.at_once)


if __name__ == "__main__":
    main()
