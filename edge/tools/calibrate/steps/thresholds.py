"""The step `thresholds`: how sure the model must be at this station, from photos taken here."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge.bundle.archive import Bundle
from edge.bundle.head import read_head
from edge.bundle.photo import PhotoError, load_photo
from edge.bundle.photo_tree import as_label, check_unreadable, find_photos, label_folders
from edge.bundle.preprocess import prepare_crop
from edge.config import RESIDUAL, Station
from edge.config.calibration.record import ThresholdStep
from edge.errors import CalibrationError
from edge.inference.interpreter import open_interpreter
from edge.system.statistics import fewest_photos, fit_temperature, fit_thresholds, softmax
from edge.tools.calibrate.operator.operator import Operator
from edge.tools.calibrate.operator.samples import SAMPLES_FOLDER
from edge.tools.calibrate.step_result import Outcome

log = logging.getLogger(__name__)

Floats = NDArray[np.float64]

# Fewer photos of a label than this say nothing of what it is confused with.
_FEWEST = 20


def measure_thresholds(
    station: Station, operator: Operator, digest: str, bundle: Bundle, photos: Path, purity: float = 0.95
) -> Outcome:
    """Fit to a folder that has one folder of photos for each label; the photos are kept in the state folder.

    Raises:
        CalibrationError: too few photos, folders that are no labels, or a label of which nothing would be sorted out.
    """
    by_label = _find(photos, bundle)
    diverted = _diverted(station, bundle)
    _refuse_too_few(photos, by_label, diverted, purity)
    logits, truth = _look(bundle, by_label, operator)
    temperature = fit_temperature(logits, truth)
    fits = dict(zip(bundle.labels, fit_thresholds(softmax(logits, temperature), truth, purity), strict=True))
    kept = {**bundle.manifest.thresholds.minimum_score, **{label: fits[label].minimum_score for label in by_label}}
    samples = station.state_folder / SAMPLES_FOLDER
    _keep(by_label, samples)
    _refuse_nothing([label for label in diverted if not fits[label].is_reached], purity, samples)
    step = ThresholdStep(
        measured_at="", of=digest, bundle=bundle.digest, temperature=round(temperature, 4),
        minimum_score={label: round(score, 6) for label, score in kept.items()}, purity=purity, samples=len(truth),
    )  # fmt: skip
    lines = [f"{len(truth)} photos of this station; temperature {temperature:.2f}."]
    for label in diverted:
        fit, total = fits[label], len(by_label[label])
        lines.append(
            f"{label}: from a score of {fit.minimum_score:.2f} on; {fit.right} of {fit.accepted} accepted photos are "
            f"right, {fit.right} of its {total} photos are accepted."
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


def photos_needed(purity: float) -> int:
    """Return how many photos of a label may show a purity, if hardly one of them is taken for another label."""
    return max(_FEWEST, fewest_photos(purity))


def _refuse_too_few(photos: Path, by_label: Mapping[str, list[Path]], diverted: Sequence[str], purity: float) -> None:
    needed = photos_needed(purity)
    missing = {label: needed - len(by_label.get(label, ())) for label in diverted}
    if short := {label: count for label, count in missing.items() if count > 0}:
        wanted = ", ".join(f"{count} more of {label}" for label, count in sorted(short.items()))
        raise CalibrationError(
            f"{photos}: too few photos to show a purity of {purity:.0%}: {wanted} (at least {needed} of each label that is "
            "sorted out, if all are recognised). "
            "Take them at this station, one item each, under its own light"
        )


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
    head, geometry = read_head(bundle), bundle.manifest.geometry
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
                rows.append(head.logits(interpreter.run(prepare_crop(photo, None, geometry))))
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
