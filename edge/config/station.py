"""The station: everything a person writes about one sorter, in one frozen tree."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from edge.config.actuators import ActuatorSettings
from edge.config.base import Ms, Name, Pin, Pixel, Pixels, Settings
from edge.config.belt import Belt
from edge.config.cameras import CameraSettings
from edge.config.inputs import ESTOP, Input, InputName, InputRole
from edge.config.probation import ProbationSettings
from edge.config.simulation import Simulation

RESIDUAL = "residual"


class Region(Settings):
    """The part of the picture that is looked at; pixels."""

    x: Pixel = Field(default=0, description="left edge, pixels")
    y: Pixel = Field(default=0, description="top edge, pixels")
    width: Pixels | None = Field(default=None, description="width, pixels; unset: to the right edge")
    height: Pixels | None = Field(default=None, description="height, pixels; unset: to the bottom edge")


class Bin(Settings):
    """Where items land."""

    name: Name = Field(description="bin's name; one bin must be called residual")
    labels: tuple[Name, ...] = Field(default=(), description="labels of the model that belong in it")
    actuator: Name | None = Field(default=None, description="what brings items here; none: the end of the belt")
    position: str = Field(default="", description="position of that actuator, for servos and steppers")
    distance_mm: float | None = Field(
        default=None, gt=0, le=20_000, description="decision line to diverter, along the belt, mm"
    )
    dwell_ms: Ms = Field(
        default=120.0, le=10_000, description="how long the actuator stays, on top of the item's own length, ms"
    )
    capacity: int | None = Field(
        default=None,
        ge=1,
        description="items until it counts as full, where no full_pin says so; unset: never",
        examples=[400],
    )
    full_pin: Pin | None = Field(default=None, description="input that is low when the bin is full")
    exit_pin: Pin | None = Field(default=None, description="input that is low while an item falls into the bin")
    enabled: bool = Field(default=True, description="false: its items go to residual")
    min_purity: float | None = Field(
        default=None, gt=0, lt=1, description="purity asked for, if other than the model's own", examples=[0.98]
    )


class Sensing(Settings):
    """Finding and following items."""

    min_item_mm2: float = Field(
        default=200.0, gt=0, description="smaller things are dirt, mm2 (pixels2 without a scale)"
    )
    largest_item_mm: float | None = Field(
        default=None, gt=0, le=5000, description="what is longer is two items that touch, mm; unset: any length"
    )
    sensitivity: float = Field(default=1.0, ge=0.2, le=5, description="above 1 sees fainter items and more dirt")
    settle_ms: Ms = Field(default=300.0, le=10_000, description="bin station: how long an item must lie still, ms")
    beam_pin: Pin | None = Field(
        default=None, description="beam-break or proximity sensor, low while an item is there", examples=[25]
    )
    beam_to_line_mm: float = Field(default=0.0, ge=-5000, le=5000, description="sensor to decision line, mm")


class Inference(Settings):
    """The model and how it is run."""

    bundle: Path | None = Field(
        default=None,
        description="a bundle file; unset: the store's current one, else the shipped one",
        examples=["waste-1.2.sorter"],
    )
    runtime: Literal["auto", "litert", "tflite-runtime"] = Field(default="auto", description="interpreter")
    threads: int = Field(default=1, ge=1, le=8, description="inference threads")
    max_crops: int = Field(default=3, ge=1, le=10, description="pictures of one item that are looked at, at most")
    max_invoke_ms: float | None = Field(
        default=None, gt=0, description="a model slower than this is not activated, ms", examples=[80.0]
    )
    allow_unsigned: bool = Field(default=False, description="use bundles without a signature by a trusted key")
    keys: Path = Field(default=Path("keys"), description="folder of trusted keys, *.pub; relative to the station file")


class ReceiveSettings(Settings):
    """What whoever may push a model over SSH may ask for besides."""

    allow_downgrade: bool = Field(default=False, description="a pushed model may be older than the current one")
    allow_no_probation: bool = Field(default=False, description="a pushed model may go to work without probation")


class Deciding(Settings):
    """When an item is sure enough for its bin."""

    min_score: float | None = Field(
        default=None, ge=0, le=1, description="one threshold for all labels; unset: the model's own", examples=[0.8]
    )
    min_margin: float = Field(default=0.0, ge=0, le=1, description="least distance to the second best score")
    min_gap_mm: float = Field(
        default=0.0, ge=0, le=1000, description="least gap between items that the widest blade or jet leaves alone, mm"
    )


class JournalSettings(Settings):
    """The durable record."""

    batch_ms: float = Field(default=1000.0, ge=50, le=60_000, description="rows are stored at least this often, ms")
    max_mb: float = Field(default=200.0, ge=1, le=100_000, description="the oldest rows go when it is larger, MB")
    max_days: float = Field(
        default=90.0, gt=0, le=3650, description="rows older than this go, days; none while the date is in doubt"
    )
    keep_crops: Literal["none", "unsure", "all"] = Field(default="unsure", description="which items' pictures are kept")
    crops_max_mb: float = Field(default=100.0, ge=0, le=100_000, description="room for kept pictures, MB")


class Page(Settings):
    """The page and the metrics."""

    enabled: bool = Field(default=True, description="serve the page")
    host: str = Field(default="127.0.0.1", description="address to listen on; 0.0.0.0 shows it to the whole network")
    port: int = Field(default=8080, ge=0, le=65535, description="port; 0 takes a free one")
    controls: bool = Field(default=False, description="whoever reaches the page may stop the station and let it go on")
    names: tuple[str, ...] = Field(
        default=(),
        description="further names under which browsers may open the page, as in sorter.example.org",
        examples=[["sorter.example.org"]],
    )


class Safety(Settings):
    """Inputs and outputs that concern the whole station."""

    estop_pin: Pin | None = Field(
        default=None, description="observes the emergency stop chain; low or open means stopped"
    )
    reset_pin: Pin | None = Field(default=None, description="reset button after an emergency stop, low while pressed")
    jam_pin: Pin | None = Field(default=None, description="jam sensor, low while jammed")
    beacon_pin: Pin | None = Field(default=None, description="output that is on while the station is in a fault")
    stall_ms: float = Field(
        default=3000.0, ge=200, le=60_000, description="no frame all the way through for this long is a fault, ms"
    )


class Station(Settings):
    """One sorter, as its people describe it."""

    name: Name = Field(description="the station's name")
    kind: Literal["bin", "conveyor"] = Field(
        description="bin: one item at a time before the lens; conveyor: items pass"
    )
    state_folder: Path = Field(
        default=Path("/var/lib/sorter"), description="journal, calibration, models; relative to the station file"
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
