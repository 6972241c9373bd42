"""`sorter classify`: what the model says of photos."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from edge.bundle.archive import open_bundle
from edge.bundle.photo import PhotoError, load_photo
from edge.bundle.photo_tree import find_photos
from edge.clock import NS_PER_MS, SystemClock
from edge.inference.classifier import BundleClassifier, shipped_bundle_path
from edge.system.output import say, silence_native_logs
from edge.system.privileges import leave_root
from edge.system.terminal import Terminal, styled
from edge.types import Prediction


def command(
    photos: Annotated[list[Path], typer.Argument(help="Photos of one item each, or folders of photos.")],
    bundle: Annotated[
        Path | None, typer.Option(help="Model bundle NAME-VERSION.sorter; without it the one that ships.")
    ] = None,
    threads: Annotated[int, typer.Option(min=1, max=16, help="Threads for one inference.")] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of a table.")] = False,
) -> None:
    """Classify photos: one item each, the whole photo is looked at."""
    silence_native_logs()
    if bundle is not None:
        leave_root(bundle.absolute())
    classifier = BundleClassifier(open_bundle(bundle or shipped_bundle_path()), threads)
    clock = SystemClock()
    rows: list[tuple[Path, Prediction, float]] = []
    failures: list[tuple[Path, PhotoError]] = []
    for path in find_photos(photos):
        try:
            pixels = load_photo(path)
        except PhotoError as error:
            failures.append((path, error))
            continue
        started_at = clock.now()
        prediction = classifier.classify_photo(pixels)
        rows.append((path, prediction, (clock.now() - started_at) / NS_PER_MS))
    if as_json:
        _print_json(classifier, rows, failures)
    else:
        _print_table(classifier, rows, failures)
    if failures:
        raise typer.Exit(PhotoError.exit_code)


def _print_json(
    classifier: BundleClassifier,
    rows: list[tuple[Path, Prediction, float]],
    failures: list[tuple[Path, PhotoError]],
) -> None:
    answer = {
        "bundle": classifier.bundle.manifest.title,
        "digest": classifier.bundle.digest,
        "runtime": classifier.runtime,
        "photos": [
            {
                "photo": str(path),
                "label": prediction.label,
                "score": round(prediction.score, 6),
                "margin": round(prediction.margin, 6),
                "sure": classifier.is_sure(prediction),
                "scores": {
                    label: round(score, 6) for label, score in zip(prediction.labels, prediction.scores, strict=True)
                },
                "milliseconds": round(milliseconds, 3),
            }
            for path, prediction, milliseconds in rows
        ],
        "failed": [{"photo": str(path), "error": str(error)} for path, error in failures],
    }
    say(json.dumps(answer, indent=2))


def _print_table(
    classifier: BundleClassifier,
    rows: list[tuple[Path, Prediction, float]],
    failures: list[tuple[Path, PhotoError]],
) -> None:
    if rows:
        table = Table(title=f"{classifier.bundle.manifest.title} on {classifier.runtime}", title_justify="left")
        for column, justify in (
            ("photo", "left"),
            ("label", "left"),
            ("score", "right"),
            ("then", "left"),
            ("ms", "right"),
        ):
            table.add_column(column, justify=justify, overflow="fold")  # type: ignore[arg-type]
        for path, prediction, milliseconds in rows:
            label = (
                prediction.label if classifier.is_sure(prediction) else styled(f"{prediction.label}, unsure", "yellow")
            )
            score, then = f"{prediction.score:.1%}", _second(prediction)
            table.add_row(str(path), label, score, then, f"{milliseconds:.1f}")
        Terminal().print(table)
    for _, error in failures:
        say(f"sorter: {error}", err=True)


def _second(prediction: Prediction) -> str:
    ranked = sorted(zip(prediction.scores, prediction.labels, strict=True), reverse=True)
    return f"{ranked[1][1]} {ranked[1][0]:.1%}"
