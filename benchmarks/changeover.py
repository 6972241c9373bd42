"""A running station changes models every few seconds at 5 items/s: is an item lost or late because of it?

    python benchmarks/changeover.py [--seconds 60] [--every 5]

The simulated conveyor runs in real time, with the product's own threads. Items that are late are compared with
a run of the same length without a changeover, since a busy machine is late by itself.
"""

from __future__ import annotations

import argparse
import logging
import sys
import tempfile
import threading
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from time import perf_counter

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT)]

from edge.bundle.archive import pack_bundle, read_bundle  # noqa: E402  (only after the path is set)
from edge.clock import SystemClock  # noqa: E402
from edge.config import Station, load_station  # noqa: E402
from edge.inference.classifier import open_shipped_bundle  # noqa: E402
from edge.models.install import Device, prove  # noqa: E402
from edge.models.store import ModelStore  # noqa: E402
from edge.models.trust import Trust  # noqa: E402
from edge.station.build import build_station  # noqa: E402
from edge.station.runtime import Runtime  # noqa: E402
from edge.types import Reason  # noqa: E402


@dataclass(frozen=True)
class Figures:
    """Of one run: items decided, late ones, and the longest time between two frames that went all the way."""

    items: int
    late: int
    not_classified: int
    longest_gap_ms: float
    changeovers: int


def station_in(folder: Path) -> Station:
    text = (ROOT / "edge" / "stations" / "demo.toml").read_text()
    lines = [line for line in text.splitlines() if not line.startswith(("state_folder", "items_per_min", "speed_mm"))]
    text = "\n".join(lines).replace("[simulation]", "[simulation]\nitems_per_min = 300")
    text = text.replace("[belt]", "[belt]\nspeed_mm_per_s = 600")
    path = folder / "station.toml"
    path.write_text(
        'state_folder = "state"\n' + text + "\n[inference]\nallow_unsigned = true\n[page]\nenabled = false\n"
    )
    return load_station(path)


def install_two(station: Station) -> list[str]:
    """The shipped model under two versions, both installed."""
    shipped = open_shipped_bundle()
    members = {name: content for name, content in shipped.members.items() if name not in ("manifest.json", "signature")}
    store = ModelStore(station.state_folder / "models")
    device = Device(store, station, Trust(allow_unsigned=True), SystemClock())
    digests = []
    for version in ("99.0", "99.1"):
        content = pack_bundle(shipped.manifest.model_copy(update={"version": version}), members)
        bundle = read_bundle(content, version)
        store.add(content, prove(bundle, device))
        digests.append(bundle.digest)
    store.activate(digests[0], "benchmark", "", probation=False)
    return digests


def run(station: Station, seconds: float, change: Callable[[ModelStore], object] | None, every: float) -> Figures:
    built = build_station(station)
    live = built.reporting.live
    beats: list[float] = []
    publish = live.publish_frame

    def note_beat(*arguments: object) -> None:
        beats.append(perf_counter())
        publish(*arguments)  # type: ignore[arg-type]

    live.publish_frame = note_beat  # type: ignore[method-assign]
    done, changes = threading.Event(), 0

    def keep_changing() -> None:
        nonlocal changes
        while change is not None and not done.wait(every):
            change(ModelStore(station.state_folder / "models"))
            changes += 1

    changing = threading.Thread(target=keep_changing)
    changing.start()
    try:
        Runtime(built).run(seconds)
    finally:
        done.set()
        changing.join()
    counts = live.snapshot().counts
    gaps = [after - before for before, after in pairwise(beats)]
    return Figures(
        items=sum(counts.values()),
        late=sum(count for (_, reason), count in counts.items() if reason is Reason.LATE),
        not_classified=sum(count for (_, reason), count in counts.items() if reason is Reason.NOT_CLASSIFIED),
        longest_gap_ms=1000 * max(gaps, default=0.0),
        changeovers=changes,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--every", type=float, default=5.0)
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.ERROR)
    undisturbed = 0
    for what in ("one model", "changing"):
        with tempfile.TemporaryDirectory() as folder:
            station = station_in(Path(folder))
            digests = install_two(station)

            def change(store: ModelStore, digests: list[str] = digests) -> None:
                active = store.active()
                other = digests[active is not None and active.current == digests[0]]
                store.activate(other, "benchmark", "", probation=False)

            figures = run(station, arguments.seconds, change if what == "changing" else None, arguments.every)
        undisturbed = undisturbed or figures.items
        print(
            f"{what:10} {figures.items} items in {arguments.seconds:.0f} s, {figures.changeovers} changeovers: "
            f"{undisturbed - figures.items} fewer than without, {figures.late} late, {figures.not_classified} not "
            f"classified, longest gap {figures.longest_gap_ms:.0f} ms"
        )


if __name__ == "__main__":
    main()
