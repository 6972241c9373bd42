"""Figures for monitoring: what Prometheus reads."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    StateSetMetricFamily,
)
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from edge.clock import NS_PER_S
from edge.health.faults import FaultKind
from edge.health.monitors.machine import MachineState
from edge.health.state import State
from edge.status.latency import Latency
from edge.status.live import LiveView, Snapshot
from edge.types import Reason


def read_disk_free(folder: Path) -> int | None:
    """Return the bytes that are left where `folder` is or will be; None where the disk does not tell."""
    there = next((parent for parent in (folder, *folder.parents) if parent.exists()), None)
    try:
        return None if there is None else shutil.disk_usage(there).free
    except OSError:
        return None


class _Station(Collector):
    """Turns a Snapshot into metrics at the moment they are asked for; keeps no figures of its own."""

    def __init__(self, live: LiveView, disk_free: Callable[[], int | None]) -> None:
        self._live = live
        self._disk_free = disk_free

    def describe(self) -> Iterable[Metric]:
        return []  # spares the registry a collect() at registration

    def collect(self) -> Iterable[Metric]:
        snapshot = self._live.snapshot()
        yield from _counters(snapshot)
        yield from _latencies(snapshot)
        yield from _condition(snapshot)
        yield from _machine(snapshot.machine, self._disk_free())


def build_registry(live: LiveView, disk_free: Callable[[], int | None]) -> CollectorRegistry:
    """Return a registry of its own with the station's and the process's metrics."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Station(live, disk_free))
    ProcessCollector(registry=registry)
    return registry


def _counters(snapshot: Snapshot) -> Iterable[Metric]:
    items = CounterMetricFamily("sorter_items", "Items by what became of them.", labels=["bin", "reason"])
    for (where, reason), count in sorted(snapshot.settled.items()):
        items.add_metric([where, str(reason)], count)
    under_way = GaugeMetricFamily("sorter_items_under_way", "Items on their way to a bin.", labels=["bin"])
    for (where, reason), count in sorted(snapshot.counts.items()):
        if reason is Reason.UNDER_WAY:
            under_way.add_metric([where], count)
    labels = CounterMetricFamily("sorter_labels", "Items by what the model said.", labels=["label"])
    for label, count in sorted(snapshot.labels.items()):
        labels.add_metric([label], count)
    strokes = CounterMetricFamily("sorter_strokes", "Strokes by what became of them.", labels=["actuator", "outcome"])
    for (actuator, outcome), count in sorted(snapshot.strokes.items()):
        strokes.add_metric([actuator, outcome], count)
    return [items, under_way, labels, strokes]


def _latencies(snapshot: Snapshot) -> Iterable[Metric]:
    yield _histogram("sorter_deciding_seconds", "From the decision line to the decision.", snapshot.deciding)
    yield _histogram("sorter_frame_age_seconds", "Age of the frame that completed an item.", snapshot.frame_age)
    yield _histogram("sorter_spare_seconds", "From the decision to the start of its stroke.", snapshot.spare)


def _histogram(name: str, text: str, latency: Latency) -> Metric:
    buckets = [(str(bound), float(count)) for bound, count in latency.buckets]
    buckets.append(("+Inf", float(latency.count)))
    return HistogramMetricFamily(name, text, buckets=buckets, sum_value=latency.total / NS_PER_S)


def _condition(snapshot: Snapshot) -> Iterable[Metric]:
    yield StateSetMetricFamily("sorter_state", "The station's state.", {str(s): s is snapshot.state for s in State})
    present = {fault.kind for fault in snapshot.faults}
    rows = GaugeMetricFamily("sorter_journal_rows", "Rows of the journal since the start.", labels=["state"])
    for where, count in snapshot.journal_rows.items():
        rows.add_metric([where], count)
    yield rows
    faults = GaugeMetricFamily("sorter_fault", "1 while the fault is there.", labels=["kind"])
    for kind in FaultKind:
        faults.add_metric([str(kind)], kind in present)
    yield faults
    yield GaugeMetricFamily("sorter_uptime_seconds", "Since the controller started.", snapshot.uptime_ns / NS_PER_S)
    yield GaugeMetricFamily("sorter_items_per_minute", "Over the last minute.", snapshot.items_per_min)
    name, version = snapshot.model
    yield InfoMetricFamily("sorter_model", "The model at work.", {"name": name, "version": version})
    if snapshot.picture_age_ns is not None:
        age = snapshot.picture_age_ns / NS_PER_S
        yield GaugeMetricFamily("sorter_picture_age_seconds", "Age of the newest frame now.", age)


def _machine(machine: MachineState, disk_free: int | None) -> Iterable[Metric]:
    if machine.temperature_c is not None:
        yield GaugeMetricFamily("sorter_temperature_celsius", "The processor's temperature.", machine.temperature_c)
    if machine.throttled is not None:
        yield GaugeMetricFamily("sorter_throttled", "1 while the processor is slowed down.", machine.throttled)
    if machine.under_voltage is not None:
        yield GaugeMetricFamily("sorter_under_voltage", "1 while the supply is too weak.", machine.under_voltage)
    if disk_free is not None:
        yield GaugeMetricFamily("sorter_disk_free_bytes", "Room left for the state folder.", disk_free)
