"""A station with one of everything in its figures, for pages that show what a running one answers."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import numpy as np

import edge
from edge.bundle.pictures import encode_jpeg
from edge.clock import VirtualClock, ms
from edge.config import Station, load_station
from edge.config.calibration.record import Calibration, CameraStep
from edge.errors import ControlError
from edge.health.faults import Fault, FaultKind
from edge.health.monitors.machine import MachineState
from edge.health.state import State
from edge.line import Outcome
from edge.status.live import LiveView
from edge.status.snapshot import SeenPurity
from edge.types import Actuation, Box, Crop, Decision, Frame, Item, Reason, Stroke, StrokeOutcome
from edge.web.station.actions import ModelChoice, Moving
from edge.web.station.words import RefusedText

DISK_FREE = 21_000_000_000
CALIBRATION = Calibration(
    station="conveyor",
    camera=CameraStep(
        measured_at="2026-05-01T08:00:00+00:00", of="", identity="camera", x=0, y=0, width=640, height=480, focus=0.4,
        brightness=118.0, brightness_spread=0.5,
    ),
)  # fmt: skip


def _share(right: int, count: int, low: float, high: float) -> dict[str, float]:
    return {"value": right / count, "low": low, "high": high, "right": right, "count": count}


_BEFORE = {
    "top1": _share(13, 20, 0.43, 0.82),
    "recovery": _share(8, 20, 0.22, 0.61),
    "purity": _share(8, 9, 0.57, 0.98),
}
_AFTER = {
    "top1": _share(19, 20, 0.76, 0.99),
    "recovery": _share(15, 20, 0.53, 0.89),
    "purity": _share(15, 15, 0.8, 1.0),
}
TEACHING: dict[str, Any] = {
    "problem": "",
    "base": "waste-2.0",
    "active": "0" * 64,
    "heads": [{"version": "2.0+line-1.1", "at": "2026-05-01T08:12:00Z", "by": "anna", "digest": "0" * 64}],
    "labels": [
        {"label": "glass", "items": 10, "last": "2026-05-01 08:03", "bin": "glass"},
        {"label": "metal", "items": 4, "last": "2026-05-01 08:10", "bin": "metal"},
        {"label": "cup", "items": 0, "last": "", "bin": "residual"},
        {"label": "none-of-these", "items": 0, "last": "", "bin": "residual"},
    ],
    "report": {
        "station": "line-1", "base": "waste-2.0", "by": "127.0.0.1 on the page", "at": "2026-05-01T08:15:00Z",
        "refused": None, "version": "2.0+line-1.2", "digest": "1" * 64, "is_old": False,
        "labels": {"glass": {"items": 10, "before": _BEFORE, "after": _AFTER}},
        "before": _BEFORE, "after": _AFTER,
        "memory": {"all": {"before": _share(390, 450, 0.83, 0.9), "after": _share(391, 450, 0.83, 0.9)}},
        "advice": ["metal needs 6 more items: 4 are too few to rely on"], "notes": [], "unreadable": [],
    },
    "teacher": "127.0.0.1 on the page", "showing": "metal", "leads": False, "told": "", "not_counted": "",
    "recent": [{"number": 4, "label": "metal"}],
    "task": "", "share": 0.0, "is_simulated": False, "wanted": 10, "started": "1d0c2f",
}  # fmt: skip


class TaughtExample:
    """What a page asks of a station that somebody teaches."""

    def ask(self, action: str, by: str, values: Mapping[str, str]) -> Future[dict[str, Any]]:
        answer: Future[dict[str, Any]] = Future()
        answer.set_result(TEACHING)
        return answer

    def stay(self, mark: str) -> bool:
        return False

    def picture(self, number: int) -> bytes | None:
        return encode_jpeg(np.full((64, 64, 3), 120, np.uint8))


def station() -> Station:
    """Return a conveyor, one bin of which is counted."""
    shipped = load_station(Path(edge.__file__).parent / "stations" / "conveyor.toml")
    bins = [where.with_values(capacity=400) if where.name == "glass" else where for where in shipped.bins]
    return shipped.with_values(bins=bins)


class NobodyActs:
    """What a page lets people do at a station on which nobody does."""

    teaching = TaughtExample()

    def press(self, action: str, by: str) -> None: ...
    def reset(self, by: str) -> None: ...
    def empty(self, bin_name: str, by: str) -> None: ...

    def jog(self, name: str, position: str, by: str) -> Moving:
        raise ControlError(RefusedText.NOT_STOPPED)

    def models(self) -> ModelChoice:
        return ModelChoice("waste-2.0", "", 1)

    def roll_back(self, generation: int, by: str) -> ModelChoice:
        raise ControlError(RefusedText.NO_PREVIOUS)


def live(clock: VirtualClock) -> LiveView:
    """Return what is known of it: an item that was sorted, one that is unsure, one that is under way."""
    view = LiveView(clock, ("waste", "2.0"), CALIBRATION)
    started = clock.now()
    pixels = np.zeros((480, 640, 3), np.uint8)
    view.publish_frame(Frame(pixels, started, 1), ())
    crop = Crop(pixels, Box(200, 200, 80, 60), started, 100.0, 1.0)
    for number, label, score in ((1, "glass", 0.97), (2, "paper", 0.41), (3, "metal", 0.93)):
        is_sure = score > 0.5
        where, reason = (label, Reason.SORTED) if is_sure else ("residual", Reason.UNSURE)
        stroke = Actuation("valve", started + ms(300), started + ms(400), (number,)) if is_sure else None
        decision = Decision(number, where, reason, started, label, score, score - 0.02)
        view.publish_outcome(Outcome(Item(number, started - ms(30), (crop,)), None, decision, stroke, ms(15)))
        if number == 1 and stroke is not None:
            view.publish_stroke(Stroke(stroke, stroke.fire_at, stroke.release_at, StrokeOutcome.FIRED))
    view.publish_state(State.DEGRADED, [Fault(FaultKind.BIN_FULL, started, "paper")])
    view.publish_machine(MachineState(61.5, throttled=False, under_voltage=False))
    view.publish_journal({"stored": 3, "waiting": 0, "lost": 0})
    view.publish_levels({"glass": 130})
    view.publish_purity({"glass": SeenPurity(0.975, 0.87, 0.996, 40, 0, 1_767_225_600.0, 2)})
    clock.advance_to(started + ms(1000))
    return view
