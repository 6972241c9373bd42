"""What will be fired when: planned by the vision thread, carried out by the actuation thread.

A fire and its release enter together, so nothing that happens later to whoever planned it leaves a pulse
open. Strokes of one actuator that overlap in time share one pulse. A fire that comes too late is refused:
by then another item lies before the diverter.
"""

from __future__ import annotations

import heapq
import threading
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from itertools import count
from queue import SimpleQueue

from edge.clock import ms
from edge.errors import ActuatorError
from edge.interfaces import Actuator, Clock, Polled
from edge.types import Actuation, Stroke, StrokeOutcome

# 2.5 mm of a belt at 0.5 m/s: later than this and the stroke would not meet its item.
TOLERANCE_NS = ms(5)
# How long the actuation thread sleeps at most before it looks for the end of the run.
IDLE_NS = ms(50)


@dataclass
class _Pulse:
    """An actuator that is out of its safe position now, and the strokes that it serves."""

    position: str
    began_at: int
    release_at: int
    members: list[tuple[Actuation, int]]


@dataclass
class Jog:
    """A stroke that a person asks for by hand while everything is held; no item is meant.

    Attributes:
        span_ns: how long it stays out; the actuator's maximum bounds it too.
        may_move: asked at the very moment; it must wait for nobody.
        outcome: what became of it; PENDING as long as nobody has begun it.
    """

    actuator: str
    position: str
    span_ns: int
    may_move: Callable[[], bool]
    outcome: StrokeOutcome = StrokeOutcome.PENDING


