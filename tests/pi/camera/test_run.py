"""`sorter run`, the whole program, sorts from the real picamera2: items, journal, page, and the camera lost and back.

What is bent of the camera is said in test_frames.py. Pins are in memory: real lines are another part's. The pictures are the
simulator's, filmed and played as JPEGs.
"""

from __future__ import annotations

import json
import re
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import httpx
import numpy as np
import pytest
from numpy.typing import NDArray
from support.pi.camera_root import SORTER, CameraRoot, play
from support.pi.filmed_belt import Film, film
from support.stations import make_station, shipped, varied, write_station

from edge.clock import SystemClock, ms
from edge.journal.reading import ItemRecord, Query, read_all

Proven = Callable[..., None]
CLOCK = SystemClock()
SIZE, SMALL, FRAMES_PER_S = (1280, 960), (640, 480), 15
ITEMS, LOSSES = 5, 3
STATE = "/var/lib/sorter"
# The demo's belt and bins, with what looks at it changed for a camera, and without sensors: nobody plays those here.
BELT = varied(
    shipped("demo"),
    {
        "belt": {"run_pin": None},
        "safety": None,
        "bins": {name: {"exit_pin": None, "full_pin": None, "capacity": None} for name in
                 ("plastic", "metal", "paper", "cardboard", "glass", "organic")},
        "simulation": None,
        "camera": {"type": "picamera2", "width": 1280, "height": 960, "frames_per_s": FRAMES_PER_S, "stall_ms": 1500},
        "state_folder": STATE,
        "page": {"port": 0},
    },
)  # fmt: skip


@dataclass
class Run:
    """A station that runs in the root with the camera."""

    process: subprocess.Popen[bytes]
    log: Path
    state: Path
    root: CameraRoot
    page: httpx.Client

    @property
    def buffers(self) -> int:
        """Descriptors of cameras' buffers. Of others a closed camera leaves three to Python's next collection of cycles."""
        descriptors = Path(f"/proc/{self.process.pid}/fd").iterdir()
        return sum("dma-heap (deleted)" in str(one.readlink()) for one in descriptors)

    @property
    def status(self) -> dict[str, Any]:
        answer: dict[str, Any] = self.page.get("/api/status").json()
        return answer

    def until(self, reached: Callable[[], bool], limit_s: float = 60.0) -> None:
        """Wait until the condition holds, or say what the program said."""
        wait_for(reached, limit_s, self.log)


def wait_for(reached: Callable[[], bool], limit_s: float, log: Path) -> None:
    give_up_at = CLOCK.now() + ms(1000 * limit_s)
    while not reached():
        assert CLOCK.now() < give_up_at, log.read_text()[-4000:]
        CLOCK.sleep_until(CLOCK.now() + ms(200))


@pytest.fixture(scope="module")
def filmed() -> Film:
    settings = {"seed": 1, "items_per_min": 40, "shown_photos": None}
    return film(
        make_station(
            shipped("demo"), camera={"frames_per_s": FRAMES_PER_S}, belt={"run_pin": None}, simulation=settings
        ),
        ITEMS,
    )


@pytest.fixture(scope="module")
def run(filmed: Film, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """The station, which has to end well on SIGTERM."""
    folder = tmp_path_factory.mktemp("belt")
    cameras = play(folder / "cameras", filmed.photos, (SIZE, SMALL))
    for name in ("state", "station"):
        (folder / name).mkdir()
    shared = {folder / "state": STATE, folder / "station": "/etc/sorter"}
    belt = CameraRoot(cameras, shared, frame_us=1_000_000 // FRAMES_PER_S)
    with running(belt, folder) as run:
        yield run
        run.process.send_signal(signal.SIGTERM)
        assert run.process.wait(60) == 0, run.log.read_text()[-4000:]
        assert "-> stopped" in run.log.read_text()


@contextmanager
def running(belt: CameraRoot, folder: Path) -> Iterator[Run]:
    write_station(folder / "station", BELT)
    log = folder / "log.txt"
    with belt.started([SORTER, "run"], log) as process:

        def address() -> str:
            assert process.poll() is None, log.read_text()
            found = re.search(r"page: (\S+)", log.read_text())
            return found[1] if found else ""

        wait_for(lambda: address() != "", 90, log)
        with httpx.Client(base_url=address(), timeout=20) as page:
            yield Run(process, log, folder / "state", belt, page)


def decoded(jpeg: bytes) -> NDArray[np.int16]:
    return cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR).astype(np.int16)


def items_of(run: Run) -> list[ItemRecord]:
    path = run.state / "journal.db"
    return list(read_all(path, ItemRecord, Query())) if path.exists() else []


def test_items_on_a_belt_are_sorted_from_the_real_camera(run: Run, filmed: Film, proven: Proven) -> None:
    run.until(lambda: len(items_of(run)) >= 2 * ITEMS)
    rows, status = items_of(run), run.status
    assert [row.label for row in rows] == [filmed.labels[number % ITEMS] for number in range(len(rows))]
    assert [row.bin for row in rows] == [row.label if row.label != "trash" else "residual" for row in rows]
    assert (status["state"]["code"], status["faults"]) == ("running", [])
    proven(
        "`sorter run` as installed on Debian 13 finds every item that passes the real picamera2 camera, and sorts it as labelled",
        items=len(rows),
        frame_age_ms=status["health"]["frame_age_ms"],
        deciding_ms=status["health"]["deciding_ms"],
    )


def test_the_page_shows_what_the_real_camera_sees(run: Run, filmed: Film, proven: Proven) -> None:
    shown = decoded(run.page.get("/belt.jpg").content)
    assert shown.shape[1::-1] == SMALL
    off = min(float(np.abs(decoded(photo) - shown).mean()) for photo in filmed.photos)
    assert off < 8
    proven("The page shows the picture of the real camera, in its colours", nearest_photo_off_grey_levels=round(off, 1))


def test_a_camera_that_is_lost_is_opened_again_by_the_station(run: Run, proven: Proven) -> None:
    unplugged = run.root.cameras / "unplugged"
    run.until(lambda: run.status["state"]["code"] == "running")
    before, took = run.buffers, []
    for _ in range(LOSSES):
        unplugged.touch()
        run.until(lambda: run.status["state"]["code"] == "fault")
        assert [fault["code"] for fault in run.status["faults"]] == ["camera-stalled"]
        unplugged.unlink()
        since, known = CLOCK.now(), len(items_of(run))
        run.until(lambda: run.status["state"]["code"] == "running")
        took.append((CLOCK.now() - since) / 1e9)
        run.until(lambda known=known: len(items_of(run)) > known)
        assert run.buffers == before > 0
    proven(
        "A real camera that is lost under `sorter run` is a fault, is opened again, and sorting goes on; no buffer is left behind",
        losses=LOSSES,
        longest_return_s=round(max(took), 1),
    )


def test_doctor_tries_the_real_camera(run: Run, proven: Proven) -> None:
    """A virtual camera may be opened by two programs at once, which a real one refuses."""
    done = run.root.run([SORTER, "doctor", "--station", "/etc/sorter/station.toml", "--json"], 120)
    (camera,) = (one for one in json.loads(done.stdout)["findings"] if one["name"] == "camera")
    assert camera["status"] == "ok", camera
    assert re.match(r"virtual Virtual0, frames are \d+ ms old when they are seen", camera["text"])
    proven("`sorter doctor` opens the real camera and says how old its frames are")
