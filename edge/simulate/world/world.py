"""The simulated world around one station: what its camera sees, what its pins move and what its sensors say.

Times are instants of the station's clock. Everything that happens is an entry of one agenda, so that the
same seed gives the same world, however fast the clock runs.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable
from typing import Final

from edge.clock import NS_PER_S, ms
from edge.config import Station
from edge.devices.actuators import ACTUATOR_TYPES
from edge.devices.actuators.actuator_type import PinState
from edge.interfaces import Clock
from edge.simulate.world.camera_model import CameraModel
from edge.simulate.world.event_queue import EventQueue
from edge.simulate.world.faults import InjectedFault, Planned, check_target
from edge.simulate.world.flap import build_flap
from edge.simulate.world.input_pins import InputPins
from edge.simulate.world.motion import BeltMotion
from edge.simulate.world.scene import Scene, build_scene
from edge.simulate.world.surroundings import Surroundings
from edge.simulate.world.truth import TrueItem

_SLIPPING: Final = 0.6  # of the drum's speed
_FOLLOW_NS: Final = ms(10)  # in real time: what pins or faults have changed meanwhile is noticed after that


class World:
    """One run of the simulated world; safe to use from several threads.

    Attributes:
        scene: the belt or the bin.
        flaps: the moving part of each actuator, by the actuator's name.
        wires: the input pins.
        surroundings: lamps, rails, how the camera hangs; tests and calibrating change them.
        camera: what the camera over it takes.
        agenda, lock: what will happen, and what guards all of it; for hands that reach in (`edge.simulate.world.hand`).
    """

    def __init__(self, station: Station, clock: Clock, injected_faults: Iterable[Planned] = ()) -> None:
        self.station = station
        self.started_at = clock.now()
        self.clock = clock
        self.lock = threading.RLock()
        self._reports: deque[tuple[int, int, PinState]] = deque()
        self._active: dict[InjectedFault, set[str]] = {}
        self.events = EventQueue()
        self.input_pins = InputPins(station, self.events, self.started_at)
        speed = station.belt.speed_mm_per_s if station.belt is not None else 0.0
        self._nominal = speed
        # A belt with a relay stands until the relay lets it run.
        self._run_allowed = station.belt is None or station.belt.run_pin is None
        self.drum = BeltMotion(self.started_at, speed if self._run_allowed else 0.0)
        self.surface = BeltMotion(self.started_at, speed if self._run_allowed else 0.0)
        self.flaps = {a.name: build_flap(a, self.started_at) for a in station.actuators}
        self._drives = {
            a.name: ACTUATOR_TYPES[a.type].drive(a, self.flaps[a.name], self.input_pins.set) for a in station.actuators
        }
        self._stepping = {
            pin for a in station.actuators if ACTUATOR_TYPES[a.type].steps_itself for pin in a.pins().values()
        }
        self._drive_of_pin = {pin: a.name for a in station.actuators for pin in a.pins().values()}
        self.scene: Scene = build_scene(
            station, self.surface, self.flaps, self.events, self.input_pins, self.started_at
        )
        self.surroundings = Surroundings()
        self.camera = CameraModel(
            station, self.scene, self.surface, self.surroundings, self.is_active, self.lock, self.started_at
        )
        self._coasted_at = 0
        self.input_pins.turn_encoder(self.drum)
        for planned in injected_faults:
            self.plan(planned)

    # -- time --------------------------------------------------------------------------------------------------

    def next_at(self) -> int | None:
        """Return the instant of the next thing that happens; a pin's new level is still to be taken in."""
        with self.lock:
            return self._reports[0][0] if self._reports else self.events.next_at()

    def run_due(self, now: int) -> None:
        """Let everything happen that is due by `now`, in order."""
        with self.lock:
            while self._reports and self._reports[0][0] <= now:
                at, pin, state = self._reports.popleft()
                self.events.run_due(at - 1)
                self._take_report(pin, state, at)
            self.events.run_due(now)
        # Outside the lock: who listens to an input may take locks of its own, and write to pins under them.
        self.input_pins.notify()

    def follow(self, stop: threading.Event) -> None:
        """Let everything happen at its time until `stop` is set: the body of a thread in real time."""
        while not stop.is_set():
            now = self.clock.now()
            due = self.next_at()
            if due is None or due > now:
                limit = now + _FOLLOW_NS
                self.clock.sleep_until(limit if due is None else min(due, limit), stop)
            self.run_due(self.clock.now())

    @property
    def refusing_pins(self) -> frozenset[int]:
        """GPIO numbers that can't be driven now."""
        return frozenset(self._drive_of_pin if self.is_active(InjectedFault.ACTUATOR_REFUSED) else ())

    # -- pins --------------------------------------------------------------------------------------------------

    def report_pin(self, pin: int, state: PinState) -> None:
        """Take note of a new level at an output pin; never waits, so that nothing delays the product's strokes."""
        now = self.clock.now()
        self._reports.append((now, pin, state))
        if pin in self._stepping:
            self.run_due(now)  # a home switch is read right after the step

    def _take_report(self, pin: int, state: PinState, at: int) -> None:
        name = self._drive_of_pin.get(pin)
        belt = self.station.belt
        if name is not None:
            self._drives[name].on_pin(pin, state, at)
            self.scene.flap_moved(name, at)
        elif belt is not None and pin == belt.run_pin:
            self._run_allowed = state.level is not None and state.level > 0.5
            self._move_belt(at)

    # -- what goes wrong ---------------------------------------------------------------------------------------

    def plan(self, planned: Planned) -> None:
        """Let it happen at its time.

        Raises:
            ConfigError: the station has nothing of that name, or no sensor that would notice.
        """
        check_target(self.station, planned.kind, planned.target)
        start = self.started_at
        self.events.at(start + planned.start_ns, lambda at: self._disturb(planned.kind, planned.target, True, at))
        if planned.end_ns is not None:
            self.events.at(start + planned.end_ns, lambda at: self._disturb(planned.kind, planned.target, False, at))

    def disturb(self, kind: InjectedFault, target: str = "", active: bool = True) -> None:
        """Begin or end it now."""
        check_target(self.station, kind, target)
        with self.lock:
            now = self.clock.now()
            self.events.at(now, lambda at: self._disturb(kind, target, active, at))
        self.run_due(now)

    def is_active(self, kind: InjectedFault) -> bool:
        return bool(self._active.get(kind))

    def _disturb(self, kind: InjectedFault, target: str, active: bool, at: int) -> None:
        targets = self._active.setdefault(kind, set())
        if active:
            targets.add(target)
        else:
            targets.discard(target)
        safety = self.station.safety
        if kind in (InjectedFault.BELT_STOPPED, InjectedFault.BELT_SLIPPING):
            self._move_belt(at)
        elif kind is InjectedFault.DIVERTER_STUCK:
            self.flaps[target].set_stuck(at, active)
        elif kind is InjectedFault.DIVERTER_UNPLUGGED:
            self._power(at)
        elif kind is InjectedFault.EMERGENCY_STOP:
            self.input_pins.set(safety.estop_pin, not active)
            self._power(at)
            self._move_belt(at)
        elif kind is InjectedFault.RESET:
            self.input_pins.set(safety.reset_pin, not active)
        elif kind is InjectedFault.JAM:
            self.scene.blocked = active
            self.input_pins.set(safety.jam_pin, not active)
        elif kind is InjectedFault.BIN_FULL:
            self.input_pins.set(self.station.bin(target).full_pin, not active)

    def _move_belt(self, at: int) -> None:
        coasting_ns = round(self.surroundings.coasting_s * NS_PER_S)
        if not self._run_allowed and self.drum.speed_at(at) > 0 and coasting_ns and at != self._coasted_at:
            self._coasted_at = at + coasting_ns
            self.events.at(self._coasted_at, self._move_belt)
            return
        stopped = self.is_active(InjectedFault.BELT_STOPPED) or self.is_active(InjectedFault.EMERGENCY_STOP)
        speed = self._nominal if self._run_allowed and not stopped else 0.0
        self.drum.set_speed(at, speed)
        self.surface.set_speed(at, speed * (_SLIPPING if self.is_active(InjectedFault.BELT_SLIPPING) else 1.0))

    def _power(self, at: int) -> None:
        unplugged = self._active.get(InjectedFault.DIVERTER_UNPLUGGED, set())
        for name, flap in self.flaps.items():
            flap.set_powered(at, name not in unplugged and not self.is_active(InjectedFault.EMERGENCY_STOP))

    @property
    def inputs(self) -> dict[int, bool]:
        """Levels of the input pins, by GPIO number."""
        return self.input_pins.levels

    # -- what is seen ------------------------------------------------------------------------------------------

    @property
    def items(self) -> list[TrueItem]:
        """Every item so far, in the order of arrival."""
        return self.scene.items

    def stop_feeding(self) -> None:
        """Let no more items come."""
        with self.lock:
            self.scene.stop_feeding()