class Schedule:
    """Planned strokes and open pulses of all actuators; every method may be called from any thread.

    `max_on_ns` bounds every pulse, however many strokes share it. Each planned stroke comes back exactly once
    as a Stroke, from `run_due` or `hold`.
    """

    def __init__(
        self, actuators: Mapping[str, Actuator], max_on_ns: Mapping[str, int], tolerance_ns: int = TOLERANCE_NS
    ) -> None:
        if missing := set(actuators) - set(max_on_ns):
            raise ValueError(f"no maximum on-time for {', '.join(sorted(missing))}")
        self._actuators = dict(actuators)
        self._paced = [actuator for actuator in actuators.values() if isinstance(actuator, Polled)]
        self._max_on_ns = dict(max_on_ns)
        self._tolerance_ns = tolerance_ns
        self._lock = threading.RLock()
        self._changed = threading.Event()
        self._planned: list[tuple[int, int, Actuation]] = []
        self._pulses: dict[str, _Pulse] = {}
        self._ended: list[Stroke] = []
        self._jogs: SimpleQueue[Jog] = SimpleQueue()
        self._sequence = count()
        self._held = False

    @property
    def inhibited(self) -> bool:
        """Whether everything is released and new strokes are refused."""
        return self._held

    def plan(self, actuation: Actuation) -> None:
        """Take a stroke in; while held it is refused, which `run_due` reports.

        Raises:
            ValueError: no such actuator or position, or it would be released before it is fired.
        """
        actuator = self._actuators.get(actuation.actuator)
        if actuator is None or actuation.position not in actuator.positions:
            known = ", ".join(f"{a.name}:{'|'.join(a.positions)}" for a in self._actuators.values())
            raise ValueError(f"expected one of {known}. Received: {actuation.actuator}:{actuation.position}")
        if actuation.release_at <= actuation.fire_at:
            raise ValueError(f"expected release_at > fire_at. Received: {actuation}")
        with self._lock:
            if self._held:
                self._ended.append(Stroke(actuation, None, None, StrokeOutcome.REFUSED))
            else:
                heapq.heappush(self._planned, (actuation.fire_at, next(self._sequence), actuation))
        self._changed.set()

    def jog(self, jog: Jog) -> None:
        """Move something by hand, at once and one at a time; only while held, and never while `may_move` says no.

        Whoever asks waits for no lock, so that an emergency stop never waits for whoever asks.
        """
        self._jogs.put(jog)

    def revise(self, before: Actuation, after: Actuation | None) -> bool:
        """Put `after` in the place of a stroke that has not been fired, or cancel it; False if it is too late for that."""
        with self._lock:
            left = [entry for entry in self._planned if entry[2] is not before]
            if len(left) == len(self._planned):
                return False
            heapq.heapify(left)
            self._planned = left
            outcome = StrokeOutcome.CANCELLED if after is None else StrokeOutcome.MOVED
            self._ended.append(Stroke(before, None, None, outcome))
            if after is not None:
                self.plan(after)
        self._changed.set()
        return True

    def next_at(self) -> int | None:
        """Return the instant at which `run_due` has something to do next; 0 is at once, None is nothing planned."""
        with self._lock:
            if self._ended:
                return 0
            instants = [pulse.release_at for pulse in self._pulses.values()]
            instants += [at for actuator in self._paced if (at := actuator.next_at()) is not None]
            if self._planned:
                instants.append(self._planned[0][0])
            return min(instants, default=None)

    def wait(self, clock: Clock, stop: threading.Event) -> None:
        """Sleep until something is due, an earlier stroke is planned, or a short while has passed."""
        self._changed.clear()
        if stop.is_set():
            return
        due = self.next_at()
        limit = clock.now() + IDLE_NS
        clock.sleep_until(limit if due is None else min(due, limit), self._changed)

    def run_due(self, now: int) -> list[Stroke]:
        """Fire and release all that is due, in the order of its instants; return the strokes that ended."""
        with self._lock:
            while True:
                fire_at = self._planned[0][0] if self._planned else None
                name = min(self._pulses, key=lambda n: self._pulses[n].release_at, default=None)
                release_at = self._pulses[name].release_at if name is not None else None
                # A fire at the very instant of a release keeps the pulse open.
                if fire_at is not None and fire_at <= now and (release_at is None or fire_at <= release_at):
                    self._fire(heapq.heappop(self._planned)[2], now)
                elif name is not None and release_at is not None and release_at <= now:
                    self._release(name, now)
                else:
                    break
            while not self._jogs.empty():
                self._begin_jog(self._jogs.get_nowait(), now)
            self._pace(now)
            ended, self._ended = self._ended, []
            return ended

    def inhibit(self, now: int) -> list[Stroke]:
        """Release everything, cancel what is planned and refuse new strokes until `resume`; may be called twice.

        All actuators are released even if one of them raises; what is not an ActuatorError is raised at the end.
        """
        with self._lock:
            self._held = True
            self._ended += [
                Stroke(actuation, None, None, StrokeOutcome.CANCELLED) for _, _, actuation in sorted(self._planned)
            ]
            self._planned.clear()
            with ExitStack() as releases:
                for name in self._actuators:
                    releases.callback(self._release, name, now)
            ended, self._ended = self._ended, []
        self._changed.set()
        return ended

    def resume(self) -> None:
        """Take strokes again."""
        with self._lock:
            self._held = False

    def _pace(self, now: int) -> None:
        """Let steppers step and servos rest; one that can't refuses its next stroke, which is then reported."""
        for actuator in self._paced:
            with suppress(ActuatorError):
                actuator.run_due(now)

    def _fire(self, actuation: Actuation, now: int) -> None:
        name = actuation.actuator
        pulse = self._pulses.get(name)
        limit = (pulse.began_at if pulse else now) + self._max_on_ns[name]
        late = now - actuation.fire_at > self._tolerance_ns
        if late or (pulse is not None and (pulse.position != actuation.position or actuation.release_at > limit)):
            self._ended.append(Stroke(actuation, None, None, StrokeOutcome.REFUSED))
            return
        if pulse is not None:
            pulse.members.append((actuation, now))
            pulse.release_at = max(pulse.release_at, actuation.release_at)
            return
        # Entered before the pin is touched: should it raise, the release is already on its way.
        self._pulses[name] = _Pulse(actuation.position, now, min(actuation.release_at, limit), [(actuation, now)])
        try:
            self._actuators[name].fire(actuation.position)
        except ActuatorError:
            self._release(name, now, failed=True)

    def _begin_jog(self, jog: Jog, now: int) -> None:
        # Under the lock: an emergency stop says so first and releases everything then, so it comes before or after all this.
        if not self._held or self._pulses or not jog.may_move():
            jog.outcome = StrokeOutcome.REFUSED
            return
        name = jog.actuator
        self._pulses[name] = _Pulse(jog.position, now, now + min(jog.span_ns, self._max_on_ns[name]), [])
        try:
            self._actuators[name].fire(jog.position)
            jog.outcome = StrokeOutcome.FIRED
        except ActuatorError:
            self._release(name, now, failed=True)
            jog.outcome = StrokeOutcome.FAILED

    def _release(self, name: str, now: int, *, failed: bool = False) -> None:
        pulse = self._pulses.pop(name, None)
        try:
            self._actuators[name].release()
        except ActuatorError:
            failed = True
        finally:
            if pulse is not None:
                outcome = StrokeOutcome.FAILED if failed else StrokeOutcome.FIRED
                self._ended += [Stroke(actuation, fired_at, now, outcome) for actuation, fired_at in pulse.members]
