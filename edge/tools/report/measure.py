"""What `sorter doctor --report` measures, each in a process of its own that may end badly: `python -m ... QUESTION [JSON]`.

Answers are numbers and names of sensors only; no pin is opened.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge.clock import NS_PER_MS, NS_PER_S, SystemClock, ms
from edge.errors import ConfigError, SorterError
from edge.system.privileges import leave_root

if TYPE_CHECKING:
    from edge.config.cameras import CameraSettings

INFERENCES = 200
FRAMES = 100
SYNCS = 50
WAITS = 400
LONGEST = 20 * NS_PER_S  # of one of these, however slow the machine is
WAIT = ms(5)
SYNCED_BYTES = 4096  # a page of the journal
DAYS = 30

clock = SystemClock()


def measure_model(wanted: dict[str, Any]) -> dict[str, Any]:
    """Start the model as a station does, in its own process: from `started_at` to its first answer, golden vectors, speed."""
    from edge.bundle.archive import open_bundle
    from edge.inference.golden import read_golden, run_golden
    from edge.inference.process import open_for_proof

    path = Path(wanted["bundle"])
    leave_root(path.absolute().parent)
    bundle = open_bundle(path)
    with closing(open_for_proof(bundle, wanted["threads"], wanted["runtime"])) as interpreter:
        image = read_golden(bundle)[0][0]
        interpreter.run(image)
        first_answer = clock.now() - wanted["started_at"]
        result = run_golden(bundle, interpreter, clock.now)
        durations: list[int] = []
        until = clock.now() + LONGEST
        while len(durations) < INFERENCES and (before := clock.now()) < until:
            interpreter.run(image)
            durations.append(clock.now() - before)
    return {
        "runtime": f"{result.runtime} {result.runtime_version}",
        "threads": wanted["threads"],
        "from_start_to_first_answer_ms": round(first_answer / NS_PER_MS),
        "golden": {
            "vectors": result.count - result.photos,
            "photos": result.photos,
            "exact": result.worst_steps == 0,
            "worst_steps": result.worst_steps,
            "same_labels": result.same_labels,
        },
        "invoke_ms": spread(durations, NS_PER_MS),
    }


def measure_camera(wanted: dict[str, Any]) -> dict[str, Any]:
    """Take frames from the station's camera: how many a second, and how old they are when they are seen."""
    from edge.config import load_station
    from edge.devices.camera import open_camera

    settings = load_station(Path(wanted["station"])).camera
    instants: list[int] = []
    ages: list[int] = []
    with closing(open_camera(settings, clock)) as camera:
        sensor, (width, height) = _sensor(settings, camera.identity), camera.size
        until = clock.now() + LONGEST
        while len(instants) < FRAMES and clock.now() < until and (frame := camera.read()) is not None:
            instants.append(frame.captured_at)
            ages.append(clock.now() - frame.captured_at)
        times_itself = getattr(camera, "times_frames_itself", True)
    gaps = [later - earlier for earlier, later in pairwise(instants)]
    return {
        "sensor": sensor,
        "width": width,
        "height": height,
        "times_frames_itself": times_itself,
        "frames_per_s": round(len(gaps) * NS_PER_S / sum(gaps), 2) if sum(gaps) else None,
        "age_ms": spread(ages, NS_PER_MS),
        "gap_ms": spread(gaps, NS_PER_MS),
    }


def _sensor(settings: CameraSettings, identity: str) -> str:
    """Return what kind of camera it is: its identity has the number of this one."""
    if settings.type == "picamera2":
        return identity.split()[0]
    if settings.type != "v4l2":
        return settings.type
    node = Path(settings.device).resolve().name
    return Path("/sys/class/video4linux", node, "name").read_text("utf-8", "replace").strip()


def measure_sync(wanted: dict[str, Any]) -> dict[str, Any]:
    """Write pages into the state folder and wait for the disk, as the journal does; nothing of it stays."""
    folder = Path(wanted["folder"])
    leave_root(folder)
    durations: list[int] = []
    until = clock.now() + LONGEST
    with tempfile.TemporaryFile(dir=folder, buffering=0) as file:
        while len(durations) < SYNCS and (before := clock.now()) < until:
            file.write(os.urandom(SYNCED_BYTES))
            os.fdatasync(file.fileno())
            durations.append(clock.now() - before)
    return {"sync_ms": spread(durations, NS_PER_MS)}


def measure_timer(_: dict[str, Any]) -> dict[str, Any]:
    """Wait for instants as the thread of the strokes does; how late it woke."""
    from edge.system.realtime import Priority, real_time

    late = []
    with real_time(Priority.ACTUATION) as granted:
        due = clock.now()
        for _n in range(WAITS):
            due += WAIT
            clock.sleep_until(due)
            late.append(clock.now() - due)
            due = max(due, clock.now() - WAIT)
    return {"real_time": granted, "late_us": spread(late, 1000)}


def measure_journal(wanted: dict[str, Any]) -> dict[str, Any]:
    """Count what the journal of the last days tells of: faults by kind, runs, items."""
    from edge.health.faults import FaultKind
    from edge.journal.reading import EventRecord, Query, check_journal, count_rows, read_all
    from edge.types import EventKind

    folder = Path(wanted["folder"])
    leave_root(folder)
    path = folder / "journal.db"
    events = list(read_all(path, EventRecord, Query(since=clock.wall_time() - DAYS * 86_400)))
    known = {*FaultKind}
    faults = Counter(event.code for event in events if event.kind == EventKind.FAULT and event.code in known)
    return {
        "days": DAYS,
        "runs": len({event.run_id for event in events}),
        "items_ever": count_rows(path),
        "sound": not check_journal(path),
        "faults": dict(faults.most_common()),
    }


def try_place(wanted: dict[str, Any]) -> dict[str, Any]:
    """Say whether a file can be written, as whoever its folder belongs to; nothing is written."""
    path = Path(wanted["file"])
    leave_root(path.parent)
    try:
        # A link is replaced, not followed.
        is_unfit = os.path.lexists(path) and not path.is_symlink() and not path.is_file()
        has_place = path.parent.is_dir() and os.access(path.parent, os.W_OK | os.X_OK)
    except OSError as error:
        raise ConfigError(f"{error.strerror}; name a file in a folder of yours") from None
    if is_unfit or not has_place:
        what = "is no file" if is_unfit else f"{path.parent} is no folder that you may write"
        raise ConfigError(f"{what}; name a file in a folder of yours")
    return {}


QUESTIONS: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "model": measure_model,
    "camera": measure_camera,
    "sync": measure_sync,
    "timer": measure_timer,
    "journal": measure_journal,
    "place": try_place,
}


def spread(values: Sequence[int], divisor: int) -> dict[str, float | int]:
    """Return how many there were, and middle, 99th percentile and largest of them."""
    ordered = sorted(values)
    if not ordered:
        return {"runs": 0}
    at = {"p50": len(ordered) // 2, "p99": len(ordered) * 99 // 100, "worst": len(ordered) - 1}
    return {"runs": len(ordered)} | {name: round(ordered[n] / divisor, 3) for name, n in at.items()}


def main() -> None:
    """Answer one question on stdout; an error is one line on stderr and exit code 1."""
    try:
        answer = QUESTIONS[sys.argv[1]](json.loads(sys.argv[2] or "{}"))
    except Exception as error:  # noqa: BLE001 - whatever it is, it is the answer
        sys.exit(str(error) if isinstance(error, SorterError) else f"{type(error).__name__}: {error}")
    sys.stdout.write(json.dumps(answer))


if __name__ == "__main__":
    main()
