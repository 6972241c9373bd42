"""Whether a model and a station fit: the one rule for checking, installing, calibrating and running."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from edge.config import Station
from edge.errors import BundleError

if TYPE_CHECKING:
    from edge.bundle.archive import Bundle


def at_station(bundle: Bundle, station: Station) -> Bundle:
    """Return a model as a station that starts now would use it: with the thresholds that were fitted for it there.

    Raises:
        BundleError: it does not fit the station.
    """
    # Whoever only receives a model does not need what reads calibrations yet.
    from edge.config.calibration.recover import usable_calibration
    from edge.inference.thresholds import fitted

    used = fitted(bundle, usable_calibration(station))
    check_fit(used, station)
    return used


def check_fit(bundle: Bundle, station: Station, purity: float | None = None, may_lack_labels: bool = False) -> None:
    """Refuse a model that lacks a label that a bin waits for, or whose thresholds are less pure than a bin asks for.

    A label that no bin names is no misfit: its items go to residual. `purity` is what thresholds will be fitted for
    where they are about to be fitted anew. With `may_lack_labels` a bin may wait for what never comes.

    Raises:
        BundleError: with all that does not fit.
    """
    purity = bundle.manifest.thresholds.purity if purity is None else purity
    problems = [] if may_lack_labels else missing_labels(bundle.labels, station)
    problems += [
        f"bin {where.name!r} asks for a purity of {where.min_purity:g}, the model's thresholds were fitted for "
        f"{'none' if purity is None else format(purity, 'g')}: push a model fitted for more, or lower min_purity"
        for where in station.bins
        if where.min_purity is not None and (purity is None or purity < where.min_purity)
    ]
    if problems:
        raise BundleError(f"{bundle.source} does not fit station {station.name!r}: " + "; ".join(problems))


def missing_labels(labels: Sequence[str], station: Station) -> list[str]:
    """Return a line for each label that a bin waits for and a model with those labels does not know."""
    return [
        f"bin {where.name!r} waits for {label!r}, which this model does not know (it knows {', '.join(labels)}): "
        "take it out of the bin's labels, or install a model that knows it"
        for where in station.bins
        for label in where.labels
        if label not in labels
    ]


def homeless_labels(bundle: Bundle, station: Station) -> list[str]:
    """Return the model's labels that no bin names, so that their items go to residual."""
    named = {label for where in station.bins for label in where.labels}
    return [label for label in bundle.labels if label not in named]
