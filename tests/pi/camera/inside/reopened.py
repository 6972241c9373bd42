"""Open and close the camera again and again, `reopened.py TIMES`."""

import gc
import sys
from pathlib import Path

from asked import answer, descriptors, opened


def mapped_mb() -> float:
    """Of the memory that the process has of cameras' buffers."""
    lines = Path("/proc/self/smaps").read_text().splitlines()
    found, inside = 0, False
    for line in lines:
        if "-" in line.split(" ")[0] and ":" not in line.split(" ")[0]:
            inside = "dma-heap" in line
        elif inside and line.startswith("Size:"):
            found += int(line.split()[1])
    return found / 1024


counts, buffers = [], []
for _ in range(int(sys.argv[1])):
    camera = opened(width=1280, height=960)
    for _ in range(3):
        camera.borrow().give_back()
    camera.close()
    gc.collect()
    counts.append(descriptors())
    buffers.append(round(mapped_mb(), 1))
answer(descriptors=counts, buffers_mb=buffers)
