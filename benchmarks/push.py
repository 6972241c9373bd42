"""`sorter push` beside plain `scp` of the same file to the same loopback server, and many devices at once.

python benchmarks/push.py [--devices 200] [--at-once 20] [--repeat 5]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from time import perf_counter

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from support.sshd import Device, SshServer, running_sshd  # noqa: E402  (only after the path is set)

from converter.fleet.inventory import parse_host  # noqa: E402
from converter.fleet.push import HostResult, PushOptions, State, push_to_all, push_to_one  # noqa: E402
from edge.bundle.archive import Bundle, open_bundle, pack_bundle  # noqa: E402
from edge.inference.classifier import open_shipped_bundle  # noqa: E402


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


def whole_command(server: SshServer, bundle: Path, device: Device) -> None:
    """`sorter push` as a person types it; its own start is longer than many a push."""
    command = [sys.executable, "-m", "edge", "push", bundle, device.alias, "--ssh-config", server.ssh_config]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=ROOT)


def versions(server: SshServer, first: int, count: int, report_bytes: int = 0) -> list[Path]:
    """The shipped model under one new version each, signed; a report of random bytes makes the file larger."""
    shipped = open_shipped_bundle()
    members = {name: content for name, content in shipped.members.items() if name not in ("manifest.json", "signature")}
    if report_bytes:
        members["report.html"] = os.urandom(report_bytes)
    paths = []
    for number in range(first, first + count):
        manifest = shipped.manifest.model_copy(update={"version": f"99.{number}"})
        paths.append(server.folder / f"{manifest.name}-99.{number}.sorter")
        paths[-1].write_bytes(pack_bundle(manifest, members, server.maker))
    return paths


def one_device(server: SshServer, device: Device, bundles: list[Path]) -> None:
    """The same files by scp and by push, in turn; every one is new to the device once."""
    target = server.folder / "copied"
    times: dict[str, list[float]] = defaultdict(list)
    for bundle, next_one in batched(bundles):
        target.unlink(missing_ok=True)
        times["scp"].append(seconds(partial(scp, server, bundle, target)))
        whole = push(server, bundle, device)
        times["push, whole"].append(whole.seconds)
        times["  of it the self-test"].append((whole.proving_ms or 0.0) / 1000)
        times["  without the self-test"].append(whole.seconds - (whole.proving_ms or 0.0) / 1000)
        times["push, at work already"].append(push(server, bundle, device).seconds)
        times["  of it the receiver"].append(seconds(partial(start_of_receiver, device, open_bundle(bundle))))
        times["`sorter push`, new"].append(seconds(partial(whole_command, server, next_one, device)))
        times["`sorter push`, at work already"].append(seconds(partial(whole_command, server, next_one, device)))
    scp_s = statistics.median(times["scp"])
    print(f"one device, {bundles[0].stat().st_size / 1e6:.1f} MB, median of {len(times['scp'])}:")
    for name, values in times.items():
        middle = statistics.median(values)
        print(f"  {name:32} {middle:7.3f} s   {middle / scp_s:5.2f} x scp")


def batched(paths: list[Path]) -> Iterator[tuple[Path, Path]]:
    return zip(paths[::2], paths[1::2], strict=True)


@contextmanager
def least_free_memory() -> Iterator[list[int]]:
    """How many MB the machine had free at first, and at the worst of ten looks a second."""
    free, done = [available_mb()], threading.Event()

    def look() -> None:
        while not done.wait(0.1):
            free.append(available_mb())

    looking = threading.Thread(target=look)
    looking.start()
    try:
        yield free
    finally:
        done.set()
        looking.join()


def available_mb() -> int:
    fields = dict(line.split(":") for line in Path("/proc/meminfo").read_text().splitlines())
    return int(fields["MemAvailable"].split()[0]) // 1024


def many_devices(server: SshServer, bundle: Path, labels: tuple[str, ...], count: int, at_once: int) -> None:
    devices = [server.add_device(f"lab-{number:03}", labels=labels) for number in range(count)]
    opened = open_bundle(bundle)
    hosts = [parse_host(device.alias) for device in devices]
    options = PushOptions(ssh_config=server.ssh_config, attempts=2, at_once=at_once)
    for what in ("new", "at work already"):
        started = perf_counter()
        with least_free_memory() as free:
            results = asyncio.run(push_to_all(bundle.read_bytes(), opened.digest, [hosts], options, lambda _: None))
        elapsed = perf_counter() - started
        done = sum(result.state is State.DONE and result.active for result in results)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(
            f"{count} devices, {what}: {done} done in {elapsed:.1f} s, {at_once} at once, {os.cpu_count()} cores for all; "
            f"peak of the workstation's end {peak:.0f} MB, of all together {free[0] - min(free)} MB"
        )
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
        if arguments.repeat:
            device = server.add_device("dev-one", labels=labels)
            server.add_plain_account("lab-plain")
            first, *small = versions(server, 0, 1 + 2 * arguments.repeat)
            push(server, first, device)  # the very first push also installs the shipped model to come back to
            one_device(server, device, small)
            one_device(server, device, versions(server, 1000, 2 * arguments.repeat, report_bytes=10 << 20))
        if arguments.devices:
            (bundle,) = versions(server, 2000, 1)
            many_devices(server, bundle, labels, arguments.devices, arguments.at_once)


if __name__ == "__main__":
    main()
