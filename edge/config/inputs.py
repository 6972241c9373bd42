"""The inputs: what each is called, how a contact says that it is active, and for how long it bounces."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from pydantic import Field

from edge.config.base import DebounceMs, Settings


class InputRole(StrEnum):
    """What an input tells; FULL and EXIT are there once for each bin that has one."""

    ESTOP = "estop"
    RESET = "reset"
    JAM = "jam"
    BEAM = "beam"
    FULL = "full"
    EXIT = "exit"


@dataclass(frozen=True, slots=True)
class InputName:
    """Which input; as text `jam`, `beam`, ... or `full:BIN`, `exit:BIN`, as people and files call it."""

    role: InputRole
    bin: str = ""

    def __str__(self) -> str:
        return f"{self.role}:{self.bin}" if self.bin else self.role.value

    @classmethod
    def parse(cls, text: str) -> InputName:
        """Return the name that a text stands for.

        Raises:
            ValueError: no input is called so.
        """
        role, colon, where = text.partition(":")
        if role not in set(InputRole) or {bool(colon), bool(where)} != {role in _OF_A_BIN}:
            raise ValueError(f"expected estop, reset, jam, beam, full:BIN or exit:BIN. Received: {text!r}")
        return cls(InputRole(role), where)


_OF_A_BIN: Final = (InputRole.FULL, InputRole.EXIT)
ESTOP: Final = InputName(InputRole.ESTOP)


class Input(Settings):
    """One input, under the name that `sorter calibrate sensors` gives it: jam, beam, full:BIN, exit:BIN ..."""

    active_low: bool = Field(default=True, description="false: it is high while active; calibration learns it")
    debounce_ms: DebounceMs = Field(
        default=5.0, description="a change counts after it has stayed so long, ms; calibration learns it"
    )
