"""How long a diverter takes that no camera sees, from what passes the exit sensor of its bin.

On a belt the diverter is fired for one item after the other, each time a little later before the item reaches it: the
latest command that still brings the item into the bin was just early enough. At a bin station an item lies ready, and
the time from the command until it passes the sensor is an upper bound.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median, pstdev

from edge.clock import NS_PER_MS, NS_PER_S, ms
from edge.config import Station
from edge.config.inputs import InputName, InputRole
from edge.config.sorting import Bin
from edge.errors import CalibrationError
from edge.interfaces import Trigger
from edge.sensing import build_trigger
from edge.tools.calibrate.measure.timing import Measured
from edge.tools.calibrate.operator.operator import Operator, Progress, Prompt
from edge.tools.calibrate.raw_edges import listening
from edge.tools.calibrate.rig import MeasurementRig
from edge.transport import build_belt
from edge.types import Item

# The search ends when it is known to this, and every result is tried once more.
RESOLUTION_MS = 4.0
# The first command comes so early, where the way is long enough.
EARLIEST_MS = 400.0
NOTICE_MS = 30.0
PATIENCE_S = 60.0
# From the diverter into the bin.
FALL_S = 1.5
DROPS = 5


def exit_of(station: Station, actuator: str) -> Bin | None:
    """Return a bin with an exit sensor that the actuator serves, if there is one."""
    fits = (w for w in station.bins if w.actuator == actuator and w.exit_pin is not None)
    return next((where for where in fits if station.belt is None or where.distance_mm is not None), None)


def measure_exits(rig: MeasurementRig, operator: Operator, where: Bin) -> Measured:
    """Measure the actuator of a bin with that bin's exit sensor.

    Raises:
        CalibrationError: nothing came past the sensor, or no item came.
    """
    if rig.station.belt is None:
        return _time_drops(rig, operator, where)
    operator.ask(Prompt.EMPTY)
    rig.run_belt(on=True)
    try:
        with operator.progress(f"Catching items with {where.actuator}") as progress:
            return _search(rig, operator, where, progress)
    finally:
        rig.run_belt(on=False)


# -- on a belt -------------------------------------------------------------------------------------------------


@dataclass
class _Shots:
    """One item after the other; `count` of them so far."""

    rig: MeasurementRig
    operator: Operator
    where: Bin
    trigger: Trigger
    count: int = 0

    def catches(self, early_ms: float) -> bool:
        """Fire so long before an item's front reaches the diverter; say whether it came into the bin."""
        rig, where = self.rig, self.where
        item = self._next_item()
        half = item.length_mm / 2
        front_at = item.crossed_at + self._way_ns(-half)
        rear_at = item.crossed_at + self._way_ns(half)
        name = InputName(InputRole.EXIT, where.name)
        with listening(rig, {str(name): where.exit_pin or 0}) as edges:
            rig.wait_until(front_at - ms(early_ms))
            with rig.fired(where.actuator or "", where.position):
                rig.wait_until(rear_at + ms(where.dwell_ms / 2))
            rig.wait(FALL_S)
        return any(level != rig.station.input(name).active_low for _, _, level in edges)

    def room_ms(self) -> float:
        """Return how early a stroke can be commanded at all: the item is decided at the line, a frame later."""
        frame_ms = 1000 / self.rig.settings.frames_per_s
        largest = self.rig.region.width * (self.rig.station.belt.mm_per_pixel if self.rig.station.belt else 0) / 4
        return self._way_ns(-largest / 2) / NS_PER_MS - 3 * frame_ms - NOTICE_MS

    def _way_ns(self, further_mm: float) -> int:
        belt, distance = self.rig.station.belt, self.where.distance_mm
        assert belt is not None
        assert distance is not None
        return round((distance + further_mm) / belt.speed_mm_per_s * NS_PER_S)

    def _next_item(self) -> Item:
        self.count += 1
        label = self.where.labels[0] if self.where.labels else "any"
        self.operator.ask(Prompt.KNOWN_ITEM, f"{label}, the {self.count}. for {self.where.actuator}")
        for frame in self.rig.frames_for(PATIENCE_S):
            for item in self.trigger.observe(frame):
                return item
        raise CalibrationError(
            f"no item came within {PATIENCE_S:g} s: does the belt run, and does the item pass under the camera?"
        )


def _search(rig: MeasurementRig, operator: Operator, where: Bin, progress: Progress) -> Measured:
    """Halve the time between a command that is early enough and one that is too late."""
    shots = _Shots(rig, operator, where, build_trigger(rig.station, build_belt(rig.station)))
    enough, late = min(EARLIEST_MS, shots.room_ms()), 0.0
    total = 2 + math.ceil(math.log2(max(2.0, enough / RESOLUTION_MS)))
    if enough < RESOLUTION_MS or not shots.catches(enough):
        raise CalibrationError(
            f"nothing came past {InputName(InputRole.EXIT, where.name)} although {where.actuator} was fired {enough:.0f} ms before the item "
            "reached it: check its plug and supply, the sensor, distance_mm of the bin, and the belt's speed"
        )
    while enough - late > RESOLUTION_MS:
        progress(min(1.0, shots.count / total))
        middle = (enough + late) / 2
        enough, late = (middle, late) if shots.catches(middle) else (enough, middle)
    enough, misses = _confirm(shots.catches, enough)
    progress(1.0)
    spread = (enough - late) / 2 * (1 + misses)
    return Measured(enough, spread, None, shots.count, "exit-sensor", known_to_ms=spread)


def _confirm(catches: Callable[[float], bool], early_ms: float) -> tuple[float, int]:
    """Try a result once more; where it fails now and then it is not early enough yet."""
    misses = 0
    while not catches(early_ms):
        misses += 1
        early_ms += RESOLUTION_MS
        if misses > 5:
            raise CalibrationError(
                "the diverter catches an item now and then only: put the same item in the same place each time, and check "
                "its supply"
            )
    return early_ms, misses


# -- at a bin --------------------------------------------------------------------------------------------------


def _time_drops(rig: MeasurementRig, operator: Operator, where: Bin) -> Measured:
    name = InputName(InputRole.EXIT, where.name)
    label = where.labels[0] if where.labels else "any"
    times: list[float] = []
    for n in range(DROPS):
        operator.ask(Prompt.ITEM_LIES, f"{label}, {n + 1} of {DROPS}")
        hold_ns = ms(rig.station.actuator(where.actuator or "").max_on_ms)
        with listening(rig, {str(name): where.exit_pin or 0}) as edges:
            with rig.fired(where.actuator or "", where.position) as commanded_at:
                rig.wait_until(commanded_at + hold_ns)
            rig.wait(FALL_S)
        passed = [at for _, at, level in edges if level != rig.station.input(name).active_low]
        if not passed:
            raise CalibrationError(
                f"nothing came past {name} although {where.actuator} was fired: check its plug and supply, the sensor, and "
                "that the item lay where items are put"
            )
        times.append((passed[0] - commanded_at) / NS_PER_MS)
    return Measured(median(times), pstdev(times), None, DROPS, "exit-sensor", known_to_ms=pstdev(times))
