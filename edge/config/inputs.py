"""Settings of the inputs: how a contact says that it is active, and for how long it bounces."""

from __future__ import annotations

from pydantic import Field

from edge.config.base import DebounceMs, Settings

ESTOP = "estop"


class Input(Settings):
    """One input, under the name that `sorter calibrate sensors` gives it: jam, beam, full:BIN, exit:BIN ..."""

    active_low: bool = Field(default=True, description="false: it is high while active; calibration learns it")
    debounce_ms: DebounceMs = Field(
        default=5.0, description="a change counts after it has stayed so long, ms; calibration learns it"
    )
