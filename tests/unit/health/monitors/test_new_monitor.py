"""The monitor that docs/extending.md shows, taken from that page, is one: it watches frames and names its fault."""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Any

import numpy as np

from edge.clock import NS_PER_S
from edge.health.monitors import Monitor, Observer
from edge.types import Frame

PAGE = Path(__file__).resolve().parents[4] / "docs" / "extending.md"


class Kind(StrEnum):
    """With the fault that the page adds."""

    LAMP_OUT = "lamp-out"


def test_the_pages_monitor_names_a_lamp_that_is_out_for_a_second_and_forgets_one_that_is_back() -> None:
    (code,) = re.findall(r"```python\n# edge/health/monitors/lamp\.py\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    names: dict[str, Any] = {"Observer": Observer, "FaultKind": Kind, "Frame": Frame, "Iterator": Iterator}
    names["NS_PER_S"] = NS_PER_S
    exec(compile(code, "lamp.py", "exec"), names)
    monitor = names["LampMonitor"]()
    assert isinstance(monitor, Monitor)

    def after(seconds: float, grey: int) -> list[tuple[Kind, str]]:
        now = round(seconds * NS_PER_S)
        monitor.on_frame(Frame(np.full((8, 8, 3), grey, np.uint8), now, 1), now)
        return list(monitor.faults(now))

    assert [after(0.0, 3), after(0.9, 3), after(1.1, 3), after(1.2, 90)] == [[], [], [(Kind.LAMP_OUT, "")], []]
