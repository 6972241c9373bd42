"""From a head that was taught at a station to the model that the station works with."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from edge.bundle.archive import Bundle, bundle_bytes, open_bundle, read_bundle
from edge.bundle.own_key import own_signing_key
from edge.bundle.taught import check_can_be_taught
from edge.clock import SystemClock
from edge.config import Station
from edge.errors import TeachingError
from edge.inference.classifier import open_shipped_bundle
from edge.models.install import Device, activate, let_in, prove
from edge.models.records import Generation
from edge.models.select import open_station_bundle, open_store
from edge.models.trust import trust_of
from edge.system.files import make_folder, write_atomically
from edge.teaching.learning import Learnt
from edge.teaching.lessons import Lessons
from edge.teaching.shown import TEACHING_FOLDER
from edge.teaching.taught import pack_taught

HEADS_FOLDER: Final = "heads"


def base_for(station: Station, named: Path | None) -> Bundle:
    """The model that is taught: the one that is named, else the one at work, or what that was taught on itself.

    Raises:
        BundleError: it is damaged, or its network gives no features.
        StoreError: the store is damaged.
        TeachingError: what the model at work was taught on is not here any more.
    """
    base = open_station_bundle(station) if named is None else open_bundle(named)
    if (taught := base.manifest.taught) is not None:
        base = _find(station, taught.base, f"{base.manifest.title} was taught on version {taught.base_version}")
    check_can_be_taught(base)
    return base


def _find(station: Station, digest: str, why: str) -> Bundle:
    store = open_store(station)
    if store.holds(digest):
        return store.open(digest)
    shipped = open_shipped_bundle()
    if shipped.digest == digest:
        return shipped
    raise TeachingError(f"{why} ({digest[:12]}), which is not installed here: install it, or name a base with --bundle")


def check_labels(station: Station, base: Bundle, shown: set[str]) -> None:
    """Refuse to learn what could not be used: a bin would wait for a label that nothing knows.

    Raises:
        TeachingError: naming the labels.
    """
    known = shown | set(base.labels)
    missing = [label for where in station.bins for label in where.labels if label not in known]
    if missing:
        raise TeachingError(
            f"{', '.join(missing)}: a bin waits for it, {base.manifest.title} does not know it, and nothing of it was "
            "shown: run `sorter teach` and show some, or take it out of the bin's labels"
        )


def pack_for(station: Station, base: Bundle, lessons: Lessons, learnt: Learnt, by_at: tuple[str, str]) -> bytes:
    """The station's next head on the base, signed by the station's own key; `by_at` is the account and the instant.

    Raises:
        ConfigError: the key can't be read or made.
        BundleError: it can't be packed.
    """
    key = own_signing_key(station.state_folder, station.name)
    origin = (station.name, next_number(station, base), *by_at)
    return pack_taught(base, lessons, learnt, origin, key)


def next_number(station: Station, base: Bundle) -> int:
    """Which of the station's heads on the base comes next: those that were taught and never installed count too."""
    version, manifest = base.manifest.version, base.manifest
    installed = [m.version for m in open_store(station).models() if m.name == manifest.name and m.base == base.digest]
    folder = heads_folder(station)
    known = [path.stem for path in folder.glob(f"{version}+*.json")] if folder.is_dir() else []
    numbers = [text.rpartition(".")[2] for text in (*installed, *known) if "+" in text]
    return 1 + max((int(text) for text in numbers if text.isdecimal()), default=0)


def install(station: Station, base: Bundle, content: bytes) -> Generation:
    """Prove the head on this device, install it and put it to work, on probation against the model before.

    A running controller changes over by itself, as it does for a model that is pushed.

    Raises:
        BundleError: it does not fit the station, is not trusted, or is too slow.
        StoreError: the disk refuses, or the station file names the model that it uses.
    """
    device = Device(open_store(station), station, trust_of(station), SystemClock())
    if not device.store.holds(base.digest) and base.digest != open_shipped_bundle().digest:
        device.store.add(bundle_bytes(base), prove(base, device, allow_downgrade=True, for_later=True))
    bundle = read_bundle(content, "the taught head")
    evidence = prove(bundle, device)
    let_in(device, bundle, content, evidence)
    return activate(device, evidence.digest, "taught here", bundle=bundle)


def present_instant() -> str:
    """The present instant as a head's manifest has it: ISO 8601, UTC."""
    return datetime.fromtimestamp(SystemClock().wall_time(), UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def heads_folder(station: Station) -> Path:
    """Where it is noted which heads were taught."""
    return station.state_folder / TEACHING_FOLDER / HEADS_FOLDER


def note_head(station: Station, version: str, report: Mapping[str, Any]) -> None:
    """Keep what was found of a head.

    Raises:
        TeachingError: the disk does not let us.
    """
    path = heads_folder(station) / f"{version}.json"
    try:
        make_folder(path.parent)
        write_atomically(path, json.dumps(report, indent=1).encode() + b"\n")
    except OSError as error:
        raise TeachingError(f"{path}: can't be written ({error.strerror}): make room, then run it again") from None


def noted_heads(station: Station) -> list[dict[str, Any]]:
    """What was found of the heads that were taught here, oldest first; what is damaged is left out."""
    found = []
    for path in heads_folder(station).glob("*.json"):
        with suppress(OSError, ValueError):
            report = json.loads(path.read_text())
            if isinstance(report, dict) and {"version", "at", "digest"} <= report.keys():
                found.append(report)

    def turn(report: dict[str, Any]) -> tuple[str, int, str]:
        """The instant, and of two of one second the smaller number: a longer version has more digits."""
        return str(report["at"]), len(str(report["version"])), str(report["version"])

    return sorted(found, key=turn)
