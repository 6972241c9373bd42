"""What a bundle must prove on this device before the store lets it in."""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from edge.bundle.archive import Bundle, bundle_bytes
from edge.bundle.version import is_older
from edge.clock import SystemClock
from edge.config import Station, load_station
from edge.errors import BundleError, StoreError
from edge.models.fit import at_station
from edge.models.quick import check_room, make_shared_folder
from edge.models.records import Evidence, Generation
from edge.models.select import open_store
from edge.models.store import ModelStore
from edge.models.trust import Trust, trust_of
from edge.system.files import sync_folder
from edge.system.privileges import leave_root

# Whoever only receives a model does not need NumPy yet.
if TYPE_CHECKING:
    from edge.interfaces import Clock

log = logging.getLogger(__name__)

_HEADS_OFFERED = 3


@dataclass(frozen=True)
class Device:
    """What a bundle is checked against; `client` is a descriptor whose other end waits for what comes of it."""

    store: ModelStore
    station: Station
    trust: Trust
    clock: Clock
    free_bytes: Callable[[Path], int] = lambda folder: shutil.disk_usage(folder).free
    client: int | None = None


def prove(bundle: Bundle, device: Device, allow_downgrade: bool = False, for_later: bool = False) -> Evidence:
    """Check everything, the cheapest first; nothing is changed.

    A model `for_later` need not fit the station as it is now: its bins may be waiting for it to change their labels.

    Raises:
        BundleError: the signature, the labels, the thresholds, the version, the outputs or the time don't fit.
        StoreError: there is not enough room.
    """
    signer = device.trust.signer(bundle)
    if not for_later:
        at_station(bundle, device.station)
    if not allow_downgrade:
        check_version(bundle.manifest.name, bundle.manifest.version, bundle.digest, device.store)
    if not device.store.holds(bundle.digest):
        check_room(device.store.folder, bundle.size, device.free_bytes)
    return _measure(bundle, device, signer)


def open_device(station_file: Path, keys: Path | None = None) -> Device:
    """This machine's store, opened as its owner, station and trusted keys; `keys` takes the place of the folder that the station file names.

    Raises:
        ConfigError: the station file or a key is wrong.
    """
    station = load_station(station_file)
    if keys is not None:
        station = station.with_values(inference=station.inference.with_values(keys=keys))
    trust = trust_of(station)
    leave_root(station.state_folder)
    return Device(open_store(station), station, trust, SystemClock())


def let_in(device: Device, bundle: Bundle, content: bytes | Path, evidence: Evidence) -> None:
    """Install a model that was proven, its file's content or the file; and under a head the model that it was taught on.

    Where that is the shipped one, it has to be kept now: the next edge-sorter may come with another.

    Raises:
        StoreError: the disk refuses.
    """
    _keep_base(device, bundle)
    device.store.add(content, evidence)


def activate(device: Device, digest: str, why: str, probation: bool = True, bundle: Bundle | None = None) -> Generation:
    """Make an installed model current, after asking again whether it fits the station as it is now.

    `bundle` is the model where the caller has just proven it. The first model that is ever activated gets the shipped one as
    its previous model, and a head the model that it was taught on, so that there is always one to come back to.
    """
    if device.station.inference.bundle is not None:
        raise StoreError(
            f"the station file names {device.station.inference.bundle} (inference.bundle), so a model from the store "
            "would never be used: remove that line, restart the service, and activate the model again"
        )
    if bundle is None:
        bundle = device.store.open(digest)
        at_station(bundle, device.station)
    if not device.store.history():
        _seed(device, bundle)
    generation = device.store.activate(digest, why, wall_instant(device.clock), probation)
    taught = bundle.manifest.taught
    if taught is not None and taught.station == device.station.name:
        _offer_to_pull(device, digest, bundle.manifest.title)
    return generation


