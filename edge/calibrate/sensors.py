"""The step `sensors`: each input is activated once by hand; its level and its bouncing are learnt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from edge.calibrate.bench import Bench
from edge.calibrate.outcome import Outcome
from edge.calibrate.person import Person, Wish
from edge.calibrate.record import SensorStep
from edge.clock import NS_PER_MS
from edge.errors import CalibrationError
from edge.inputs import DEBOUNCE_MS, input_pins

PATIENCE_S, QUIET_S, TURN_S = 20.0, 0.3, 0.02
RESERVE = 1.5


def measure_sensors(bench: Bench, person: Person, digests: Mapping[str, str]) -> Outcome:
    """Ask for one action at each of the inputs that `digests` names.

    Raises:
        CalibrationError: nothing came from one, or it works the wrong way round.
    """
    pins = input_pins(bench.station)
    steps: dict[str, SensorStep] = {}
    lines: list[str] = []
    warnings: list[str] = []
    bench.heeds_estop = False  # it is pressed on purpose
    try:
        for name, digest in digests.items():
            chatter_ms = _one_action(bench, person, name, pins[name])
            steps[name] = SensorStep(
                measured_at="", of=digest, active_low=True, debounce_ms=round(max(1.0, RESERVE * chatter_ms), 1)
            )
            lines.append(f"{name} (GPIO {pins[name]}): works, low while active; bounces for {chatter_ms:.1f} ms.")
            if chatter_ms > DEBOUNCE_MS:
                warnings.append(
                    f"{name} bounces for {chatter_ms:.0f} ms, longer than the {DEBOUNCE_MS:g} ms that are waited for: "
                    "check its plug, replace the switch, or fit a capacitor of 100 nF."
                )
    finally:
        bench.heeds_estop = True
    return Outcome({"sensors": steps}, tuple(lines), tuple(warnings))


def live_states(bench: Bench) -> dict[str, bool]:
    """Return what every input says now: True is active."""
    return {name: not bench.level(pin) for name, pin in input_pins(bench.station).items()}


def _one_action(bench: Bench, person: Person, name: str, pin: int) -> float:
    """Return for how long the contact bounced, ms, the longer of pressing and letting go."""
    if not bench.level(pin):
        raise CalibrationError(
            f"{name} (GPIO {pin}) is active although nothing is there: free it; if it is free, its contact works the "
            "wrong way round (expected: high at rest, low while active): swap normally open and normally closed"
        )
    with bench.listening({name: pin}) as edges:
        person.ask(Wish.ACTIVATE, name)
        pressed = _await(bench, edges, 0, f"{name} (GPIO {pin})")
        if bench.level(pin):
            raise CalibrationError(
                f"{name} (GPIO {pin}) is high again: keep it active until you are asked to let go, then try again"
            )
        before = len(edges)
        person.ask(Wish.CLEAR, name)
        released = _await(bench, edges, before, f"{name} (GPIO {pin})")
    return max(pressed, released)


def _await(bench: Bench, edges: Sequence[tuple[str, int, bool]], before: int, who: str) -> float:
    """Wait for a change and for the end of its bouncing; return how long that lasted, ms."""
    give_up = bench.clock.now() + round(PATIENCE_S * 1e9)
    while len(edges) == before:
        if bench.clock.now() > give_up:
            raise CalibrationError(
                f"nothing came from {who} within {PATIENCE_S:g} s: check its plug and supply, and the pin in the station file"
            )
        bench.wait(TURN_S)
    count = -1
    while count != len(edges):
        count = len(edges)
        bench.wait(QUIET_S)
    return (edges[-1][1] - edges[before][1]) / NS_PER_MS
