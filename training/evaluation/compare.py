"""`sorter evaluate`: one bundle or run, float beside int8, all photos and source by source."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from edge.bundle.archive import REPORT_JSON, open_bundle
from edge.bundle.head import read_head
from edge.bundle.manifest import Thresholds
from edge.bundle.preprocess import InputGeometry
from edge.errors import ConfigError, DatasetError
from edge.inference.interpreter import open_interpreter
from training.dataset.photos import LabelledPhoto, sift
from training.dataset.seen import Seen, load_seen, read_seen
from training.evaluation.evaluate import (
    Answers,
    FloatNetwork,
    Int8Network,
    Network,
    Scored,
    answers,
    by_folder,
    by_source,
    figures,
    prepare_photo,
    score,
    worst_mistakes,
)
from training.evaluation.words import source_line
from training.run_folder import Run

Progress = Callable[[int, int], None]
NO_FLOAT = "not here: give the run folder, or lay the .float.tflite that `sorter convert` wrote beside the bundle"


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
    seen: Seen | None


def compare(
    model: Path,
    photos: Sequence[LabelledPhoto],
    merged: Mapping[str, str],
    on_progress: Progress,
    sources: Mapping[Path, str] = MappingProxyType({}),
) -> Comparison:
    """Measure all networks of a bundle or a converted run, on the photos that it did not learn from.

    `sources` names the source of each photo.

    Raises:
        DatasetError: no photo of any of the model's labels, and none of others either; too many can't be read; or the
            network learnt from all of them.
        ConfigError: a merged label is none of the model's, or the run was not converted.
    """
    if not model.exists():
        raise ConfigError(f"{model}: no such bundle or run folder")
    subject = _open_bundle(model) if model.is_file() else _open_run(model)
    strange = (set(merged) | set(merged.values())) - set(subject.labels)
    if strange:
        raise ConfigError(f"--merge: {', '.join(sorted(strange))}: expected labels among {', '.join(subject.labels)}")
    if not photos:
        raise DatasetError("no photos to measure on")
    photos, seen = _unseen(photos, subject)
    total = len(photos) * (1 + len(subject.networks))  # loading counts once, each network once
    loaded, unreadable = sift(
        photos, lambda path: prepare_photo(path, subject.geometry), lambda number, _: on_progress(number, total)
    )
    photos, views = [photo for photo, _ in loaded], [view for _, view in loaded]
    right = answers(photos, subject.labels, merged)
    done = len(photos)
    scored: dict[str, Scored] = {}
    for name, network in subject.networks.items():
        scored[name] = score(network, views, lambda number, base=done: on_progress(base + number, total))  # type: ignore[misc]
        done += len(views)
    tree = _tree(subject, scored, right, photos)
    tree["seen"] = seen
    if len(set(sources.values())) > 1:
        named = [sources[photo.path] for photo in photos]
        for name, result in scored.items():
            tree[name]["sources"] = by_source(result, named, right, subject.thresholds)
    if unreadable:
        tree["unreadable"] = [{"photo": photo.name, "reason": str(error)} for photo, error in unreadable]
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
        if tree["int8"]["photos"]:
            tree["lost_points"] = 100 * (tree["float"]["top1"] - tree["int8"]["top1"])
    return tree


def _unseen(photos: Sequence[LabelledPhoto], subject: _Subject) -> tuple[Sequence[LabelledPhoto], dict[str, Any]]:
    if subject.seen is None:
        return photos, {"known": False}
    fresh, counts = subject.seen.split(photos)
    if not fresh:
        raise DatasetError(
            f"{subject.title} learnt from all of these {len(photos)} photos, so they say nothing of it: measure on others, "
            "such as the test.csv that `sorter dataset split` writes"
        )
    return fresh, {"known": True, "training": counts.training, "validation": counts.validation}


def _open_bundle(path: Path) -> _Subject:
    bundle = open_bundle(path)
    manifest = bundle.manifest
    networks: dict[str, Network] = {"int8": Int8Network(open_interpreter(bundle), read_head(bundle))}
    beside = path.with_suffix(".float.tflite")
    if beside.is_file():
        networks = {"float": FloatNetwork(beside.read_bytes()), **networks}
    seen = read_seen(bundle.members.get(REPORT_JSON), bundle.source)
    return _Subject(manifest.title, tuple(manifest.labels), manifest.geometry, manifest.thresholds, networks, seen)


def _open_run(folder: Path) -> _Subject:
    run = Run(folder)
    if not run.converted.is_file():
        raise ConfigError(f"{folder}: not converted yet: sorter convert {folder} --data DIR --out BUNDLE")
    return replace(_open_bundle(run.converted), title=run.recipe().name, seen=load_seen(folder))


def summary(result: Comparison) -> str:
    """A few lines for the terminal."""
    both = [name for name in ("float", "int8") if name in result.figures]
    lines = [result.title, *seen_lines(result), *(f"{name}: {_top1(result.figures[name])}" for name in both)]
    if "float" not in result.figures:
        lines.append(f"float: {NO_FLOAT}")
    part = result.figures["int8"]
    if unreadable := result.figures.get("unreadable"):
        lines.append(f"passed over: {len(unreadable)} that can't be read, the first {unreadable[0]['photo']}")
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
            f"none of the labels: {unknown['photos']} photos, {100 * unknown['residual_share']:.1f} % go to residual"
            + (f", AUROC {unknown['auroc']:.3f}" if unknown["auroc"] is not None else "")
            + (
                f"; {100 * unknown['called_unknown']:.1f} % are called unknown, AUROC {unknown['auroc_unknown']:.3f}"
                if unknown["auroc_unknown"] is not None
                else ""
            )
        )
        lines += [f"  {name}: {100 * share:.0f} %" for name, share in unknown["residual_share_by_folder"].items()]
    lines += [f"  {name}: {source_line(row)}" for name, row in part.get("sources", {}).items()]
    return "\n".join(lines)


def seen_lines(result: Comparison) -> list[str]:
    """Say on which photos the figures are no flattery."""
    seen = result.figures.get("seen")
    if seen is None:
        return []
    if not seen["known"]:
        return ["whether it learnt from these photos is not known (the model does not say): if it did, this flatters"]
    lines = []
    if seen["training"]:
        lines.append(f"left out: {seen['training']} photos that it learnt from; measured on the others")
    if seen["validation"]:
        lines.append(f"flattering: {seen['validation']} of the photos chose this network among others (validation)")
    return lines


def _top1(part: Mapping[str, Any]) -> str:
    if not part["photos"]:
        return f"no photo of any of its labels, {part['milliseconds']:.1f} ms"
    low, high = part["top1_interval"]
    return (
        f"top-1 {100 * part['top1']:.1f} % ({100 * low:.1f} to {100 * high:.1f}) of {part['photos']} photos, "
        f"{part['milliseconds']:.1f} ms"
    )
