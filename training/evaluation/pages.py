"""The frame, pictures and tables of the HTML pages that the workstation writes; a page needs no other file."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path

from edge.bundle.pictures import encode_jpeg
from training.dataset.photos import load_small

Point = tuple[float, float, float]  # two shares, and the share of all photos that the dot stands for
_STYLE = """
:root{color-scheme:light}
body{font:16px/1.5 system-ui,sans-serif;margin:0 auto;padding:1.5rem;max-width:64rem;color:#1c2320;background:#fff;
overflow-wrap:anywhere}
h1{font-size:1.7rem;margin:0 0 .5rem}h2{font-size:1.2rem;margin:2.2rem 0 .3rem}p{max-width:44rem;margin:.3rem 0 .8rem}
.wide{overflow-x:auto}table{border-collapse:collapse;overflow-wrap:normal}
th,td{padding:.3rem .7rem;text-align:right;border-bottom:1px solid #dde3e0;font-variant-numeric:tabular-nums}
th{font-weight:600}th:first-child{text-align:left}
.pictures{display:grid;grid-template-columns:repeat(auto-fill,minmax(9.5rem,1fr));gap:.8rem}
.group{border:1px solid #dde3e0;border-radius:.5rem;padding:.6rem;margin:.6rem 0}
figure{margin:0;font-size:.8rem;line-height:1.35}
figure img{display:block;width:100%;height:7.5rem;object-fit:contain;background:#eef1ef;border-radius:.3rem}
figcaption{margin-top:.25rem}small{color:#5a6560}
.charts{display:flex;flex-wrap:wrap;gap:2rem}.charts div{flex:1 1 20rem;max-width:28rem}
@media(max-width:32rem){body{padding:1rem}th,td{padding:.3rem .35rem;font-size:.85rem}}
svg{display:block;width:100%;height:auto}svg text{font:12px system-ui,sans-serif;fill:#5a6560}
"""


def document(title: str, sections: Iterable[str]) -> str:
    """One page; the sections are HTML."""
    head = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1"><link rel="icon" href="data:,">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head><body><h1>{escape(title)}</h1>"
    )
    return head + "".join(sections) + "</body></html>\n"


def picture(path: Path, caption: str, name: str, side: int = 200) -> str:
    """A thumbnail with what is to be said of it, and its name in small print."""
    source = "data:image/jpeg;base64," + base64.b64encode(encode_jpeg(load_small(path, side), 80)).decode()
    said = f"{escape(caption)}<br>" if caption else ""
    return (
        f'<figure><img src="{source}" alt="{escape(caption or name)}"><figcaption>{said}<small>{escape(name)}</small>'
        "</figcaption></figure>"
    )


def pictures(figures: Sequence[str], kind: str = "") -> str:
    """Pictures side by side."""
    return f'<div class="{kind}"><div class="pictures">{"".join(figures)}</div></div>' if figures else "<p>None.</p>"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of texts; the first of each row is its name."""
    lines = [
        f'<tr><th scope="row">{escape(row[0])}</th>' + "".join(f"<td>{escape(cell)}</td>" for cell in row[1:]) + "</tr>"
        for row in rows
    ]
    titles = "".join(f'<th scope="col">{escape(cell)}</th>' for cell in head)
    return f'<div class="wide"><table><tr>{titles}</tr>{"".join(lines)}</table></div>'


def chart(points: Sequence[Point], across: str, up: str, diagonal: bool = False, lowest: float = 0.0) -> str:
    """Shares of one against another: across from 0 to 100 %, up from `lowest` to 100 %."""

    def at(x: float, y: float) -> tuple[str, str]:
        return f"{46 + 280 * x:.1f}", f"{294 - 280 * (y - lowest) / (1 - lowest):.1f}"

    marks = []
    for step in range(6):
        share = step / 5
        (x, _), (_, y) = at(share, 1.0), at(0.0, lowest + share * (1 - lowest))
        marks.append(
            f'<path d="M46 {y}h280" stroke="#dde3e0"/><text x="{x}" y="312" text-anchor="middle">{100 * share:.0f} %</text>'
            f'<text x="42" y="{y}" dy="4" text-anchor="end">{100 * (lowest + share * (1 - lowest)):.0f} %</text>'
        )
    line = '<path d="M46 294 326 14" stroke="#9aa5a0" stroke-dasharray="4 4"/>' if diagonal else ""
    curve = " ".join(",".join(at(x, y)) for x, y, _ in points)
    dots = [f'<circle cx="{at(x, y)[0]}" cy="{at(x, y)[1]}" r="{2 + 8 * weight**0.5:.1f}"/>' for x, y, weight in points]
    names = (
        f'<text x="186" y="332" text-anchor="middle">{escape(across)}</text>'
        f'<text x="-4" y="154" text-anchor="middle" transform="rotate(-90 -4 154)">{escape(up)}</text>'
    )
    return (
        f'<svg viewBox="-14 0 359 340" role="img" aria-label="{escape(up)} against {escape(across)}">{"".join(marks)}{line}'
        f'<polyline points="{curve}" fill="none" stroke="#14805e" stroke-width="2"/><g fill="#14805e">{"".join(dots)}</g>'
        f"{names}</svg>"
    )


def percent(share: float | None) -> str:
    """A share as people write it; nothing to measure is a dash."""
    return "-" if share is None else f"{100 * share:.1f} %"
