"""Known items through the running station, one by one: what is put in, what the station does, where it lands."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from edge.clock import NS_PER_MS, NS_PER_S
from edge.config import RESIDUAL, Station
from edge.config.inputs import InputRole
from edge.devices.gpio.inputs import Edge
from edge.errors import CalibrationError
from edge.health.monitors import Observer
from edge.health.state import INHIBITED_STATES, State
from edge.status.live import LiveView
from edge.status.snapshot import RecentItem
from edge.tools.calibrate.operator.operator import Operator, Prompt
from edge.tools.calibrate.verdict import NOWHERE, Checked
from edge.types import REASON_TEXT

# An item that is not seen for so long is asked for again, and in the end given up.
REMIND_NS, GIVE_UP_NS = 30 * NS_PER_S, 180 * NS_PER_S
# From the end of its way to the exit sensor, and for a bin station all of its way.
FALL_NS = 4 * NS_PER_S
# A station that is not ready by then will not be.
START_NS = 20 * NS_PER_S
SKIP, QUIT = "s", "q"
KEYS: Final = "123456789abcdefghijklmnop"


class Stage(StrEnum):
    """What is waited for."""

    READY = "ready"
    ITEM = "item"
    LANDING = "landing"
    ANSWER = "answer"
    DONE = "done"


class SeenToLand(Observer):
    """Keeps the bins whose exit sensors saw something fall in, oldest first."""

    def __init__(self) -> None:
        self.bins: deque[str] = deque(maxlen=64)

    def on_edge(self, edge: Edge) -> None:
        if edge.active and edge.name.role is InputRole.EXIT:
            self.bins.append(edge.name.bin)


@dataclass
class AcceptanceTest:
    """One round; `watch` is called several times a second.

    Attributes:
        labels: what is asked for, item by item.
        poll: returns the key that was pressed since the last call, "" if none was.
        done: called when the round is over.
    """

    station: Station
    operator: Operator
    labels: Sequence[str]
    live: LiveView
    poll: Callable[[], str]
    seen: SeenToLand
    done: Callable[[], None]
    checked: list[Checked] = field(default_factory=list)
    miscounted: int = 0
    stage: Stage = Stage.READY
    _number: int = 0
    _since: int = 0
    _reminded_at: int = 0
    _last_item: int = 0
    _item: RecentItem | None = None

    def watch(self, now: int) -> None:
        """Go on if something has happened.

        Raises:
            CalibrationError: the station did not get ready, or no item came.
        """
        if self.stage is Stage.DONE:
            return
        self._since = self._since or now
        key = self.poll()[:1]
        if key == QUIT and self.checked:
            self._finish()
        elif self.stage is Stage.READY:
            self._await_ready(now)
        elif self.stage is Stage.ITEM:
            self._await_item(now, key)
        elif self.stage is Stage.LANDING:
            self._await_landing(now)
        else:
            self._await_answer(key, now)

    # -- stages ------------------------------------------------------------------------------------------------

    def _await_ready(self, now: int) -> None:
        snapshot = self.live.snapshot()
        if snapshot.state not in INHIBITED_STATES:
            self._ask_for_item(now)
        elif snapshot.paused_by:
            raise CalibrationError(
                f"the station was stopped by {snapshot.paused_by}: start it and run `sorter resume`, then come back"
            )
        elif snapshot.state is State.ESTOP or now - self._since > START_NS:  # most other faults pass by themselves
            told = "; ".join(f"{fault.text} {fault.spec.advice}" for fault in snapshot.faults) or "no picture came"
            raise CalibrationError(f"the station does not get ready to sort: {told}")

    def _ask_for_item(self, now: int) -> None:
        if self._number == len(self.labels):
            self._finish()
            return
        self._last_item = self._newest()
        self.seen.bins.clear()
        self.stage, self._since, self._reminded_at = Stage.ITEM, now, now
        self.operator.ask(Prompt.KNOWN_ITEM, f"{self.labels[self._number]}, {self._number + 1} of {len(self.labels)}")

    def _await_item(self, now: int, key: str) -> None:
        fresh = [item for item in self.live.snapshot().items if item.decision.item_id > self._last_item]
        if key == SKIP:
            self.operator.say("Not seen: noted as missed.")
            self._next(now, miscounted=1)
        elif fresh:
            self._item = min(fresh, key=lambda item: item.decision.item_id)
            self.miscounted += len(fresh) - 1
            self.stage, self._since = Stage.LANDING, now
            self._tell_decision(self._item)
        elif now - self._since > GIVE_UP_NS:
            raise CalibrationError(
                f"no item was seen within {GIVE_UP_NS // NS_PER_S} s: does the belt run, and does the item pass under the camera?"
            )
        elif now - self._reminded_at > REMIND_NS:
            self._reminded_at = now
            self.operator.say(
                f"No item was seen yet. If it went by unseen press {SKIP}; {QUIT} ends with those that are done."
            )

    def _await_landing(self, now: int) -> None:
        item = self._item
        assert item is not None
        if self.seen.bins:
            self._note(self.seen.bins[0], now, by_sensor=True)
        elif now - self._since > self._way_ns or (self.operator.is_there and not self._has_sensor(item.decision.bin)):
            if self.operator.is_there:
                self.stage = Stage.ANSWER
                answers = "   ".join(f"{key} {name}" for key, name in zip(KEYS, self._places, strict=False))
                self.operator.say(f"Where did it land?   {answers}")
            else:  # what no sensor saw fell off the end, if it can
                self._note(NOWHERE if self._has_sensor(RESIDUAL) else RESIDUAL, now)

    def _await_answer(self, key: str, now: int) -> None:
        if self.seen.bins:
            self._note(self.seen.bins[0], now, by_sensor=True)
        elif key and key in KEYS[: len(self._places)]:
            self._note(self._places[KEYS.index(key)], now)

    # -- notes -------------------------------------------------------------------------------------------------

    def _tell_decision(self, item: RecentItem) -> None:
        decision = item.decision
        taken = f"taken for {decision.label} ({decision.score:.0%})" if decision.label else "not recognised"
        spare = "" if item.spare_ns is None else f", {item.spare_ns / NS_PER_MS:.0f} ms before the stroke was due"
        self.operator.say(f"{taken}, sent to {decision.bin}{spare}: {REASON_TEXT[decision.reason]}")

    def _note(self, landed: str, now: int, *, by_sensor: bool = False) -> None:
        item, label = self._item, self.labels[self._number]
        assert item is not None
        one = Checked(
            label=label,
            expected=self.station.route(label).name,
            landed=landed,
            reason=REASON_TEXT[item.decision.reason],
            taken_for=item.decision.label,
            margin_ms=None if item.spare_ns is None else item.spare_ns / NS_PER_MS,
            picture=self.live.picture(item.decision.item_id),
            seen_by="exit sensor" if by_sensor else "person" if self.operator.is_there else "",
        )
        self.checked.append(one)
        verdict = "right" if one.right else f"belongs in {one.expected}"
        self.operator.say(f"landed in {landed}{' (exit sensor)' if by_sensor else ''}: {verdict}")
        self._next(now)

    def _next(self, now: int, miscounted: int = 0) -> None:
        self.miscounted += miscounted
        self._number += 1
        self._item = None
        self._ask_for_item(now)

    def _finish(self) -> None:
        self.stage = Stage.DONE
        self.done()

    def _newest(self) -> int:
        return max((item.decision.item_id for item in self.live.snapshot().items), default=0)

    def _has_sensor(self, name: str) -> bool:
        return self.station.bin(name).exit_pin is not None

    @property
    def _places(self) -> list[str]:
        return [*(where.name for where in self.station.bins), NOWHERE]

    @property
    def _way_ns(self) -> int:
        """From the decision to the last moment at which an exit sensor may see an item."""
        belt = self.station.belt
        if belt is None:
            return 2 * FALL_NS
        longest = max((where.distance_mm for where in self.station.bins if where.distance_mm is not None), default=0.0)
        return round(longest / belt.speed_mm_per_s * NS_PER_S) + FALL_NS
