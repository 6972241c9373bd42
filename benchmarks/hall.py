"""A hall of fifty stations on one Prometheus and one broker: nothing is missed, every alert rings where it should.

The stations have the product's page, metrics and messages; camera, model and actuators are left out, since fifty of them fit
on no machine. Prometheus works with docs/monitoring, the dashboard's queries are asked as Grafana would. On the way one
station is switched off, one has a jam, and the bin of one is full.

    python benchmarks/hall.py --stations 50 --minutes 5
    python benchmarks/hall.py --stations 4 --minutes 0.25 --every 1s   # too short for an alert
"""

from __future__ import annotations

import argparse
import json
import re
import resource
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from halls.engines import FILES, Mosquitto, Prometheus
from halls.station import LightStation, light_station

import edge
from edge.health.faults import FaultKind

DEMO = Path(edge.__file__).parent / "stations" / "demo.toml"
# From here on an alert that waits for two minutes has had the time.
LONG_S = 240.0
# Panels that are empty where all is well, or where nobody labels.
MAY_BE_EMPTY = {"Faults that are there", "Purity of the bins"}


def run(stations: list[LightStation], seconds: float) -> None:
    """Let them sort; the first three have their troubles from a quarter of the time on, the first is off from then."""
    begun = last = time.monotonic()
    troubled = False
    while (now := time.monotonic()) < begun + seconds:
        for station in stations[troubled:]:
            station.sort(now - last)
        if not troubled and now >= begun + seconds / 4:
            troubled = True
            stations[0].stop()
            stations[1].raise_fault(FaultKind.JAM)
            stations[2].raise_fault(FaultKind.BIN_FULL, "glass")
        last = now
        threading.Event().wait(1.0 - min(1.0, time.monotonic() - now))


def panel_queries() -> Iterator[tuple[str, str]]:
    for panel in json.loads((FILES / "dashboard.json").read_text())["panels"]:
        for target in panel.get("targets", []):
            yield panel["title"], target["expr"].replace("$station", ".*").replace("$__rate_interval", "1m")


def wait_for(prometheus: Prometheus, stations: list[LightStation], seconds: float) -> dict[str, float]:
    """Return the items by station as Prometheus knows them, once it has asked all that still answer."""
    until = time.monotonic() + seconds
    while True:
        known = prometheus.ask("sum by (station) (sorter_items_total)")
        if all(known.get(station.name) == station.count for station in stations) or time.monotonic() > until:
            return known
        threading.Event().wait(0.5)


def judge(
    prometheus: Prometheus, broker: Mosquitto, stations: list[LightStation], seconds: float, every_s: float
) -> list[str]:
    """Print what was found; return what is wrong."""
    off, alive = stations[0], stations[1:]
    problems = []
    known = wait_for(prometheus, alive, 3 * every_s + 5)
    wrong = [station.name for station in alive if known.get(station.name) != station.count]
    problems += [f"items of {', '.join(wrong)} are not those that were sorted"] if wrong else []
    window = f"{round(seconds)}s"
    asked = prometheus.ask(f"sum by (station) (count_over_time(up[{window}]))")
    missed = prometheus.ask(f"sum by (station) (count_over_time((up == 0)[{window}:{round(every_s)}s]))")
    problems += [f"{name} did not answer" for name in missed if name != off.name]
    print(
        f"asked {sum(asked.values()):.0f} times; unanswered {len(missed.keys() - {off.name})} stations, but for the one that is off"
    )
    longest = max(prometheus.ask(f"max(max_over_time(scrape_duration_seconds[{window}]))").values())
    samples = max(prometheus.ask("max(scrape_samples_scraped)").values())
    print(
        f"slowest answer {1000 * longest:.0f} ms, {samples:.0f} samples of each station, {prometheus.series()} series"
    )
    slowest = 0.0
    for panel, query in panel_queries():
        begun = time.monotonic()
        if not prometheus.ask(query) and panel not in MAY_BE_EMPTY:
            problems.append(f"the panel {panel!r} is empty: {query}")
        slowest = max(slowest, time.monotonic() - begun)
    print(f"slowest query of the dashboard {1000 * slowest:.0f} ms")
    problems += judge_alerts(prometheus, stations, seconds)
    return problems + judge_messages(broker, off, alive)


def judge_alerts(prometheus: Prometheus, stations: list[LightStation], seconds: float) -> list[str]:
    ringing = {
        (told["alertname"], told.get("station", ""))
        for told in map(json.loads, prometheus.ask('count by (alertname, station) (ALERTS{alertstate="firing"})'))
    }
    off, jammed, full = (station.name for station in stations[:3])
    expected = (
        {("SorterDoesNotAnswer", off), ("SorterFault", jammed), ("SorterBinFull", full)} if seconds >= LONG_S else set()
    )
    print(f"alerts that ring: {', '.join(' of '.join(alert) for alert in sorted(ringing)) or 'none'}")
    return [f"alerts that should ring: {sorted(expected)}"] if ringing != expected else []


def judge_messages(broker: Mosquitto, off: LightStation, alive: list[LightStation]) -> list[str]:
    until = time.monotonic() + 20
    while time.monotonic() < until:
        late = [s.name for s in alive if broker.states.get(s.name, {}).get("total") != s.count]
        if not late and broker.available.get(off.name) == "offline":
            break
        threading.Event().wait(0.5)
    print(f"messages {sum(broker.messages.values())}, of {len(broker.messages)} stations")
    problems = [f"the broker does not know the newest of {', '.join(late)}"] if late else []
    gone = {name for name, told in broker.available.items() if told != "online"}
    problems += [f"the broker takes for gone: {sorted(gone)}"] if gone != {off.name} else []
    unannounced = {station.name for station in (off, *alive)} - broker.announced
    return problems + ([f"never announced: {sorted(unannounced)}"] if unannounced else [])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stations", type=int, default=50)
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--every", default="15s", help="how often Prometheus asks each station and tries its rules")
    options = parser.parse_args()
    seconds, every_s = 60 * options.minutes, float(re.sub(r"s$", "", options.every))
    month_ago = (datetime.now(UTC) - timedelta(days=30)).isoformat()
    with tempfile.TemporaryDirectory() as folder:
        broker = Mosquitto(Path(folder, "mosquitto"))
        stations = [light_station(DEMO, f"line-{n + 1:02}", broker, n, month_ago) for n in range(options.stations)]
        for station in stations:
            station.start()
        prometheus = Prometheus(Path(folder, "prometheus"), [(s.name, s.address) for s in stations], options.every)
        try:
            run(stations, seconds)
            problems = judge(prometheus, broker, stations, seconds, every_s)
            used = resource.getrusage(resource.RUSAGE_SELF)
            print(
                f"Prometheus {prometheus.memory_mb():.0f} MB, {prometheus.cpu_s() / seconds:.1%} of a core; Mosquitto {broker.memory_mb():.0f} MB, "
                f"{broker.cpu_s() / seconds:.1%}; all stations {(used.ru_utime + used.ru_stime) / seconds:.1%}"
            )
        finally:
            prometheus.end()
            for station in stations:
                station.stop()
            broker.end()
    print("\n".join(problems) or "nothing was missed")
    return bool(problems)


if __name__ == "__main__":
    sys.exit(main())
