"""How pure the bins are by what people said of items that chance chose: seen, not promised.

Only pictures that were kept by chance count, whatever the model thought of their items, so that the share has no bias.
Where an item lies is what the journal knows of it; that it belongs there is what the station file says of its label. Items
that a label means which no bin takes, that are none of the labels, or that are two things, are in the wrong bin.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

from edge.bundle.kept_names import item_of
from edge.config import RESIDUAL
from edge.config.sorting import Bin
from edge.journal.keeping.candidates import Kept
from edge.journal.reading import HAPPENED, open_for_reading
from edge.labelling.labels import LabelEntry, Labels, find_labels, read_labels
from edge.status.snapshot import SeenPurity
from edge.system.statistics import wilson_interval
from edge.tally import IN_NO_BIN

FEWEST: Final = 30
"""Labelled items of a bin from which on a share is told: all right, they leave at most one in nine wrong (Wilson, 95 %)."""


@dataclass
class BinPurity:
    """One bin under one model: how many of its items were kept by chance and labelled, and how many of these belong in it.

    Attributes:
        model: digest of the bundle; empty where the journal does not know it.
        kept: items whose pictures were kept by chance, labelled or not.
        first, last: when the labelled ones came, seconds since the epoch; None where none is labelled.
    """

    bin: str
    model: str
    kept: int = 0
    labelled: int = 0
    right: int = 0
    first: float | None = None
    last: float | None = None

    @property
    def unlabelled(self) -> int:
        """How many were kept by chance and are not labelled: if they are the hard ones, the share is too good."""
        return self.kept - self.labelled

    @property
    def missing(self) -> int:
        """How many more have to be labelled until a share is told."""
        return max(0, FEWEST - self.labelled)

    @property
    def share(self) -> float | None:
        """The purity; None while too few are labelled."""
        return None if self.missing else self.right / self.labelled

    @property
    def interval(self) -> tuple[float, float]:
        """Where the true purity lies, 19 times of 20."""
        return wilson_interval(self.right, self.labelled)

    @property
    def seen(self) -> SeenPurity:
        """What is shown of it."""
        low, high = self.interval
        return SeenPurity(self.share, low, high, self.labelled, self.missing, self.last, self.unlabelled)

    def add(self, wall_time: float, belongs: bool | None) -> None:
        """Count an item; `belongs` is None where nobody labelled it."""
        self.kept += 1
        if belongs is None:
            return
        self.labelled += 1
        self.right += belongs
        self.first = wall_time if self.first is None else min(self.first, wall_time)
        self.last = wall_time if self.last is None else max(self.last, wall_time)


@dataclass(frozen=True)
class Purity:
    """The bins under the model at work, in the order of the station file, and under models of before, latest first."""

    model: str = ""
    present: Sequence[BinPurity] = ()
    before: Sequence[BinPurity] = ()


class _Item(NamedTuple):
    """An item that chance chose."""

    picture: str
    wall_time: float
    bin: str
    reason: str
    landed_in: str
    model: str

    @property
    def lies_in(self) -> str:
        """The bin where it lies; empty where nobody knows, or in none."""
        if self.reason in IN_NO_BIN:
            return ""
        return self.bin if self.landed_in.startswith("(") else self.landed_in or self.bin


def find_labels_of(journal: Path) -> list[Path]:
    """Return the files of labels that lie with a journal's pictures, beside the journal, or beside its folder.

    There they lie where a folder was labelled into which `sorter pull` brings several stations.
    """
    folder = journal.parent.resolve()
    around = [path for place in (folder.parent, folder) for path in sorted(place.glob("labels-*.csv"))]
    return [*around, *find_labels(folder / "pictures")]


def read_labels_of(journal: Path) -> Labels:
    """Return what people say in these files of the journal's own pictures, by their paths from its folder's parent."""
    folder = journal.parent.resolve()
    labels = read_labels(folder.parent, find_labels_of(journal))
    own = {name: said for name, said in labels.by_picture.items() if name.startswith(f"{folder.name}/")}
    return Labels(own, labels.damaged)


def judge(journal: Path, bins: Sequence[Bin], labels: Labels) -> Purity:
    """Return the purity of each bin but the residual one, from a journal and what people said of its pictures.

    `bins` are those of the station file, all of them.

    Raises:
        JournalError: the journal is missing, damaged, too new or can't be read.
    """
    said = {item_of(picture.rsplit("/", 1)[-1]): entry.label for picture, entry in _oldest_first(labels)}
    belongs = {where.name: frozenset(where.labels) for where in bins if where.name != RESIDUAL}
    found: dict[tuple[str, str], BinPurity] = {}
    latest: dict[str, float] = {}
    model = ""
    for item in _items_by_chance(journal):
        model = item.model or model
        latest[item.model] = item.wall_time
        if (where := item.lies_in) in belongs:
            label = said.get(item_of(item.picture))
            purity = found.setdefault((item.model, where), BinPurity(where, item.model))
            purity.add(item.wall_time, None if label is None else label in belongs[where])
    before = [purity for purity in found.values() if purity.model != model and purity.labelled]
    order = list(belongs)
    return Purity(
        model,
        [found.get((model, where), BinPurity(where, model)) for where in order],
        sorted(before, key=lambda purity: (-latest[purity.model], order.index(purity.bin))),
    )


def _oldest_first(labels: Labels) -> list[tuple[str, LabelEntry]]:
    """Of several looks at an item the one that was labelled last holds."""
    return sorted(labels.entries.items(), key=lambda named: named[1].at)


def _items_by_chance(journal: Path) -> Iterator[_Item]:
    with open_for_reading(journal) as connection:
        if not connection.execute("SELECT 1 FROM pragma_table_info('items') WHERE name = 'kept'").fetchone():
            return  # an older version kept nothing by chance
        rows = connection.execute(
            f"SELECT CAST(t.picture AS TEXT), CAST(t.wall_time AS REAL), CAST(t.bin AS TEXT), {HAPPENED}, "
            "CAST(t.landed_in AS TEXT), CAST(b.digest AS TEXT) FROM items t LEFT JOIN bundles b ON b.bundle = t.bundle "
            f"WHERE t.kept = '{Kept.RANDOM}' AND t.picture IS NOT NULL ORDER BY t.row"
        ).fetchall()
    for picture, wall_time, where, reason, landed_in, model in rows:
        yield _Item(picture, wall_time, where or "", reason or "", landed_in or "", model or "")
