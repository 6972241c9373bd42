"""`sorter evaluate`: one bundle or run, float beside int8, as JSON and as one page."""

from __future__ import annotations

import html
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edge.bundle.archive import open_bundle
from edge.bundle.manifest import Manifest, Thresholds
from edge.bundle.preprocess import InputGeometry
from edge.errors import ConfigError
from training.evaluate import (
    Answers,
    FloatNetwork,
    Int8Network,
    Network,
    Scored,
    answers,
    by_folder,
    figures,
    prepare,
    score,
    worst_mistakes,
)
from training.hygiene import thumbnail
from training.photos import DatasetError, LabelledPhoto
from training.run_folder import Run

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Comparison:
    """All figures (plain JSON), and what the page shows besides: the worst mistakes of the int8 file."""

    title: str
    figures: dict[str, Any]
    mistakes: tuple[tuple[LabelledPhoto, str, float], ...]


@dataclass(frozen=True)
class _Subject:
    title: str
    labels: tuple[str, ...]
    geometry: InputGeometry
    thresholds: Thresholds
    networks: Mapping[str, Network]


def compare(
    model: Path, photos: Sequence[LabelledPhoto], merged: Mapping[str, str], on_progress: Progress
) -> Comparison:
    """Measure all networks of a bundle or a converted run.

    Raises:
        DatasetError: no photo of any of the model's labels, and none of others either.
        ConfigError: a merged label is none of the model's, or the run was not converted.
    """
    subject = _open_bundle(model) if model.is_file() else _open_run(model)
    strange = (set(merged) | set(merged.values())) - set(subject.labels)
    if strange:
        raise ConfigError(f"--merge: {', '.join(sorted(strange))}: expected labels among {', '.join(subject.labels)}")
    if not photos:
        raise DatasetError("no photos to measure on")
    views = prepare(photos, subject.geometry)
    right = answers(photos, subject.labels, merged)
    total, done = len(views) * len(subject.networks), 0
    scored: dict[str, Scored] = {}
    for name, network in subject.networks.items():
        scored[name] = score(network, views, lambda number, base=done: on_progress(base + number, total))  # type: ignore[misc]
        done += len(views)
    tree = _tree(subject, scored, right, photos)
    mistakes = worst_mistakes(scored["int8"], right, 24, subject.thresholds.temperature)
    shown = tuple((photos[photo], subject.labels[found], sure) for photo, found, sure in mistakes)
    return Comparison(subject.title, tree, shown)


def _tree(
    subject: _Subject, scored: Mapping[str, Scored], right: Answers, photos: Sequence[LabelledPhoto]
) -> dict[str, Any]:
    tree: dict[str, Any] = {"model": subject.title, "labels": list(subject.labels)}
    for name, result in scored.items():
        tree[name] = figures(result, right, subject.thresholds)
    unknown = by_folder(scored["int8"], photos, right, subject.thresholds)
    if unknown:
        tree["int8"]["unknown"]["residual_share_by_folder"] = unknown
    if "float" in scored:
        agree = scored["float"].scores.argmax(axis=1) == scored["int8"].scores.argmax(axis=1)
        tree["agreement"] = float(agree.mean())
        tree["lost_points"] = 100 * (tree["float"]["top1"] - tree["int8"]["top1"])
    return tree


def _open_bundle(path: Path) -> _Subject:
    bundle = open_bundle(path)
    manifest: Manifest = bundle.manifest
    networks: dict[str, Network] = {"int8": Int8Network(bundle.model, bundle.source)}
    beside = path.with_suffix(".float.tflite")
    if beside.is_file():
        networks = {"float": FloatNetwork(beside.read_bytes()), **networks}
    return _Subject(manifest.title, tuple(manifest.labels), manifest.geometry, manifest.thresholds, networks)


def _open_run(folder: Path) -> _Subject:
    recipe = Run(folder).recipe()
    paths = {name: folder / f"{name}.tflite" for name in ("float", "int8")}
    if not all(path.is_file() for path in paths.values()):
        raise ConfigError(f"{folder}: not converted yet: sorter convert {folder} --data DIR --out BUNDLE")
    networks: dict[str, Network] = {
        "float": FloatNetwork(paths["float"].read_bytes()),
        "int8": Int8Network(paths["int8"].read_bytes(), str(folder)),
    }
    thresholds = Thresholds.model_validate_json((folder / "thresholds.json").read_text(encoding="utf-8"))
    return _Subject(recipe.name, recipe.labels, recipe.network.geometry, thresholds, networks)


