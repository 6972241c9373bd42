"""Figures in plain words: source by source, and what a model is bad at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from training.evaluation.pages import percent

TABLES = {
    "sources": "Sources that it never trained on",
    "trained_without": "Sources that it trained on, by networks that were trained without them",
    "heads_without": (
        "Sources that it trained on, by a head fitted without each (its features knew them: a place never seen is worse)"
    ),
}
_BAD = 0.85  # of what is found, or rightly called, less is worth a sentence
_OFTEN = 0.05  # the share of a label's photos from which on a confusion is


def tables(report: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """The tables by source that a report has, under their titles."""
    places = {"sources": report["int8"], "trained_without": report, "heads_without": report}
    found = {title: places[name].get(name) for name, title in TABLES.items()}
    return {title: table for title, table in found.items() if table}


def by_source(report: Mapping[str, Any]) -> list[str]:
    """Lines for the terminal: every table, and where the purity that was asked for can't be had."""
    lines = []
    for title, table in tables(report).items():
        lines += [f"{title}:", *(f"  {name}: {source_line(row)}" for name, row in table.items())]
    if said := not_reached(report):
        lines.append(said)
    return lines


def source_line(row: Mapping[str, Any]) -> str:
    """How often it is right on one source, and how pure what is sorted."""
    if not row["photos"]:
        return f"none of the labels, {100 * row['unknown']['residual_share']:.0f} % go to residual"
    return (
        f"top-1 {percent(row['top1'])} of {row['photos']} photos, {percent(row['residual_share'])} go to residual, "
        f"purity {percent(row['purity_at_thresholds'])}"
    )


def not_reached(report: Mapping[str, Any]) -> str:
    """The sources and labels on which no score keeps the purity, in a sentence; empty where there is none."""
    failing = report.get("purity_not_reached") or {}
    if not failing:
        return ""
    purity = report["thresholds"]["purity"]
    places = "; ".join(f"{name} ({', '.join(labels)})" for name, labels in failing.items())
    return f"A purity of {100 * purity:.0f} % can't be kept, whatever the threshold, on: {places}"


def weaknesses(report: Mapping[str, Any]) -> list[str]:
    """Sentences about labels that are often missed, called wrongly or taken for one another, and about the worst source."""
    int8 = report["int8"]
    said = []
    for name, row in int8.get("labels", {}).items():
        if row["photos"] and row["recall"] < _BAD:
            said.append(f"Of {row['photos']:.0f} photos of {name} it finds {100 * row['recall']:.0f} %.")
        if row["photos"] and row["precision"] < _BAD:
            said.append(f"What it calls {name} is {name} in {100 * row['precision']:.0f} % of the cases.")
    said += _confusions(int8.get("confusion", {}))
    by_honesty = reversed(tables(report).values())  # of two figures of a source the more honest one stays
    measured = {name: row for table in by_honesty for name, row in table.items() if row["photos"]}
    if measured:
        worst = min(measured, key=lambda name: measured[name]["top1"])
        row = measured[worst]
        said.append(f"Of the sources measured it does worst on {worst}: {source_line(row)}.")
    return said


def _confusions(counted: Mapping[str, Any]) -> list[str]:
    """The most frequent mistakes, at most five."""
    names: Sequence[str] = counted.get("labels", ())
    found = []
    for truth, row in zip(names, counted.get("counts", ()), strict=True):
        for taken, count in zip(names, row, strict=True):
            if truth != taken and count >= 2 and count >= _OFTEN * sum(row):
                found.append((count / sum(row), f"{count} of {sum(row)} photos of {truth} are taken for {taken}."))
    return [sentence for _, sentence in sorted(found, reverse=True)[:5]]
