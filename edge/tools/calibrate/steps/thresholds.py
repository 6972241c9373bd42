"""The step `thresholds`: how sure the model must be at this station, from photos taken here."""

from __future__ import annotations

import logging
import math
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge.bundle.archive import Bundle
from edge.bundle.photo import PhotoError, load_photo
from edge.bundle.photo_tree import as_label, check_unreadable, find_photos, label_folders
from edge.bundle.preprocess import prepare_crop
from edge.config import RESIDUAL, Station
from edge.config.calibration.record import ThresholdStep
from edge.errors import CalibrationError
from edge.inference.classifier import log_probabilities
from edge.inference.interpreter import open_interpreter
from edge.tools.calibrate.operator.operator import Operator
from edge.tools.calibrate.operator.samples import SAMPLES_FOLDER
from edge.tools.calibrate.step_result import Outcome

log = logging.getLogger(__name__)

Floats = NDArray[np.float64]

# Fewer photos of a label than this say nothing of its purity.
FEWEST = 20
# One-sided: in four of five cases the true purity is better than the lower end.
_Z = 0.84
# No item can be this sure.
NEVER = 1.0


@dataclass(frozen=True)
class Fit:
    """Temperature and thresholds, and what they do to the photos that they were fitted on."""

    temperature: float
    minimum_score: Mapping[str, float]
    accepted: Mapping[str, tuple[int, int]]  # by label: photos accepted as it, and those of them that are right


def measure_thresholds(
    station: Station, operator: Operator, digest: str, bundle: Bundle, photos: Path, purity: float = 0.95
) -> Outcome:
    """Fit to a folder that has one folder of photos for each label; the photos are kept in the state folder.

    Raises:
        CalibrationError: too few photos, folders that are no labels, or a label of which nothing would be sorted out.
    """
    by_label = _find(photos, bundle)
    diverted = _diverted(station, bundle)
    _refuse_too_few(photos, by_label, diverted)
    logits, truth = _look(bundle, by_label, operator)
    fit = fit_thresholds(logits, truth, bundle.labels, purity)
    kept = {**bundle.manifest.thresholds.minimum_score, **{k: v for k, v in fit.minimum_score.items() if k in by_label}}
    samples = station.state_folder / SAMPLES_FOLDER
    _keep(by_label, samples)
    _refuse_nothing([label for label in diverted if fit.minimum_score[label] >= NEVER], purity, samples)
    step = ThresholdStep(
        measured_at="", of=digest, bundle=bundle.digest, temperature=round(fit.temperature, 4),
        minimum_score={label: round(score, 6) for label, score in kept.items()}, purity=purity, samples=len(truth),
    )  # fmt: skip
    lines = [f"{len(truth)} photos of this station; temperature {fit.temperature:.2f}."]
    for label in diverted:
        (accepted, right), total = fit.accepted[label], len(by_label[label])
        lines.append(
            f"{label}: from a score of {fit.minimum_score[label]:.2f} on; {right} of {accepted} accepted photos are "
            f"right, {right} of its {total} photos are accepted."
        )
    return Outcome({"thresholds": step}, tuple(lines))


def _refuse_nothing(never: Sequence[str], purity: float, samples: Path) -> None:
    """Thresholds with which a bin waits in vain are worse than the model's own."""
    if never:
        raise CalibrationError(
            f"{', '.join(never)}: no threshold reaches a purity of {purity:.0%} with these photos, so nothing at all would "
            "be sorted out; the old calibration is unchanged. Take more photos, ask for less (--purity), train the model "
            f"with photos of this station (they are kept in {samples}), or take the label out of its bin's labels"
        )


def _refuse_too_few(photos: Path, by_label: Mapping[str, list[Path]], diverted: Sequence[str]) -> None:
    missing = {label: FEWEST - len(by_label.get(label, ())) for label in diverted}
    if short := {label: count for label, count in missing.items() if count > 0}:
        wanted = ", ".join(f"{count} more of {label}" for label, count in sorted(short.items()))
        raise CalibrationError(
            f"{photos}: too few photos to say anything: {wanted} (at least {FEWEST} of each label that is sorted out). "
            "Take them at this station, one item each, under its own light"
        )


def fit_thresholds(logits: Floats, truth: NDArray[np.int64], labels: Sequence[str], purity: float) -> Fit:
    """Fit to logits (n, labels) and the true labels' indices (n,)."""
    temperature = fit_temperature(logits, truth)
    scaled = logits / temperature
    scores = np.exp(scaled - np.logaddexp.reduce(scaled, axis=1, keepdims=True))
    best = scores.argmax(axis=1)
    minimum: dict[str, float] = {}
    accepted: dict[str, tuple[int, int]] = {}
    for n, label in enumerate(labels):
        mine = best == n
        minimum[label], accepted[label] = _threshold(scores[mine, n], truth[mine] == n, purity)
    return Fit(temperature, minimum, accepted)


