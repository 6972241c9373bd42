"""Read by every Python below this folder: a station with a real camera drives real pins, which only a Pi has.

Those of a replay stand in: in memory, with nothing wired to them. Real lines are proven by another part of tests/pi.
"""

import sys
import types
from typing import Any


class _RestingInstead(types.ModuleType):
    def __getattr__(self, name: str) -> Any:
        if name != "DrivenPins":
            raise AttributeError(name)
        from edge.devices.gpio.mock_pins import RestingPins

        return RestingPins


sys.modules["edge.devices.gpio.lgpio_pins"] = _RestingInstead("edge.devices.gpio.lgpio_pins")
