"""What is shown to a station: which labels, how many things of each, and how pure its bins shall be."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass

from edge.bundle.archive import Bundle
from edge.config import RESIDUAL, Station
from edge.errors import ConfigError
from edge.labelling.labels import NONE_OF_THESE
from edge.teaching.shown import ShownItems

USUAL_PURITY = 0.95


@dataclass(frozen=True)
class Wanted:
    """How many items of a label there shall be, those from before included."""

    label: str
    items: int


def plan_for(station: Station, shown: ShownItems, chosen: Sequence[str], items: int) -> list[Wanted]:
    """Return what is still missing of the chosen labels, else of all that are sorted into a bin of their own."""
    own = [label for where in station.bins if where.name != RESIDUAL for label in where.labels]
    return [Wanted(label, items) for label in chosen or own if items > len(shown.items(label))]


def known_labels(station: Station, base: Bundle) -> list[str]:
    """Return what things can be shown of: the labels of the bins, those of the base, and the mark for none of them."""
    named = [label for where in station.bins for label in where.labels]
    return list(dict.fromkeys([*named, *base.labels, NONE_OF_THESE]))


def check_chosen(station: Station, base: Bundle, chosen: Sequence[str]) -> None:
    """Refuse labels that neither a bin nor the base knows: they would be misspelt, or of no use.

    Raises:
        ConfigError: naming them.
    """
    known = known_labels(station, base)
    for label in chosen:
        if label not in known:
            near = difflib.get_close_matches(label, known, 1)
            meant = f"did you mean {near[0]!r}? " if near else ""
            raise ConfigError(
                f"--label {label}: {meant}A new label comes from the station file: add it to the labels of a bin first; "
                f"now there are {', '.join(known)}"
            )


def purity_for(station: Station, wanted: float | None) -> float:
    """The purity that was asked for, else what the strictest bin asks for, and the usual one at least."""
    asked = [where.min_purity for where in station.bins if where.min_purity is not None]
    return max([USUAL_PURITY, *asked]) if wanted is None else wanted