def summary(result: Comparison) -> str:
    """A few lines for the terminal."""
    lines = [result.title]
    for name in ("float", "int8"):
        if name in result.figures:
            part = result.figures[name]
            low, high = part["top1_interval"]
            lines.append(
                f"{name}: top-1 {100 * part['top1']:.1f} % ({100 * low:.1f} to {100 * high:.1f}) of {part['photos']} "
                f"photos, {part['milliseconds']:.1f} ms"
            )
    part = result.figures["int8"]
    for label, row in part.get("labels", {}).items():
        if row["photos"]:
            lines.append(f"  {label}: precision {100 * row['precision']:.0f} %, recall {100 * row['recall']:.0f} %")
    if part["residual_share"] is not None and part["purity_at_thresholds"] is not None:
        lines.append(
            f"at the bundle's thresholds {100 * part['residual_share']:.1f} % go to residual, "
            f"purity {100 * part['purity_at_thresholds']:.1f} %"
        )
    if "unknown" in part:
        unknown = part["unknown"]
        lines.append(
            f"none of the labels: {unknown['photos']} photos, {100 * unknown['residual_share']:.1f} % go to residual, "
            f"AUROC {unknown['auroc']:.3f}"
        )
        lines += [f"  {name}: {100 * share:.0f} %" for name, share in unknown["residual_share_by_folder"].items()]
    return "\n".join(lines)


def page(result: Comparison, pictures: bool = True) -> str:
    """One HTML page with no outside parts; without pictures where the photos may not be passed on."""
    int8 = result.figures["int8"]
    parts = [f"<h1>{html.escape(result.title)}</h1>", f"<pre>{html.escape(summary(result))}</pre>"]
    if "confusion" in int8:
        parts += ["<h2>Which label was found on which</h2>", _confusion(int8["confusion"])]
        parts += [
            "<h2>Is it as sure as it says?</h2>",
            _curve([(x, y) for x, y, _ in int8["reliability"]], diagonal=True),
        ]
        parts += ["<p>Probability given (across) against the share that was right (up).</p>"]
        parts += ["<h2>Purity against residual</h2>", _curve([(1 - x, y) for x, y in int8["risk_coverage"]])]
        parts += ["<p>Share sent to residual (across) against the purity of the rest (up).</p>"]
    figures_ = [
        f'<figure><img src="{thumbnail(photo.path, 160)}" alt=""><figcaption>{html.escape(photo.label)}, taken for '
        f"{html.escape(found)} ({100 * sure:.0f} %)</figcaption></figure>"
        for photo, found, sure in (result.mistakes if pictures else ())
    ]
    if pictures:
        parts += ["<h2>The surest mistakes</h2>", "".join(figures_) or "<p>none</p>"]
    style = (
        "body{font:15px/1.5 sans-serif;margin:2em auto;max-width:60em;color:#222}table{border-collapse:collapse}"
        "td,th{padding:.3em .6em;text-align:right}figure{display:inline-block;margin:4px;width:160px;font-size:12px}"
        "svg{background:#f6f6f6}pre{background:#f6f6f6;padding:1em}"
    )
    head = f"<!doctype html><html lang=en><meta charset=utf-8><title>{html.escape(result.title)}</title><style>{style}</style>"
    return head + "".join(parts)


def _confusion(table: Mapping[str, Any]) -> str:
    labels, counts = table["labels"], np.array(table["counts"])
    head = "".join(f"<th>{html.escape(name)}</th>" for name in labels)
    rows = []
    for name, row in zip(labels, counts, strict=True):
        shares = row / max(row.sum(), 1)
        cells = "".join(
            f'<td style="background:rgba(40,120,60,{share:.2f})">{count}</td>'
            for count, share in zip(row, shares, strict=True)
        )
        rows.append(f"<tr><th>{html.escape(name)}</th>{cells}</tr>")
    return f"<table><tr><th>is / found</th>{head}</tr>{''.join(rows)}</table>"


def _curve(points: Sequence[tuple[float, float]], diagonal: bool = False) -> str:
    path = " ".join(f"{30 + 300 * x:.1f},{310 - 300 * y:.1f}" for x, y in points)
    line = '<line x1="30" y1="310" x2="330" y2="10" stroke="#bbb"/>' if diagonal else ""
    axes = '<path d="M30 10V310H330" fill="none" stroke="#444"/><text x="30" y="325">0</text><text x="322" y="325">1</text>'
    dots = "".join(f'<circle cx="{30 + 300 * x:.1f}" cy="{310 - 300 * y:.1f}" r="3"/>' for x, y in points)
    return f'<svg viewBox="0 0 340 330" width="340">{axes}{line}<polyline points="{path}" fill="none" stroke="#2a6"/>{dots}</svg>'
