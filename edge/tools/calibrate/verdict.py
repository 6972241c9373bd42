"""What became of known items: a verdict, and a page with their pictures."""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from math import comb
from typing import Final, Literal

from edge.bundle.pictures import encode_jpeg
from edge.config import RESIDUAL, Station
from edge.config.calibration.record import VerifyStep
from edge.errors import CalibrationError
from edge.tools.calibrate.step_result import Outcome
from edge.types import REASON_TEXT, Image, Reason

NOWHERE: Final = "none of them"
GOOD = 0.9
# Of the items that landed in a bin of their own, at most this share may be wrong; few items are given the doubt.
MOST_WRONG = 0.05
LEAST_MARGIN_MS = 20.0
ENOUGH: Final = 5
"""Items of a bin that tell: where the model is sure of half of them, it is sure of none of five once in 32 tries."""
DOUBTS: Final = {REASON_TEXT[reason] for reason in (Reason.UNSURE, Reason.UNKNOWN, Reason.RESIDUAL_LABEL)}
THUMBNAIL = 96


@dataclass(frozen=True)
class Checked:
    """One known item and what became of it.

    Attributes:
        margin_ms: time left between decision and stroke, if one was needed.
        seen_by: who or what saw where it landed; "" where it is known, or nothing saw it.
    """

    label: str
    expected: str
    landed: str
    reason: str
    taken_for: str
    margin_ms: float | None
    picture: Image | None = None
    seen_by: str = ""

    @property
    def right(self) -> bool:
        return self.landed == self.expected

    @property
    def wrong(self) -> bool:
        """In a bin that it does not belong in, or on the floor; in the residual bin it does no harm."""
        return not self.right and self.landed != RESIDUAL


def judge(station: Station, checked: Sequence[Checked], miscounted: int, digest: str) -> Outcome:
    """Return the verdict on known items; `miscounted` were not seen, or seen where there was nothing.

    Raises:
        CalibrationError: no item came through.
    """
    if not checked:
        raise CalibrationError("no item came through: check that the belt runs and that items are put on it")
    right = sum(one.right for one in checked)
    wrong = sum(one.wrong for one in checked)
    diverted = sum(one.landed != RESIDUAL for one in checked)
    margins = [one.margin_ms for one in checked if one.margin_ms is not None]
    least = min(margins, default=0.0)
    surely = surely_more_than(MOST_WRONG, wrong, diverted)
    empty = empty_bins(checked)
    verdict = _verdict(checked, surely, least if margins else None, miscounted)
    if empty:
        verdict = "bad" if verdict == "bad" or not all(one.is_chance for one in empty) else "usable"
    step = VerifyStep(
        measured_at="", of=digest, items=len(checked), right=right, least_margin_ms=round(least, 1), verdict=verdict
    )
    lines = [
        f"{len(checked)} items: {right} landed where they belong, {len(checked) - right - wrong} more in {RESIDUAL}, "
        f"{wrong} in a wrong place; {miscounted} miscounted.",
        f"Every stroke was decided at least {least:.0f} ms before it was due." if margins else "No stroke was needed.",
        f"Verdict: {verdict}.",
    ]
    warnings = [one.told for one in empty]
    untried = [w.name for w in station.bins if w.actuator and w.name not in {one.expected for one in checked}]
    warnings += [f"{name} was not tried: no item that belongs in it came; verify with more items." for name in untried]
    warnings += [
        f"{one.label} landed in {one.landed} instead of {one.expected} ({one.reason})." for one in checked if one.wrong
    ]
    return Outcome(
        {"verify": step}, tuple(lines), tuple(warnings), files={"verify.html": report(station, checked, step, lines)}
    )


