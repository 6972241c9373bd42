"""What the live picture costs: the processor's time of the page's thread, while nobody looks and while people do.

    python benchmarks/page.py [--seconds 20] [--viewers 0 1 5]

The page is served as `sorter run` does; a thread shows 30 pictures a second of 640 x 480 with items in them, and of a camera of
1456 x 1088 with a small stream. Each viewer does what the page does in a browser: it asks for the newest
picture ten times a second, and listens to the events.
"""

from __future__ import annotations

import argparse
import http.client
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
from served_page import served

from edge.bundle.pictures import shrink
from edge.clock import NS_PER_S, SystemClock
from edge.interfaces import Sighting
from edge.status.live import LiveView
from edge.types import Box, Frame, Image

FRAMES_PER_S = 30
PICTURES_PER_S = 10
AIM_PERCENT = 5.0
PHOTOS = Path(__file__).resolve().parents[1] / "edge" / "simulate" / "photos"


def pictures(width: int, height: int) -> list[Image]:
    """Return a belt with photos of waste on it, moving."""
    rng = np.random.default_rng(1)
    ground = np.repeat(rng.normal(80, 6, (height, width, 1)), 3, axis=2).clip(0, 255).astype(np.uint8)
    side = height // 3
    found = [cv2.imread(str(path)) for path in sorted(PHOTOS.rglob("*.jpg"))[::20][:3]]
    photos = [cv2.cvtColor(cv2.resize(photo, (side, side)), cv2.COLOR_BGR2RGB) for photo in found]
    frames = []
    for number in range(30):
        picture = np.roll(ground, number * 16, axis=1)
        for place, photo in enumerate(photos):
            x = (place * width // 3 + number * 16) % (width - side)
            picture[side : 2 * side, x : x + side] = photo
        frames.append(np.ascontiguousarray(picture))
    return frames


@contextmanager
def shown(live: LiveView, width: int, height: int) -> Iterator[None]:
    """Show FRAMES_PER_S pictures a second meanwhile, with two items followed in each."""
    large = pictures(width, height)
    small = [None if width <= 640 else shrink(picture, 640 / width) for picture in large]
    clock, stop = SystemClock(), threading.Event()

    def show() -> None:
        due, number = clock.now(), 0
        while not stop.is_set():
            place = number % len(large)
            sightings = [Sighting(Box(40 + 9 * k, 60, 120, 90), k, 0) for k in range(2)]
            live.publish_frame(Frame(large[place], clock.now(), number, small[place]), sightings)
            number += 1
            due += NS_PER_S // FRAMES_PER_S
            clock.sleep_until(due)

    thread = threading.Thread(target=show, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def look(port: int, viewers: int) -> None:
    """Be so many viewers until killed; a line is printed for each picture."""
    for _ in range(viewers):
        threading.Thread(target=_listen, args=(port,), daemon=True).start()
        threading.Thread(target=_watch, args=(port,), daemon=True).start()
    threading.Event().wait()


def _watch(port: int) -> None:
    connection, after = http.client.HTTPConnection("127.0.0.1", port), ""
    due = time.monotonic()
    while True:
        connection.request("GET", f"/belt.jpg?after={after}")
        answer = connection.getresponse()
        answer.read()
        if answer.status == 200:
            after = answer.headers["X-Sequence"]
            os.write(1, b"\n")
        due = max(due + 1 / PICTURES_PER_S, time.monotonic() - 1)
        time.sleep(max(0.0, due - time.monotonic()))


def _listen(port: int) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port)
    connection.request("GET", "/events")
    answer = connection.getresponse()
    while answer.readline():
        pass


@contextmanager
def looking(port: int, viewers: int) -> Iterator[list[float]]:
    """Let viewers look, from when all have seen something; yields the instants at which one of them had a picture."""
    command = [sys.executable, __file__, "--look", str(port), str(viewers)]
    seen: list[float] = []
    if not viewers:
        yield seen
        return
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        stdout = process.stdout
        threading.Thread(target=lambda: [seen.append(time.monotonic()) for _ in stdout], daemon=True).start()
        while len(seen) < 10 * viewers:
            time.sleep(0.1)
        try:
            yield seen
        finally:
            process.kill()


def measure(viewers: int, seconds: float, width: int, height: int) -> tuple[float, float]:
    """Return the percent of a core that the page's thread takes, and the pictures a second that each viewer gets."""
    with served() as page, shown(page.live, width, height), looking(page.port, viewers) as seen:
        before, begun = page.cpu_s(), time.monotonic()
        time.sleep(seconds)
        span, percent = time.monotonic() - begun, 100 * (page.cpu_s() - before)
        return percent / span, sum(at >= begun for at in list(seen)) / span / max(1, viewers)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--viewers", type=int, nargs="+", default=[0, 1, 5])
    parser.add_argument("--look", type=int, nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.look:
        look(*options.look)
    cv2.setNumThreads(1)
    most = 0.0
    for width, height in ((640, 480), (1456, 1088)):
        for viewers in options.viewers:
            percent, rate = measure(viewers, options.seconds, width, height)
            print(f"{width} x {height}, {viewers} viewers: {percent:.2f} % of a core, {rate:.1f} pictures/s each")
            most = percent if viewers == 1 else most
    print(f"aim: at most {AIM_PERCENT:g} % with one viewer: {'met' if most <= AIM_PERCENT else 'NOT met'}")


if __name__ == "__main__":
    main()
