"""What can be shown to a station, what was, and what came of it: read from its files whenever somebody looks."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from edge.bundle.archive import Bundle
from edge.config import RESIDUAL, Station, load_station
from edge.errors import SorterError, TeachingError
from edge.models.select import open_store
from edge.teaching.installing import base_for, noted_heads
from edge.teaching.plan import known_labels
from edge.teaching.shown import ShownItems, ShownLabel
from edge.teaching.worker import Proposal

NAMES_ITS_MODEL: Final = (
    "The station file names its model (inference.bundle): take that line out, or nothing can be installed."
)
MOST_HEADS: Final = 20


@dataclass
class TaughtPlace:
    """A station's files as teaching sees them; `more_labels` are others of which things can be shown.

    The station file is read anew after it was changed: a label that it has got since the start can be taught at once.
    """

    file: Path
    state_folder: Path
    more_labels: tuple[str, ...] = ()
    _read: tuple[tuple[int, int], Station] | None = field(default=None, init=False)
    _base: tuple[object, Bundle] | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self.shown, self.proposal = ShownItems(self.state_folder), Proposal.of(self.state_folder)

    def station(self) -> Station:
        """Return the station as its file is now.

        Raises:
            ConfigError: the file is damaged.
        """
        try:
            status = self.file.stat()
            mark = (status.st_mtime_ns, status.st_size)
        except OSError:
            mark = (0, 0)
        if self._read is None or self._read[0] != mark:
            self._read = (mark, load_station(self.file).with_values(state_folder=self.state_folder))
        return self._read[1]

    def base(self) -> Bundle:
        """Return the model that is taught.

        Raises:
            SorterError: there is none that can be.
        """
        station = self.station()
        active = open_store(station).active()
        mark = (self._read and self._read[0], active and active.current)
        if self._base is None or self._base[0] != mark:
            self._base = (mark, base_for(station, None))
        return self._base[1]

    def labels(self) -> list[str]:
        """Return what things can be shown of.

        Raises:
            SorterError: the station file or the model can't be read.
        """
        return list(dict.fromkeys([*known_labels(self.station(), self.base()), *self.more_labels]))

    def known(self, label: str) -> str:
        """Return the label.

        Raises:
            SorterError: nothing can be shown of it, or the station file or the model can't be read.
        """
        known = self.labels()
        if label not in known:
            raise TeachingError(f"{label!r} is no label of this station: expected one of {', '.join(known)}")
        return label

    def describe(self) -> dict[str, Any]:
        """Return all of it for the page; what can't be read is said in `problem`."""
        told: dict[str, Any] = {"problem": "", "base": "", "heads": [], "active": ""}
        known, bins = list[str](), dict[str, str]()
        try:
            station = self.station()
            bins = {label: where.name for where in station.bins for label in where.labels}
            told["base"], known = self.base().manifest.title, self.labels()
            active = open_store(station).active()
            told |= {"active": "" if active is None else active.current, "heads": _heads(station)}
            if station.inference.bundle is not None:
                told["problem"] = NAMES_ITS_MODEL
        except SorterError as error:
            told["problem"] = str(error)
        shown = self.shown.labels()
        report = self.proposal.report()
        is_old = report is not None and report.get("shown") != {label: told.items for label, told in shown.items()}
        return told | {
            "labels": [
                _describe_label(label, shown.get(label), bins.get(label, RESIDUAL))
                for label in dict.fromkeys([*known, *shown])
            ],
            "report": None if report is None else report | {"is_old": is_old},
        }


def _describe_label(label: str, shown: ShownLabel | None, where: str) -> dict[str, Any]:
    items, last = (0, "") if shown is None else (shown.items, shown.last)
    return {"label": label, "items": items, "last": last, "bin": where}


def _heads(station: Station) -> list[dict[str, str]]:
    """The heads that were taught here, the newest first."""
    keys = ("version", "at", "by", "digest")
    return [{key: str(head.get(key, "")) for key in keys} for head in reversed(noted_heads(station))][:MOST_HEADS]
