"""What `sorter stats --png` draws: bars over time, stacked by what else is counted by, or one bar for each count."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from math import ceil, log10
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from edge.errors import ConfigError, JournalError
from edge.journal.sums import SECONDS
from edge.stats.counts import NO_DATE, TIMES, By, Key, name_hour
from edge.types import Image

WIDTH, HEIGHT = 1280, 640
LEFT, RIGHT, TOP, BOTTOM = 80, 300, 60, 60
NAME_PX = 330  # of the names beside bars that lie
MOST_TIMES, MOST_SERIES, MOST_ROWS = 750, 12, 24
OTHERS: Final = "others"
_INK, _SOFT, _RULE = (32, 32, 32), (110, 110, 110), (214, 214, 214)
# Colours that colour-blind people tell apart (Okabe and Ito); each has a pattern as well.
COLOURS: Final = (
    (0, 114, 178), (230, 159, 0), (0, 158, 115), (204, 121, 167), (86, 180, 233), (213, 94, 0), (120, 120, 120), (190, 175, 40),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Chart:
    """Bars, each with its name, and what they are made of from the ground up: `values` are (series, bars)."""

    title: str
    bars: Sequence[str]
    series: Sequence[str]
    values: np.ndarray[tuple[int, int], np.dtype[np.int64]]


def write_picture(target: Path, by: Sequence[By], counts: Counter[Key], title: str) -> None:
    """Write the picture.

    Raises:
        ConfigError: the name is none of a PNG, or there are more hours or days than can be drawn.
        JournalError: it can't be written.
    """
    if target.suffix.lower() != ".png":
        raise ConfigError(f"--png {target}: expected a name that ends in .png")
    times = [place for place, one in enumerate(by) if one in TIMES]
    canvas = _draw_over_time(_over_time(by, counts, title)) if times else _draw_lying(_lying(counts, title))
    try:
        target.write_bytes(cv2.imencode(".png", cv2.cvtColor(canvas, cv2.COLOR_RGB2BGR))[1].tobytes())
    except OSError as error:
        raise JournalError(f"{target}: can't be written: {error.strerror or error}") from None


def _over_time(by: Sequence[By], counts: Counter[Key], title: str) -> Chart:
    finest = By.HOUR if By.HOUR in by else By.DAY
    place = by.index(finest)
    rest = [n for n, one in enumerate(by) if one not in TIMES]
    cells: Counter[tuple[str, str]] = Counter()
    for key, items in counts.items():
        cells[" ".join(key[n] or "-" for n in rest), key[place]] += items
    bars = _all_times({time for _, time in cells}, finest)
    if len(bars) > MOST_TIMES:
        raise ConfigError(
            f"--png: {len(bars)} bars are more than the {MOST_TIMES} that can be drawn: "
            "ask for less time with --since and --until, or count --by day"
        )
    totals: Counter[str] = Counter()
    for (series, _), items in cells.items():
        totals[series] += items
    shown = [name for name, _ in totals.most_common(MOST_SERIES if len(totals) <= MOST_SERIES else MOST_SERIES - 1)]
    names = shown + ([OTHERS] if len(shown) < len(totals) else [])
    values = np.zeros((len(names), len(bars)), np.int64)
    at = {time: n for n, time in enumerate(bars)}
    for (series, time), items in cells.items():
        values[names.index(series if series in shown else OTHERS), at[time]] += items
    return Chart(title, bars, names, values)


def _all_times(there: set[str], by: By) -> list[str]:
    """Return the names of all hours or days from the first to the last that is there: a night without items is a gap."""
    dated = sorted(datetime.fromisoformat(time).astimezone().timestamp() for time in there if time != NO_DATE)
    names: list[str] = []
    if dated:
        hours = range(ceil(dated[0] / SECONDS), ceil(dated[-1] / SECONDS) + 1)
        names = list(dict.fromkeys(name_hour(hour, by) for hour in hours))
    return names + ([NO_DATE] if NO_DATE in there else [])


def _lying(counts: Counter[Key], title: str) -> Chart:
    most = counts.most_common(MOST_ROWS if len(counts) <= MOST_ROWS else MOST_ROWS - 1)
    rows = [(" ".join(part or "-" for part in key), items) for key, items in most]
    if len(rows) < len(counts):
        rows.append((OTHERS, counts.total() - sum(items for _, items in rows)))
    return Chart(title, [name for name, _ in rows], [""], np.array([[items for _, items in rows]], np.int64))


def _draw_over_time(chart: Chart) -> Image:
    canvas = _canvas(chart.title)
    right, ground = WIDTH - RIGHT, HEIGHT - BOTTOM
    ticks = _ticks(int(chart.values.sum(axis=0).max()))
    for tick in ticks:
        y = ground - round((ground - TOP) * tick / ticks[-1])
        cv2.line(canvas, (LEFT, y), (right, y), _RULE, 1)
        _write(canvas, str(tick), (LEFT - 8, y + 5), align_right=True)
    width = (right - LEFT) / len(chart.bars)
    for n, name in enumerate(chart.bars):
        begin = LEFT + round(width * n)
        end = max(LEFT + round(width * (n + 1)) - (1 if width > 3 else 0), begin + 1)
        below = 0
        for series, items in enumerate(chart.values[:, n]):
            high, low = (ground - round((ground - TOP) * (below + up) / ticks[-1]) for up in (int(items), 0))
            _fill(canvas, (begin, high, end, low), series)
            below += int(items)
        if n % max(1, ceil(110 / width)) == 0:
            _write(canvas, name[:16].replace("T", " "), (begin, ground + 22))
    totals = chart.values.sum(axis=1)
    for n, name in enumerate(chart.series):
        y = TOP + 10 + 26 * n
        _fill(canvas, (right + 24, y - 11, right + 44, y + 4), n)
        _write(canvas, f"{name[:22]}  {totals[n]}".strip(), (right + 52, y + 3))
    return canvas


def _draw_lying(chart: Chart) -> Image:
    canvas = _canvas(chart.title)
    most = max(1, int(chart.values.max()))
    height = min(40.0, (HEIGHT - TOP - 20) / len(chart.bars))
    for n, (name, items) in enumerate(zip(chart.bars, chart.values[0], strict=True)):
        y = TOP + round(height * n)
        end = NAME_PX + round((WIDTH - NAME_PX - 120) * int(items) / most)
        _fill(canvas, (NAME_PX, y + 2, max(end, NAME_PX + 1), y + round(height) - 2), 0)
        _write(canvas, name[:34], (NAME_PX - 10, y + round(height / 2) + 5), align_right=True)
        _write(canvas, str(items), (end + 8, y + round(height / 2) + 5))
    return canvas


def _canvas(title: str) -> Image:
    canvas: Image = np.full((HEIGHT, WIDTH, 3), 255, np.uint8)
    _write(canvas, title, (24, 34), scale=0.7, ink=_INK)
    return canvas


def _fill(canvas: Image, box: tuple[int, int, int, int], series: int) -> None:
    """Fill a box with the colour and the pattern of a series."""
    left, top, right, bottom = box
    y, x = np.mgrid[top:bottom, left:right]
    blank = np.zeros(x.shape, bool)
    patterns = (blank, (x + y) % 8 < 2, (x % 6 < 2) & (y % 6 < 2), y % 6 < 2, (x - y) % 8 < 2, x % 6 < 2)
    area = canvas[top:bottom, left:right]
    area[:] = COLOURS[series % len(COLOURS)]
    area[patterns[series % len(patterns)]] = 255


def _write(
    canvas: Image,
    text: str,
    at: tuple[int, int],
    *,
    scale: float = 0.45,
    ink: Sequence[int] = _SOFT,
    align_right: bool = False,
) -> None:
    """Write text; OpenCV has only the letters of ASCII, so accents go and other scripts become question marks."""
    plain = unicodedata.normalize("NFKD", text.replace("đ", "d").replace("Đ", "D"))
    plain = "".join(letter for letter in plain if not unicodedata.combining(letter)).encode("ascii", "replace").decode()
    (width, _), _ = cv2.getTextSize(plain, cv2.FONT_HERSHEY_SIMPLEX, scale, 1)
    place = (at[0] - width if align_right else at[0], at[1])
    cv2.putText(canvas, plain, place, cv2.FONT_HERSHEY_SIMPLEX, scale, tuple(ink), 1, cv2.LINE_AA)


def _ticks(most: int) -> list[int]:
    """Return round numbers from 0 to at least `most`, about five of them."""
    power = 10 ** int(log10(max(1, most / 5)))
    step = next(n * power for n in (1, 2, 5, 10) if n * power * 5 >= most)
    return list(range(0, (ceil(most / step) + 1) * step, step))
