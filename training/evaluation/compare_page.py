"""The page that shows how well a model sorts photos."""

from __future__ import annotations

import html
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from training.evaluation import pages
from training.evaluation.compare import Comparison, seen_lines
from training.evaluation.words import not_reached, tables, weaknesses

_NETWORKS = {"float": "before quantization (float)", "int8": "on the device (int8)"}
_CHARTS = (
    '<div class="charts"><div><h2>Is it as sure as it says?</h2><p>On the dashed line it would be: of what it is 80 % '
    "sure of, 80 % is right. The larger a dot, the more photos it stands for.</p>{}</div>"
    "<div><h2>How pure for how much?</h2><p>The more of the least sure photos go to residual, the purer is the rest.</p>{}"
    "</div></div>"
)


def page(result: Comparison, pictures: bool = True) -> str:
    """One HTML page with no outside parts; without pictures where the photos may not be passed on."""
    both = {name: result.figures[name] for name in ("float", "int8") if name in result.figures}
    int8 = both["int8"]
    said = [f"<p>{html.escape(line[:1].upper() + line[1:])}.</p>" for line in seen_lines(result)]
    parts = [_headline(int8), *said, pages.table(("", *(_NETWORKS[name] for name in both)), _rows(list(both.values())))]
    if "confusion" in int8:
        parts += ["<h2>Label by label</h2>", _labels(int8["labels"])]
        parts += ["<h2>What was taken for what</h2>", _confusion(int8["confusion"]), _CHARTS.format(*_charts(int8))]
    if bad := weaknesses(result.figures):
        parts += ["<h2>What it is bad at</h2>", f"<ul>{''.join(f'<li>{html.escape(line)}</li>' for line in bad)}</ul>"]
    by_source = tables(result.figures) if "thresholds" in result.figures else {}
    if not by_source and "sources" in int8:
        by_source = {"Source by source": int8["sources"]}
    for title, table in by_source.items():
        parts += [f"<h2>{html.escape(title)}</h2>", _sources(table)]
    if said_of_purity := not_reached(result.figures):
        parts.append(f"<p>{html.escape(said_of_purity)}.</p>")
    if "unknown" in int8:
        parts += ["<h2>Things of none of the labels</h2>", _unknown(int8["unknown"])]
    if pictures:
        shown = [
            pages.picture(photo.path, f"{photo.label}, taken for {found} ({100 * sure:.0f} % sure)", photo.name)
            for photo, found, sure in result.mistakes
        ]
        parts += ["<h2>The surest mistakes</h2>", pages.pictures(shown)]
    return pages.document(f"How well {result.title} sorts photos", parts)


def _headline(int8: Mapping[str, Any]) -> str:
    if not int8["photos"]:
        return "<p>None of the photos shows anything that the model has a label for.</p>"
    low, high = (pages.percent(share) for share in int8["top1_interval"])
    return (
        f"<p>The model as it runs on the device named <b>{pages.percent(int8['top1'])}</b> of {int8['photos']} photos rightly; "
        f"with as many other photos of this kind it would be between {low} and {high} (95 % confidence).</p>"
    )


def _rows(networks: Sequence[Mapping[str, Any]]) -> list[list[str]]:
    rows: list[tuple[str, Callable[[Mapping[str, Any]], str]]] = [
        ("named rightly (top-1)", lambda part: pages.percent(part["top1"]) if part["photos"] else "-"),
        ("sent to residual, not sure enough", lambda part: pages.percent(part["residual_share"])),
        ("right among the others (purity)", lambda part: pages.percent(part["purity_at_thresholds"])),
        ("mean gap between how sure and how right (ECE)", lambda part: pages.percent(part["ece"])),
        ("milliseconds a photo, one thread, here", lambda part: f"{part['milliseconds']:.1f}"),
    ]
    return [[name, *(text(part) for part in networks)] for name, text in rows]


def _labels(labels: Mapping[str, Mapping[str, float]]) -> str:
    rows = [
        (name, f"{row['photos']:.0f}", pages.percent(row["recall"]), pages.percent(row["precision"]))
        for name, row in labels.items()
        if row["photos"]
    ]
    return pages.table(("label", "photos", "of these found (recall)", "right when named (precision)"), rows)


def _sources(sources: Mapping[str, Mapping[str, Any]]) -> str:
    """A source is one camera, one place or one style: what the worst of them shows, a new place may show."""
    rows = [
        (
            name,
            str(row["photos"]),
            pages.percent(row["top1"]),
            pages.percent(row["residual_share"]),
            pages.percent(row["purity_at_thresholds"]),
            pages.percent(row["unknown"]["residual_share"]) if "unknown" in row else "-",
        )
        for name, row in sources.items()
    ]
    head = ("source", "photos", "named rightly (top-1)", "sent to residual", "right among the others (purity)")
    return pages.table((*head, "other things sent to residual"), rows)


def _charts(int8: Mapping[str, Any]) -> tuple[str, str]:
    sure = [(x, y, count / int8["photos"]) for x, y, count in int8["reliability"]]
    kept = [(1 - x, y, 0.0) for x, y in int8["risk_coverage"]]
    lowest = min(0.9, np.floor(10 * min(y for _, y, _ in kept)) / 10)
    return (
        pages.chart(sure, "how sure it was", "how often it was right", diagonal=True),
        pages.chart(kept, "sent to residual", "purity of the rest", lowest=float(lowest)),
    )


def _unknown(unknown: Mapping[str, Any]) -> str:
    said = f"Of {unknown['photos']} photos of other things {pages.percent(unknown['residual_share'])} go to residual."
    if unknown["auroc"] is not None:
        said += (
            " Of a thing with a label and one without, the model is surer of the first "
            f"{pages.percent(unknown['auroc'])} of the time (AUROC)."
        )
    folders = unknown.get("residual_share_by_folder", {})
    return f"<p>{said}</p>" + pages.table(
        ("of", "to residual"), [(name, pages.percent(share)) for name, share in folders.items()]
    )


def _confusion(counted: Mapping[str, Any]) -> str:
    """Rows are what it is, columns what was found; the darker, the larger the share of the row."""
    labels, counts = counted["labels"], np.array(counted["counts"])
    head = "".join(f'<th scope="col">{html.escape(name)}</th>' for name in labels)
    rows = []
    for number, (name, row) in enumerate(zip(labels, counts, strict=True)):
        cells = "".join(
            f'<td style="background:rgba({"20,128,94" if number == column else "200,70,30"},{0.6 * share:.2f})">{count}</td>'
            for column, (count, share) in enumerate(zip(row, row / max(row.sum(), 1), strict=True))
        )
        rows.append(f'<tr><th scope="row">{html.escape(name)}</th>{cells}</tr>')
    return (
        "<p>A row for what a photo shows, a column for what the model called it.</p>"
        f'<div class="wide"><table><tr><th>it is / called</th>{head}</tr>{"".join(rows)}</table></div>'
    )
