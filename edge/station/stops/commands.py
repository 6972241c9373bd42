"""What people have a running station do from elsewhere: on its page, or through a broker. Nothing here waits but for the store."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from queue import SimpleQueue

from edge.clock import ms
from edge.config.actuators import ActuatorBase
from edge.devices.actuators.schedule import Jog, Schedule
from edge.errors import BundleError, ControlError, StoreError
from edge.health.health import Health
from edge.health.monitors.bin_levels import BinLevels
from edge.health.state import State
from edge.interfaces import Clock
from edge.models.install import wall_instant
from edge.models.records import Generation
from edge.models.store import ModelStore
from edge.station.stops.control import StopSwitch
from edge.station.teaching.classroom import Classroom
from edge.station.teaching.lesson import Lesson
from edge.types import EventKind
from edge.web.station.actions import ModelChoice
from edge.web.station.words import RefusedText

# How long a diverter stays in its position when it is jogged: long enough to be seen.
JOG_MS = 500.0


@dataclass(frozen=True)
class Commands:
    """The commands; any thread may give them, and each is journalled with `by`, who gave it.

    `resets` are taken by the inputs' own poll (see `StationIO`), jogs by the actuation thread (see `Schedule`).
    `sensed` are the bins with a level sensor. `store` is None where the station file names one model for good, `teaching` where the station is in no file.
    """

    switch: StopSwitch
    health: Health
    clock: Clock
    resets: SimpleQueue[str]
    levels: BinLevels
    sensed: Collection[str]
    schedule: Schedule
    diverters: Mapping[str, ActuatorBase]
    store: ModelStore | None
    lesson: Lesson
    teaching: Classroom | None

    def take(self, command: str, by: str) -> None:
        """Do what a broker asks for: "pause", "resume" or "reset"; what can't be done is not done."""
        if command == "reset":
            self.resets.put(by)
        else:
            self.switch.press(command, by)

    def press(self, action: str, by: str) -> None:
        """Stop the station ("pause"), or let it go on ("resume")."""
        self.switch.press(action, by)

    def reset(self, by: str) -> None:
        """Say that what was wrong was seen to.

        Raises:
            ControlError: the emergency stop was pressed: that takes somebody who sees the machine.
        """
        if self.health.state is State.ESTOP:
            raise ControlError(RefusedText.NO_FAR_RESET)
        self.resets.put(by)

    def empty(self, bin_name: str, by: str) -> None:
        """Say that a bin was emptied.

        Raises:
            ControlError: there is no such bin, or its level sensor says by itself when it is empty.
        """
        if bin_name not in self.levels.capacities:
            raise ControlError(RefusedText.NO_SUCH_BIN)
        if bin_name in self.sensed:
            raise ControlError(RefusedText.LEVEL_SENSOR)
        self.levels.empty([bin_name])
        self.health.person_did(EventKind.EMPTIED, f"The bin {bin_name} was emptied, says {by}.", self.clock.now())

    def jog(self, name: str, position: str, by: str) -> Jog:
        """Have a diverter go to a position and come back; what became of it stands in the jog within a moment.

        Raises:
            ControlError: no person has stopped the station, or there is no such diverter.
        """
        diverter = self.diverters.get(name)
        if diverter is None or position not in diverter.position_names:
            raise ControlError(RefusedText.NO_SUCH_DIVERTER)
        if self.lesson.is_on:
            raise ControlError(RefusedText.TAUGHT)
        if not self._may_jog():
            raise ControlError(RefusedText.NOT_STOPPED)
        jog = Jog(name, position, ms(min(diverter.lead_ms + JOG_MS, diverter.max_on_ms)), self._may_jog)
        self.schedule.jog(jog)
        to = f" to {position}" if position else ""
        self.health.person_did(EventKind.JOG, f"The diverter {name} was moved{to} by {by}.", self.clock.now())
        return jog

    def models(self) -> ModelChoice:
        """Return the active model, and the one before; reads the disk.

        Raises:
            ControlError: there is no store, or it can't be read.
        """
        _, generation = self._active()
        return self._choice(generation)

    def roll_back(self, generation: int, by: str) -> ModelChoice:
        """Come back to the previous model from this generation; writes to the disk.

        Raises:
            ControlError: there is none to come back to, or another model is active by now.
        """
        store, before = self._active()
        if before is None or before.previous is None:
            raise ControlError(RefusedText.NO_PREVIOUS)
        if before.number != generation:
            raise ControlError(RefusedText.OTHER_MODEL)
        try:
            after = store.roll_back(f"rolled back by {by}", wall_instant(self.clock), expected=generation)
        except (StoreError, BundleError) as error:
            raise ControlError(str(error)) from None
        return self._choice(after)

    def _may_jog(self) -> bool:
        """Whether a person has stopped the station, nothing worse is the matter, and nobody is putting things through."""
        return bool(self.health.hold.paused_by) and self.health.state is State.STOPPED and not self.lesson.is_on

    def _active(self) -> tuple[ModelStore, Generation | None]:
        if self.store is None:
            raise ControlError(RefusedText.ONE_MODEL)
        try:
            return self.store, self.store.active()
        except StoreError as error:
            raise ControlError(str(error)) from None

    def _choice(self, generation: Generation | None) -> ModelChoice:
        if generation is None or self.store is None:
            return ModelChoice("", "", 0)
        titles = {model.digest: model.title for model in self.store.models()}
        previous = generation.previous or ""
        return ModelChoice(
            titles.get(generation.current, generation.current[:12]),
            titles.get(previous, previous[:12]),
            generation.number,
        )
