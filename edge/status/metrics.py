"""Figures for monitoring: what Prometheus reads, named and measured by its conventions.

Base units, counters of what happened, and no figure that a query can make of others (rates, ages, shares).
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

import cv2
from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    SummaryMetricFamily,
)
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from edge import __version__
from edge.clock import NS_PER_S
from edge.config import RESIDUAL, Station
from edge.config.calibration.record import Calibration, Step
from edge.config.sorting import Bin, Region
from edge.health.faults import SPECS, FaultKind
from edge.health.monitors.machine import MachineState
from edge.health.state import State
from edge.status.latency import Latency
from edge.status.live import LiveView, Newest
from edge.status.snapshot import Snapshot
from edge.tally import IN_NO_BIN
from edge.types import Reason

Key = TypeVar("Key", bound=tuple[str, ...])
# Of a picture's rows and columns, what is looked at for its brightness: every so many.
EVERY_PIXEL = 4


def read_disk_free(folder: Path) -> int | None:
    """Return the bytes that are left where `folder` is or will be; None where the disk does not tell."""
    there = next((parent for parent in (folder, *folder.parents) if parent.exists()), None)
    try:
        return None if there is None else shutil.disk_usage(there).free
    except OSError:
        return None


class _Station(Collector):
    """Turns a Snapshot into metrics at the moment they are asked for; keeps no figures of its own."""

    def __init__(self, live: LiveView, sources: Sequence[Callable[[Snapshot], Iterable[Metric]]]) -> None:
        self._live, self._sources = live, sources

    def describe(self) -> Iterable[Metric]:
        return []  # spares the registry a collect() at registration

    def collect(self) -> Iterable[Metric]:
        snapshot = self._live.snapshot()
        for source in self._sources:
            yield from source(snapshot)


def build_registry(live: LiveView, station: Station, disk_free: Callable[[], int | None]) -> CollectorRegistry:
    """Return a registry of its own with the station's and the process's metrics."""
    sources = (
        lambda snapshot: _versions(snapshot, station),
        _condition,
        lambda snapshot: _counters(snapshot, station.bins),
        lambda snapshot: _bins(snapshot, station.bins),
        _purity,
        _latencies,
        lambda snapshot: _camera(snapshot, live.newest(), station.region),
        _calibration,
        lambda snapshot: _machine(snapshot.machine, disk_free()),
    )
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Station(live, sources))
    ProcessCollector(registry=registry)
    return registry


def _versions(snapshot: Snapshot, station: Station) -> Iterator[Metric]:
    yield InfoMetricFamily("sorter_build", "The program.", {"version": __version__})
    told = {"name": station.name, "kind": station.kind, "camera": station.camera.type}
    yield InfoMetricFamily("sorter_station", "The station; a simulated one has a simulated camera.", told)
    name, version = snapshot.model
    yield InfoMetricFamily("sorter_model", "The model at work.", {"name": name, "version": version})


def _condition(snapshot: Snapshot) -> Iterator[Metric]:
    states = {(state,): state is snapshot.state for state in State}
    yield _filled(
        GaugeMetricFamily("sorter_state", "1 for the state that the station is in.", labels=["state"]), states
    )
    present = {fault.kind for fault in snapshot.faults}
    faults = {(kind, SPECS[kind].severity): kind in present for kind in FaultKind}
    yield _filled(GaugeMetricFamily("sorter_fault", "1 while the fault is there.", labels=["kind", "severity"]), faults)
    rows = snapshot.journal_rows
    stored = {(outcome,): rows[outcome] for outcome in ("stored", "lost") if outcome in rows}
    yield _filled(
        CounterMetricFamily("sorter_journal_rows", "Rows of the journal by what became of them.", labels=["outcome"]),
        stored,
    )
    if "waiting" in rows:
        yield GaugeMetricFamily("sorter_journal_waiting_rows", "Rows that wait for the disk.", rows["waiting"])


def _counters(snapshot: Snapshot, bins: Sequence[Bin]) -> Iterator[Metric]:
    # What can happen is there from the start with a zero: a rate never misses its first item.
    begun = {(RESIDUAL, reason): 0 for reason in Reason if reason not in {Reason.SORTED, *IN_NO_BIN}}
    begun |= {(where.name, Reason.SORTED): 0 for where in bins if where.name != RESIDUAL}
    settled = begun | dict(snapshot.settled)
    yield _filled(
        CounterMetricFamily("sorter_items", "Items by what became of them.", labels=["bin", "reason"]), settled
    )
    under_way = {(where,): n for (where, reason), n in snapshot.counts.items() if reason is Reason.UNDER_WAY}
    yield _filled(
        GaugeMetricFamily("sorter_items_under_way", "Items on their way to a bin.", labels=["bin"]), under_way
    )
    said = {(label,): count for label, count in snapshot.labels.items()}
    yield _filled(CounterMetricFamily("sorter_predictions", "Items by what the model said.", labels=["label"]), said)
    yield _filled(
        CounterMetricFamily("sorter_strokes", "Strokes by what became of them.", labels=["actuator", "outcome"]),
        snapshot.strokes,
    )


def _purity(snapshot: Snapshot) -> Iterator[Metric]:
    told = {(where,): seen.share for where, seen in snapshot.purity.items() if seen.share is not None}
    text = "Share of the labelled items that chance chose that belong in the bin; under the model at work."
    yield _filled(GaugeMetricFamily("sorter_bin_purity_ratio", text, labels=["bin"]), told)
    labelled = {(where,): seen.labelled for where, seen in snapshot.purity.items()}
    text = "Items that chance chose and people labelled; under the model at work."
    yield _filled(GaugeMetricFamily("sorter_bin_labelled_items", text, labels=["bin"]), labelled)
    unlabelled = {(where,): seen.unlabelled for where, seen in snapshot.purity.items()}
    text = "Items that chance chose and nobody labelled; if they are the hard ones, the purity is too good."
    yield _filled(GaugeMetricFamily("sorter_bin_unlabelled_items", text, labels=["bin"]), unlabelled)


def _bins(snapshot: Snapshot, bins: Sequence[Bin]) -> Iterator[Metric]:
    held = {(name,): count for name, count in snapshot.levels.items()}
    yield _filled(
        GaugeMetricFamily("sorter_bin_items", "Items since the bin was emptied.", labels=["bin"]),
        held,
    )
    capacities = {(where.name,): where.capacity for where in bins if where.capacity is not None}
    yield _filled(
        GaugeMetricFamily("sorter_bin_capacity_items", "Items until the bin counts as full.", labels=["bin"]),
        capacities,
    )
    full = {(where.name,): where.name in snapshot.full_bins for where in bins}
    yield _filled(GaugeMetricFamily("sorter_bin_full", "1 while the bin is full.", labels=["bin"]), full)


def _latencies(snapshot: Snapshot) -> Iterator[Metric]:
    yield _histogram(
        "sorter_decision_latency_seconds", "From the decision line to the decision, by item.", snapshot.deciding
    )
    yield _histogram("sorter_spare_time_seconds", "From the decision to its stroke, by stroke.", snapshot.spare)
    yield _histogram(
        "sorter_frame_age_seconds", "Age of the frame that completed an item, by item.", snapshot.frame_age
    )


def _camera(snapshot: Snapshot, newest: Newest | None, region: Region) -> Iterator[Metric]:
    if snapshot.picture_age_ns is not None:
        age = snapshot.picture_age_ns / NS_PER_S
        yield GaugeMetricFamily("sorter_newest_frame_age_seconds", "Age of the newest frame.", age)
    if newest is not None:
        brightness = brightness_of(newest, region)
        yield GaugeMetricFamily("sorter_picture_brightness", "Mean grey level of the region, 0 to 255.", brightness)
    count, total = snapshot.sharpness
    text = "Sharpness of the items' best crops, variance of their Laplacian: a dirty or loose lens lowers its mean."
    yield SummaryMetricFamily("sorter_crop_sharpness", text, count_value=count, sum_value=total)


def brightness_of(newest: Newest, region: Region) -> float:
    """Return the mean grey level of the region, 0 to 255; NaN where there is none."""
    share = newest.picture.shape[1] / newest.size[0]
    right = None if region.width is None else round((region.x + region.width) * share)
    below = None if region.height is None else round((region.y + region.height) * share)
    left, top = round(region.x * share), round(region.y * share)
    part = newest.picture[top:below:EVERY_PIXEL, left:right:EVERY_PIXEL]
    return float(cv2.cvtColor(part, cv2.COLOR_RGB2GRAY).mean()) if part.size else float("nan")


def _calibration(snapshot: Snapshot) -> Iterator[Metric]:
    calibration = snapshot.calibration
    steps = {} if calibration is None else {(step,): at for step, at in measured_at(calibration).items()}
    text = "When a step was measured, seconds since 1970; the oldest of several actuators or sensors."
    yield _filled(GaugeMetricFamily("sorter_calibration_timestamp_seconds", text, labels=["step"]), steps)
    if calibration is not None and calibration.camera is not None:
        text = "Mean grey level of the empty region when it was calibrated, 0 to 255."
        yield GaugeMetricFamily("sorter_calibration_brightness", text, calibration.camera.brightness)


def measured_at(calibration: Calibration) -> Mapping[str, float]:
    """Return, of every step that was done, when its oldest measurement was made; what is no date is left out."""
    found: dict[str, float] = {}
    for name in Calibration.model_fields:
        done = getattr(calibration, name)
        measured = [done, *done.values()] if isinstance(done, dict) else [done]
        instants = [instant for step in measured if isinstance(step, Step) and (instant := _instant(step)) is not None]
        if instants:
            found[name] = min(instants)
    return found


def _instant(step: Step) -> float | None:
    try:
        told = datetime.fromisoformat(step.measured_at)
        return (told if told.tzinfo is not None else told.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError, OSError):
        return None


def _machine(machine: MachineState, disk_free: int | None) -> Iterator[Metric]:
    if machine.temperature_c is not None:
        yield GaugeMetricFamily("sorter_temperature_celsius", "The processor's temperature.", machine.temperature_c)
    if machine.throttled is not None:
        yield GaugeMetricFamily("sorter_throttled", "1 while the processor is slowed down.", machine.throttled)
    if machine.under_voltage is not None:
        yield GaugeMetricFamily("sorter_under_voltage", "1 while the supply is too weak.", machine.under_voltage)
    if disk_free is not None:
        yield GaugeMetricFamily("sorter_disk_free_bytes", "Room left for the state folder.", disk_free)


def _filled(family: GaugeMetricFamily | CounterMetricFamily, values: Mapping[Key, float]) -> Metric:
    """Return the family with a series for each tuple of its labels' values."""
    for key, value in sorted(values.items()):
        family.add_metric([str(part) for part in key], value)
    return family


def _histogram(name: str, text: str, latency: Latency) -> Metric:
    buckets = [(str(bound), float(count)) for bound, count in latency.buckets]
    buckets.append(("+Inf", float(latency.count)))
    return HistogramMetricFamily(name, text, buckets=buckets, sum_value=latency.total / NS_PER_S)
