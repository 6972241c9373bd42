"""What `sorter run` keeps in memory, by its parts: a conveyor of 640 x 480, its page open, on pictures of a folder.

Memory is what is resident (Rss of /proc/PID/smaps_rollup), so what both processes share counts twice in the sum: a Pi needs
less. A part is what a fresh process gains when it's loaded after those before it.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
import time
import urllib.request
from itertools import pairwise
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PHOTOS = ROOT / "edge" / "simulate" / "photos"
# In the order in which they are loaded, each with what it needs.
STATION_PARTS = {
    "Python": "",
    "station file and command line": "import edge.cli, edge.config, pydantic, typer",
    "NumPy": "import numpy",
    "OpenCV": "import cv2",
    "page": "import edge.web.serving.server, edge.web.station.app",
    "the rest of the station": "import edge.station.assemble, edge.station.runtime, edge.journal.recording",
}
MODEL_PARTS = {
    "Python and NumPy": "import numpy",
    "runtime": "import ai_edge_litert.interpreter",
    "model": (
        "from edge.inference.classifier import open_shipped_bundle; from edge.inference.interpreter import open_interpreter\n"
        "b = open_shipped_bundle(); i = open_interpreter(b); i.run(numpy.zeros(i.shape, numpy.uint8))"
    ),
}
STATION = """
name = "memory"
kind = "conveyor"
state_folder = "{folder}/state"
[camera]
type = "folder"
path = "{photos}"
loop = true
width = 640
height = 480
frames_per_s = 10
[belt]
speed_mm_per_s = 250
mm_per_pixel = 0.8
[page]
port = {port}
[[actuators]]
name = "flap"
type = "digital"
pin = 17
lead_ms = 40
return_ms = 40
[[bins]]
name = "glass"
labels = ["glass"]
actuator = "flap"
distance_mm = 300
[[bins]]
name = "residual"
labels = ["plastic", "metal", "paper", "cardboard", "organic", "trash"]
"""


def resident_mb(pid: int | str) -> float:
    """Return the memory of a process, MB."""
    found = re.search(r"^Rss:\s+(\d+) kB", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.MULTILINE)
    assert found is not None
    return int(found[1]) / 1024


def parts(steps: dict[str, str]) -> dict[str, float]:
    """Return what each part adds, MB."""
    told = f"import sys; sys.path.insert(0, {str(ROOT / 'benchmarks')!r}); from memory import resident_mb\nprint(resident_mb('self'))\n"
    code = told + "".join(f"{step}\nprint(resident_mb('self'))\n" for step in list(steps.values())[1:] if step)
    first = next(iter(steps.values()))
    printed = subprocess.run(
        [sys.executable, "-c", f"{first}\n{code}"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    sizes = [float(line) for line in printed.split()]
    return dict(zip(steps, [sizes[0], *(b - a for a, b in pairwise(sizes))], strict=True))


def running(seconds: float, port: int) -> tuple[list[float], float]:
    """Return the most of each process (station, model) while the page is looked at, and the most of both at once, MB."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "station.toml"
        file.write_text(STATION.format(folder=folder, photos=PHOTOS, port=port))
        station = subprocess.Popen(
            [sys.executable, "-m", "edge", "run", "--station", str(file)], cwd=ROOT, stderr=subprocess.DEVNULL
        )
        most, together = [0.0, 0.0], 0.0
        end = time.monotonic() + seconds
        try:
            while time.monotonic() < end:
                time.sleep(0.2)
                look(port)
                children = Path(f"/proc/{station.pid}/task/{station.pid}/children").read_text().split()
                now = [resident_mb(station.pid), sum(map(resident_mb, children))]
                most, together = [max(a, b) for a, b in zip(most, now, strict=True)], max(together, sum(now))
        finally:
            station.terminate()
            station.wait(20)
    return most, together


def look(port: int) -> None:
    """Open the page, its picture and its figures, as a browser does."""
    for address in ("", "belt.jpg", "api/status", "api/items", "metrics"):
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/{address}", timeout=5).read()
        except OSError:
            continue


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--port", type=int, default=8719)
    wanted = parser.parse_args()
    for title, steps in (("station", STATION_PARTS), ("model", MODEL_PARTS)):
        for name, size in parts(steps).items():
            print(f"{title:8} {name:32} {size:6.1f} MB")
    (station, model), together = running(wanted.seconds, wanted.port)
    print(
        f"running, its page looked at: station {station:.0f} MB, model {model:.0f} MB, most of both {together:.0f} MB"
    )


if __name__ == "__main__":
    main()