def fit_temperature(logits: Floats, truth: NDArray[np.int64]) -> float:
    """Return what the logits are divided by so that scores are true shares (Guo et al., ICML 2017), 0.25 to 8."""

    def loss(logarithm: float) -> float:
        scaled = logits / math.exp(logarithm)
        chosen = scaled[np.arange(len(truth)), truth]
        return float((np.logaddexp.reduce(scaled, axis=1) - chosen).mean())

    low, high = math.log(0.25), math.log(8.0)
    golden = (math.sqrt(5) - 1) / 2
    while high - low > 1e-3:  # the loss is convex in 1 / temperature, so it has one minimum here
        one, other = high - golden * (high - low), low + golden * (high - low)
        low, high = (low, other) if loss(one) < loss(other) else (one, high)
    return math.exp((low + high) / 2)


def _threshold(scores: Floats, right: NDArray[np.bool_], purity: float) -> tuple[float, tuple[int, int]]:
    """Return the least score from which on the purity is met with some certainty, and how many are accepted and right."""
    order = np.argsort(-scores)
    hits = 0
    found = NEVER, (0, 0)
    for count, n in enumerate(order, start=1):
        hits += int(right[n])
        if _lower_end(hits, count) >= purity:
            # A little below the last one that is accepted, and not on it.
            after = float(scores[order[count]]) if count < len(order) else float(scores[n]) - 0.02
            found = max(0.0, (float(scores[n]) + after) / 2), (count, hits)
    return found


def _lower_end(hits: int, count: int) -> float:
    """Return the lower end of Wilson's interval for a share."""
    share, z2 = hits / count, _Z**2
    spread = _Z * math.sqrt(share * (1 - share) / count + z2 / (4 * count**2))
    return (share + z2 / (2 * count) - spread) / (1 + z2 / count)


def wanted_labels(station: Station, bundle: Bundle, chosen: Sequence[str]) -> list[str]:
    """Return the labels that photos are taken of: those chosen, else all that a bin takes, the sorted ones first.

    Raises:
        CalibrationError: the model has no such label.
    """
    if unknown := [label for label in chosen if label not in bundle.labels]:
        raise CalibrationError(
            f"{', '.join(unknown)}: no labels of the model; its labels are {', '.join(bundle.labels)}"
        )
    sorted_out = _diverted(station, bundle)
    return list(chosen) or [*sorted_out, *(label for label in bundle.labels if label not in sorted_out)]


def _diverted(station: Station, bundle: Bundle) -> list[str]:
    return [label for label in bundle.labels if station.route(label).name != RESIDUAL]


def _find(folder: Path, bundle: Bundle) -> dict[str, list[Path]]:
    if not folder.is_dir():
        raise CalibrationError(f"{folder}: no such folder; expected one with a folder of photos for each label")
    folders = label_folders(folder)
    if unknown := [own.name for own in folders if as_label(own.name) not in bundle.labels]:
        raise CalibrationError(
            f"{folder}: {', '.join(unknown)}: no labels of the model; its labels are {', '.join(bundle.labels)}"
        )
    by_label: dict[str, list[Path]] = {}
    for own in folders:
        by_label.setdefault(as_label(own.name), []).extend(find_photos([own]))
    return by_label


def _look(bundle: Bundle, by_label: Mapping[str, list[Path]], operator: Operator) -> tuple[Floats, NDArray[np.int64]]:
    interpreter = open_interpreter(bundle)
    manifest = bundle.manifest
    rows: list[Floats] = []
    truth: list[int] = []
    total = sum(len(paths) for paths in by_label.values())
    errors: list[PhotoError] = []
    with operator.progress(f"Looking at {total} photos") as progress:
        for label, paths in by_label.items():
            for path in paths:
                try:
                    photo = load_photo(path)
                except PhotoError as error:
                    log.warning("left out: %s", error)
                    errors.append(error)
                    continue
                codes = interpreter.run(prepare_crop(photo, None, manifest.geometry))
                rows.append(log_probabilities(codes, manifest.output, 1.0))
                truth.append(bundle.labels.index(label))
                progress((len(rows) + len(errors)) / total)
    check_unreadable(errors, total)
    return np.array(rows), np.array(truth, np.int64)


def _keep(by_label: Mapping[str, list[Path]], folder: Path) -> None:
    """Keep the photos for later training; those that are there already stay."""
    try:
        for label, paths in by_label.items():
            (folder / label).mkdir(parents=True, exist_ok=True)
            for path in paths:
                target = folder / label / path.name
                if not target.exists():
                    shutil.copyfile(path, target)
    except OSError as error:
        raise CalibrationError(
            f"{folder}: photos can't be kept: {error.strerror}; the old calibration is unchanged"
        ) from None
