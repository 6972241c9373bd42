"""The station: everything a person writes about one sorter, in one frozen tree."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from edge.config.actuators import ActuatorSettings
from edge.config.base import Language, Name, Settings
from edge.config.belt import Belt
from edge.config.cameras import CameraSettings
from edge.config.inputs import ESTOP, Input, InputName, InputRole
from edge.config.notify import NotifySettings
from edge.config.probation import ProbationSettings
from edge.config.service import JournalSettings, Page, ReceiveSettings, Safety
from edge.config.simulation import Simulation
from edge.config.sorting import Bin, Deciding, Inference, Region, Sensing
from edge.words import ENGLISH, languages

RESIDUAL = "residual"


class Station(Settings):
    """One sorter, as its people describe it."""

    name: Name = Field(description="the station's name")
    kind: Literal["bin", "conveyor"] = Field(
        description="bin: one item at a time before the lens; conveyor: items pass"
    )
    state_folder: Path = Field(
        default=Path("/var/lib/sorter"), description="journal, calibration, models; relative to the station file"
    )
    language: Language = Field(
        default=ENGLISH,
        description="language of messages, and of the page where a browser asks for none that there is: "
        + ", ".join(languages()),
        examples=["vi"],
    )
    camera: CameraSettings
    region: Region = Region()
    belt: Belt | None = None
    sensing: Sensing = Sensing()
    inference: Inference = Inference()
    receive: ReceiveSettings = ReceiveSettings()
    probation: ProbationSettings = ProbationSettings()
    deciding: Deciding = Deciding()
    bins: tuple[Bin, ...] = Field(min_length=1)
    actuators: tuple[ActuatorSettings, ...] = ()
    safety: Safety = Safety()
    inputs: dict[str, Input] = Field(
        default={}, description="inputs.NAME.active_low and inputs.NAME.debounce_ms (5); calibration learns them"
    )
    journal: JournalSettings = JournalSettings()
    page: Page = Page()
    notify: NotifySettings = NotifySettings()
    simulation: Simulation = Simulation()

    @model_validator(mode="after")
    def _hangs_together(self) -> Station:
        problems = list(self._cross_checks())
        if problems:
            raise ValueError("\n".join(problems))
        return self

    def _cross_checks(self) -> list[str]:
        problems = [f"two bins are called {n!r}" for n, k in Counter(b.name for b in self.bins).items() if k > 1]
        problems += [
            f"two actuators are called {n!r}" for n, k in Counter(a.name for a in self.actuators).items() if k > 1
        ]
        labels = Counter(label for b in self.bins for label in b.labels)
        problems += [f"label {label!r} is in {k} bins; expected one" for label, k in labels.items() if k > 1]
        if RESIDUAL not in self._names():
            problems.append(f'no bin is called {RESIDUAL!r}: unsure items need one; add [[bins]] name = "{RESIDUAL}"')
        if self.kind == "conveyor" and self.belt is None:
            problems.append("a conveyor needs a [belt] table with speed_mm_per_s and mm_per_pixel")
        if self.kind == "bin" and self.belt is not None:
            problems.append('a bin station has no [belt]; remove the table or set kind = "conveyor"')
        for where in self.bins:
            problems += self._check_bin(where)
        problems += self._check_inputs()
        problems += [
            f"pin {pin} is used by {' and '.join(users)}" for pin, users in self.pin_users().items() if len(users) > 1
        ]
        return problems

    def _names(self) -> set[str]:
        return {where.name for where in self.bins}

    def _check_bin(self, where: Bin) -> list[str]:
        if where.actuator is None:
            return (
                []
                if where.name == RESIDUAL
                else [f"bin {where.name!r} has no actuator; only {RESIDUAL!r} may have none"]
            )
        actuator = next((a for a in self.actuators if a.name == where.actuator), None)
        if actuator is None:
            known = ", ".join(sorted(a.name for a in self.actuators)) or "none"
            return [f"bin {where.name!r} uses actuator {where.actuator!r}, which is not there (there are: {known})"]
        problems = []
        if where.position not in actuator.position_names:
            allowed = ", ".join(map(repr, sorted(actuator.position_names)))
            problems.append(
                f"bin {where.name!r}: position {where.position!r} of {actuator.name!r}; expected one of {allowed}"
            )
        if self.kind == "conveyor" and where.distance_mm is None:
            problems.append(f"bin {where.name!r} needs distance_mm, from the decision line to its diverter")
        if where.dwell_ms > actuator.max_on_ms:
            problems.append(
                f"bin {where.name!r}: dwell_ms {where.dwell_ms:g} is longer than max_on_ms {actuator.max_on_ms:g} of {actuator.name!r}"
            )
        return problems

    def _check_inputs(self) -> list[str]:
        fitted = self.pins_by_text()
        known = ", ".join(fitted) or "none"
        problems = [
            f"inputs.{name}: no such input is fitted (there are: {known})" for name in self.inputs if name not in fitted
        ]
        if not self.input(ESTOP).active_low:
            problems.append(
                f"inputs.{ESTOP}.active_low: a cut wire must mean stopped, so it is always low while pressed"
            )
        return problems

    def input_pins(self) -> dict[InputName, int]:
        """Return the pin of every input, encoder apart."""
        wanted = {
            ESTOP: self.safety.estop_pin,
            InputName(InputRole.RESET): self.safety.reset_pin,
            InputName(InputRole.JAM): self.safety.jam_pin,
            InputName(InputRole.BEAM): self.sensing.beam_pin,
            **{InputName(InputRole.FULL, where.name): where.full_pin for where in self.bins},
            **{InputName(InputRole.EXIT, where.name): where.exit_pin for where in self.bins},
        }
        return {name: number for name, number in wanted.items() if number is not None}

    def pins_by_text(self) -> dict[str, int]:
        """Return the pin of every input under the name that people and files call it by."""
        return {str(name): number for name, number in self.input_pins().items()}

    def input(self, name: InputName) -> Input:
        """Return how an input behaves."""
        return self.inputs.get(str(name), Input())

    def pin_users(self) -> dict[int, list[str]]:
        """Return every GPIO number in use with the keys that use it."""
        users: dict[int, list[str]] = {}

        def use(pin: int | None, key: str) -> None:
            if pin is not None:
                users.setdefault(pin, []).append(key)

        for actuator in self.actuators:
            for key, pin in actuator.pins().items():
                use(pin, f"actuator {actuator.name} {key}")
        for where in self.bins:
            use(where.full_pin, f"bin {where.name} full_pin")
            use(where.exit_pin, f"bin {where.name} exit_pin")
        for key in ("estop_pin", "reset_pin", "jam_pin", "beacon_pin"):
            use(getattr(self.safety, key), f"safety.{key}")
        use(self.sensing.beam_pin, "sensing.beam_pin")
        if self.belt is not None:
            use(self.belt.run_pin, "belt.run_pin")
            if self.belt.encoder is not None:
                use(self.belt.encoder.pin_a, "belt.encoder.pin_a")
                use(self.belt.encoder.pin_b, "belt.encoder.pin_b")
        return users

    def bin(self, name: str) -> Bin:
        """Return the bin of that name; KeyError if there is none."""
        for where in self.bins:
            if where.name == name:
                return where
        raise KeyError(name)

    def actuator(self, name: str) -> ActuatorSettings:
        """Return the actuator of that name; KeyError if there is none."""
        for actuator in self.actuators:
            if actuator.name == name:
                return actuator
        raise KeyError(name)

    def route(self, label: str) -> Bin:
        """Return the bin that a label belongs in: residual when no bin names it."""
        for where in self.bins:
            if label in where.labels:
                return where
        return self.bin(RESIDUAL)
