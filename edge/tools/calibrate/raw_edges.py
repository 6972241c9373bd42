"""Every edge of an input as it comes, before anything is debounced."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from edge.clock import NS_PER_S, ms
from edge.devices.gpio.pins import Pin
from edge.tools.calibrate.rig import MeasurementRig


@contextmanager
def listening(rig: MeasurementRig, numbers: dict[str, int]) -> Iterator[list[tuple[str, int, bool]]]:
    """Collect every raw edge of the inputs, (name, instant, level), as it comes."""
    edges: list[tuple[str, int, bool]] = []
    pins: list[Pin] = []
    callbacks = []  # gpiozero holds them weakly

    def listener(name: str) -> Callable[[float, bool], None]:
        def changed(ticks: float, level: bool) -> None:
            now, stamp = rig.clock.now(), round(ticks * NS_PER_S)
            edges.append((name, stamp if 0 <= now - stamp <= ms(500) else now, bool(level)))

        return changed

    try:
        for name, number in numbers.items():
            pin = rig.input_pin(number)
            if pin is not None:
                callbacks.append(listener(name))
                pins.append(pin)
                pin.when_changed = callbacks[-1]
        yield edges
    finally:
        for pin in pins:
            pin.when_changed = None