def _seed(device: Device, first: Bundle) -> None:
    taught = first.manifest.taught
    if taught is not None and device.store.holds(taught.base):
        # A head comes back to its own network, which need not know what the head was taught.
        device.store.activate(taught.base, "what was taught", wall_instant(device.clock), probation=False)
        return
    from edge.inference.classifier import open_shipped_bundle

    try:
        shipped = open_shipped_bundle()
        at_station(shipped, device.station)
        evidence = _measure(shipped, device, signer=None)
    except BundleError as error:
        log.warning("the shipped model can't serve as the one to come back to: %s", str(error))
        return
    device.store.add(bundle_bytes(shipped), evidence)
    device.store.activate(shipped.digest, "shipped with edge-sorter", wall_instant(device.clock), probation=False)


def _keep_base(device: Device, bundle: Bundle) -> None:
    from edge.inference.classifier import open_shipped_bundle

    taught = bundle.manifest.taught
    if taught is None or device.store.holds(taught.base):
        return
    shipped = open_shipped_bundle()
    if shipped.digest == taught.base:
        device.store.add(bundle_bytes(shipped), _measure(shipped, device, signer=None))


def _offer_to_pull(device: Device, digest: str, title: str) -> None:
    """Give the newest heads that were taught here a second name, where `sorter pull` finds them for the sister stations.

    Nobody does it again later, so it survives a power cut.
    """
    folder = device.station.state_folder / "taught"
    name = folder / f"{title}.sorter"
    try:
        make_shared_folder(folder)
        sync_folder(folder.parent)
        _link(device.store.bundle_path(digest), name)
        others = [path for path in folder.glob("*.sorter") if path != name]
        for old in sorted(others, key=lambda path: path.lstat().st_mtime_ns)[: 1 - _HEADS_OFFERED]:
            old.unlink()
        sync_folder(folder)
    except OSError as error:
        log.warning("%s: can't be offered to `sorter pull` (%s)", name, error.strerror)


def _link(file: Path, name: Path) -> None:
    """Give a file a second name, which another file may have had: a teaching that was done again has the same title."""
    if name.exists() and name.samefile(file):
        return
    made = name.with_name(f".{name.name}.new")
    made.unlink(missing_ok=True)
    os.link(file, made)
    made.replace(name)


def _measure(bundle: Bundle, device: Device, signer: str | None) -> Evidence:
    from edge.inference.golden import prove_golden

    inference = device.station.inference
    result = prove_golden(bundle, inference.threads, inference.runtime, device.clock.now, device.client)
    budget_ms = inference.max_invoke_ms
    if budget_ms is not None and result.milliseconds > budget_ms:
        raise BundleError(
            f"{bundle.source}: too slow for this station: expected at most {budget_ms:g} ms "
            f"(inference.max_invoke_ms), got {result.milliseconds:.1f} ms on {result.runtime} with "
            f"{inference.threads} threads: push a smaller model, or allow more time"
        )
    manifest = bundle.manifest
    return Evidence(
        digest=bundle.digest,
        title=manifest.title,
        name=manifest.name,
        version=manifest.version,
        labels=manifest.labels,
        size=bundle.size,
        signer=signer,
        milliseconds=round(result.milliseconds, 3),
        golden_steps=result.worst_steps,
        runtime=f"{result.runtime} {result.runtime_version}",
        installed=wall_instant(device.clock),
        base=None if manifest.taught is None else manifest.taught.base,
    )


def wall_instant(clock: Clock) -> str:
    """The wall clock's date and time, ISO 8601, UTC: for people only, since it may be wrong by years."""
    return datetime.fromtimestamp(clock.wall_time(), UTC).isoformat(timespec="milliseconds")


def check_version(name: str, version: str, digest: str, store: ModelStore) -> None:
    """Refuse a version older than the current one of the same name: an old signed model stays signed for ever."""
    try:
        generation = store.active()
    except StoreError:  # a damaged store is fixed by activating a model, so it must not stand in the way
        return
    if generation is None or generation.current == digest:
        return
    current = next((model for model in store.models() if model.digest == generation.current), None)
    if current is None or current.name != name or not is_older(version, current.version):
        return
    raise BundleError(
        f"{name}-{version}: expected version {current.version} of {name} or newer, got {version}: "
        "come back to an older model with 'sorter model rollback', or allow it with --allow-downgrade"
    )