@dataclass(frozen=True)
class EmptyBin:
    """A bin that got not one of the items that belong in it, and why, of most of them."""

    name: str
    labels: Sequence[str]
    reason: str
    is_doubt: bool

    @property
    def is_chance(self) -> bool:
        """Whether so few items may all have been doubtful ones; what else keeps an item from its bin is no chance."""
        return self.is_doubt and len(self.labels) < ENOUGH

    @property
    def told(self) -> str:
        told = f"{self.name} got none of its {len(self.labels)} items ({', '.join(sorted(set(self.labels)))}): {self.reason}"
        return f"{told}. So few may be chance: verify with more (--items)." if self.is_chance else f"{told}."


def empty_bins(checked: Sequence[Checked]) -> list[EmptyBin]:
    """Return the bins that got not one of the items that belong in them."""
    found = []
    for name in dict.fromkeys(one.expected for one in checked if one.expected != RESIDUAL):
        own = [one for one in checked if one.expected == name]
        if not any(one.right for one in own):
            reasons = Counter(one.reason for one in own)
            is_doubt = reasons.keys() <= DOUBTS
            found.append(EmptyBin(name, [one.label for one in own], reasons.most_common(1)[0][0], is_doubt))
    return found


def surely_more_than(share: float, wrong: int, count: int) -> bool:
    """Tell whether so many wrong of so few would come by chance in less than one try of twenty (binomial tail)."""
    fewer = sum(comb(count, k) * share**k * (1 - share) ** (count - k) for k in range(wrong))
    return wrong > 0 and 1 - fewer < 0.05


def _verdict(
    checked: Sequence[Checked], too_many_wrong: bool, margin_ms: float | None, miscounted: int
) -> Literal["good", "usable", "bad"]:
    if too_many_wrong or (margin_ms is not None and margin_ms <= 0):
        return "bad"
    tight = margin_ms is not None and margin_ms < LEAST_MARGIN_MS
    right = sum(one.right for one in checked) / len(checked)
    wrong = sum(one.wrong for one in checked) / max(1, sum(one.landed != RESIDUAL for one in checked))
    return "usable" if right < GOOD or wrong > MOST_WRONG or tight or miscounted else "good"


def report(station: Station, checked: Sequence[Checked], step: VerifyStep, lines: Sequence[str]) -> str:
    """Return the report as one HTML page with its pictures inside."""
    rows = "\n".join(_row(n, one) for n, one in enumerate(checked, start=1))
    said = "".join(f"<p>{escape(line)}</p>" for line in lines)
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{escape(station.name)}: verification</title>
<style>
body {{ font: 16px/1.4 system-ui, sans-serif; margin: 2rem auto; max-width: 60rem; padding: 0 1rem; }}
table {{ border-collapse: collapse; width: 100%; }}
td, th {{ border-bottom: 1px solid #ccc; padding: .3rem .6rem; text-align: left; }}
.good {{ color: #176b2c; }} .usable {{ color: #8a5a00; }} .bad {{ color: #a3121f; }}
</style></head><body>
<h1>{escape(station.name)}: <span class="{step.verdict}">{step.verdict}</span></h1>
{said}
<table><tr><th>item</th><th>picture</th><th>is</th><th>taken for</th><th>belongs in</th><th>landed in</th><th>why</th>
<th>time left</th></tr>
{rows}
</table></body></html>
"""


def _row(number: int, one: Checked) -> str:
    colour = "good" if one.right else "bad" if one.wrong else "usable"
    margin = "" if one.margin_ms is None else f"{one.margin_ms:.0f} ms"
    seen = f"<br><small>({escape(one.seen_by)})</small>" if one.seen_by else ""
    cells = (one.label, one.taken_for, one.expected)
    shown = "".join(f"<td>{escape(cell)}</td>" for cell in cells)
    return (
        f"<tr><td>{number}</td><td>{_image(one.picture)}</td>{shown}"
        f'<td class="{colour}">{escape(one.landed)}{seen}</td><td>{escape(one.reason)}</td><td>{margin}</td></tr>'
    )


def _image(picture: Image | None) -> str:
    if picture is None:
        return ""
    text = base64.b64encode(encode_jpeg(picture)).decode()
    return f'<img alt="the item" width="{THUMBNAIL}" src="data:image/jpeg;base64,{text}">'
