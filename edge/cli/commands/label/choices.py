"""What `sorter label` works with where the command line says nothing: a model, labels."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from edge.errors import BundleError, ConfigError
from edge.system.output import complain

if TYPE_CHECKING:
    from edge.config import Station
    from edge.inference.classifier import BundleClassifier


def open_classifier(bundle: Path | None, station: Station | None) -> BundleClassifier | None:
    """The model that suggests; None where none was asked for and the one that ships can't be used."""
    from edge.bundle.archive import open_bundle
    from edge.inference.classifier import BundleClassifier, open_shipped_bundle
    from edge.models.select import open_station_bundle

    if bundle is not None:
        return BundleClassifier(open_bundle(bundle))
    if station is not None:
        return BundleClassifier(open_station_bundle(station))
    try:
        return BundleClassifier(open_shipped_bundle())
    except BundleError as error:
        complain(f"no model suggests labels: {error}")
        return None


def choose_labels(text: str | None, station: Station | None, classifier: BundleClassifier | None) -> tuple[str, ...]:
    """What can be said: what the command line names, else the labels of the station's bins, else the model's.

    Raises:
        SorterError: there are none, or one can't be a label.
    """
    from edge.labelling.labels import MARKS, check_label

    if text is not None:
        given = [label.strip() for label in text.split(",") if label.strip()]
    elif station is not None:
        given = [label for place in station.bins for label in place.labels]
    else:
        given = [] if classifier is None else list(classifier.labels)
    chosen = tuple(dict.fromkeys(check_label(label) for label in given if label not in MARKS))
    if not chosen:
        raise ConfigError("there are no labels to give: name them, as in --labels glass,metal,paper")
    return chosen
