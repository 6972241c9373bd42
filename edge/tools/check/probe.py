"""Questions that `sorter doctor` asks in a process of its own, because the answer may kill that process.

A library built for another processor ends in SIGILL, one built for another NumPy in an ImportError; so
`python -m edge.tools.check.probe QUESTION [FILE]` answers with one JSON object, or dies in the parent's stead.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from edge.errors import SorterError

REAL_TIME_PRIORITY = 20
FRAMES = 5


def ask_libraries(_: str) -> dict[str, Any]:
    """Versions of NumPy and OpenCV, once both work together."""
    import cv2
    import numpy as np

    cv2.cvtColor(np.zeros((4, 4, 3), np.uint8), cv2.COLOR_RGB2GRAY)
    return {"numpy": np.__version__, "opencv": cv2.__version__}


def ask_runtime(bundle: str) -> dict[str, Any]:
    """Load a bundle and run its golden vectors and photos."""
    from edge.bundle.archive import open_bundle
    from edge.clock import SystemClock
    from edge.inference.golden import prove_golden
    from edge.system.privileges import leave_root

    leave_root(Path(bundle).absolute().parent)
    opened = open_bundle(Path(bundle))
    result = prove_golden(opened, 1, "auto", SystemClock().now)
    return {
        "title": opened.manifest.title,
        "runtime": f"{result.runtime} {result.runtime_version}",
        "milliseconds": result.milliseconds,
        "worst_steps": result.worst_steps,
        "photos": result.photos,
    }


def ask_camera(station: str) -> dict[str, Any]:
    """Open the station's camera, take some frames, and say how old they were."""
    from edge.clock import NS_PER_MS, SystemClock
    from edge.config import load_station
    from edge.devices.camera import open_camera

    clock = SystemClock()
    camera = open_camera(load_station(Path(station)).camera, clock)
    try:
        ages = [clock.now() - frame.captured_at for _ in range(FRAMES) if (frame := camera.read()) is not None]
    finally:
        camera.close()
    times_itself = getattr(camera, "times_frames_itself", True)
    return {"identity": camera.identity, "age_ms": max(ages) / NS_PER_MS, "times_itself": times_itself}


def ask_gpio(_: str) -> dict[str, Any]:
    """Open the GPIO chip; no pin is touched."""
    from edge.devices.gpio.pins import open_pins

    pins: Any = open_pins()
    return {"board": pins.board_info.description, "chip": pins.chip}


def ask_realtime(_: str) -> dict[str, Any]:
    """Ask for the actuation thread's priority."""
    os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(REAL_TIME_PRIORITY))
    return {"priority": REAL_TIME_PRIORITY}


QUESTIONS: dict[str, Callable[[str], dict[str, Any]]] = {
    "libraries": ask_libraries,
    "runtime": ask_runtime,
    "camera": ask_camera,
    "gpio": ask_gpio,
    "realtime": ask_realtime,
}


def main() -> None:
    """Answer one question on stdout; an error is one line on stderr and exit code 1."""
    question, subject = sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else ""
    try:
        answer = QUESTIONS[question](subject)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is the answer
        sys.exit(str(error) if isinstance(error, SorterError) else f"{type(error).__name__}: {error}")
    sys.stdout.write(json.dumps(answer))


if __name__ == "__main__":
    main()
