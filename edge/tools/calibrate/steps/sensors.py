"""The step `sensors`: each input is activated once by hand; which level that is and how it bounces are learnt."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from edge.clock import NS_PER_MS, NS_PER_S
from edge.config.calibration.record import SensorStep
from edge.config.inputs import ESTOP, InputName, InputRole
from edge.errors import CalibrationError
from edge.tools.calibrate.operator.operator import Operator, Prompt
from edge.tools.calibrate.raw_edges import listening
from edge.tools.calibrate.rig import MeasurementRig
from edge.tools.calibrate.step_result import Outcome

PATIENCE_S, QUIET_S, TURN_S = 20.0, 0.3, 0.02
# The debouncing waits for the longest chatter seen, with this reserve; never less than LEAST_MS.
RESERVE, LEAST_MS = 1.5, 1.0
# An item falls past an exit sensor within some 20 ms.
LONGEST_MS = 15.0

Edges = Sequence[tuple[str, int, bool]]
Show = Callable[[Mapping[str, bool]], None]


@dataclass(frozen=True)
class _Action:
    """What one action showed: the level while active, and the longer of its two chatters."""

    active_low: bool
    chatter_ms: float


def measure_sensors(rig: MeasurementRig, operator: Operator, digests: Mapping[str, str]) -> Outcome:
    """Ask for one action at each of the inputs that `digests` names; meanwhile the levels of all of them are shown.

    Raises:
        CalibrationError: nothing came from one, or the emergency stop works the wrong way round.
    """
    pins = rig.station.input_pins()
    steps: dict[str, SensorStep] = {}
    lines: list[str] = []
    warnings: list[str] = []
    rig.heeds_estop = False  # it is pressed on purpose
    try:
        with operator.watching("Sensors") as show:
            for text, digest in digests.items():
                name = InputName.parse(text)
                found = _one_action(rig, operator, name, show)
                debounce_ms = round(max(LEAST_MS, RESERVE * found.chatter_ms), 1)
                steps[text] = SensorStep(
                    measured_at="", of=digest, active_low=found.active_low, debounce_ms=min(1000.0, debounce_ms)
                )
                level = "low" if found.active_low else "high"
                lines.append(
                    f"{name} (GPIO {pins[name]}): works, {level} while active; bounces for {found.chatter_ms:.1f} ms."
                )
                warnings += _warnings(name, found)
    finally:
        rig.heeds_estop = True
    return Outcome({"sensors": steps}, tuple(lines), tuple(warnings))


def live_levels(rig: MeasurementRig) -> dict[str, bool]:
    """Return the level of every input now, by its name: True is high."""
    return {name: rig.level(pin) for name, pin in rig.station.pins_by_text().items()}


def _one_action(rig: MeasurementRig, operator: Operator, name: InputName, show: Show) -> _Action:
    pin = rig.station.input_pins()[name]
    who = f"{name} (GPIO {pin})"
    at_rest = rig.level(pin)
    if name == ESTOP and not at_rest:
        raise CalibrationError(
            f"{who} reads as pressed although it should be released: release it. If it is released, its contact works the "
            "wrong way round (expected: closed, high, while released): a cut wire must mean stopped"
        )
    with listening(rig, {str(name): pin}) as edges:
        operator.ask(Prompt.ACTIVATE, str(name))
        pressed = _await(rig, edges, 0, who, show)
        if rig.level(pin) == at_rest:
            raise CalibrationError(
                f"{who} is at rest again: keep it active until you are asked to let go, then try again"
            )
        before = len(edges)
        operator.ask(Prompt.CLEAR, str(name))
        released = _await(rig, edges, before, who, show)
        if rig.level(pin) != at_rest:
            raise CalibrationError(f"{who} is still active: let go of it when you are asked to, then try again")
    return _Action(active_low=at_rest, chatter_ms=max(pressed, released))


def _await(rig: MeasurementRig, edges: Edges, before: int, who: str, show: Show) -> float:
    """Wait for a change and for the end of its bouncing; return how long that lasted, ms."""
    give_up = rig.clock.now() + round(PATIENCE_S * NS_PER_S)
    while len(edges) == before:
        show(live_levels(rig))
        if rig.clock.now() > give_up:
            raise CalibrationError(
                f"nothing came from {who} within {PATIENCE_S:g} s: check its plug and supply, and the pin in the station file"
            )
        rig.wait(TURN_S)
    count = -1
    while count != len(edges):
        count = len(edges)
        show(live_levels(rig))
        rig.wait(QUIET_S)
    return (edges[-1][1] - edges[before][1]) / NS_PER_MS


def _warnings(name: InputName, found: _Action) -> list[str]:
    warnings = []
    if name.role in (InputRole.EXIT, InputRole.BEAM) and found.chatter_ms > LONGEST_MS:
        warnings.append(
            f"{name} bounces for {found.chatter_ms:.0f} ms; an item is past it in less: check its plug, replace the switch, "
            "or fit a capacitor of 100 nF."
        )
    if not found.active_low:
        warnings.append(
            f"{name} is high while active: a broken wire reads as active. If it is meant to be low while active, "
            "free it and run this step again."
        )
    return warnings
