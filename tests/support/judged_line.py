"""A station whose items people label: what chance chose of them, and what they are."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from support.journal import build_journal, outcome, photo, stroke

from edge.clock import NS_PER_S, VirtualClock
from edge.config import Station
from edge.config.service import JournalSettings
from edge.journal import DeliveryEntry
from edge.journal.reading import ItemRecord, Query, read_all
from edge.labelling.writing import LabelsFile
from edge.stats.purity import Purity, judge, read_labels_of
from edge.types import Reason, Stroke, StrokeOutcome

FILE = """
name = "line-1"
kind = "conveyor"
camera = { type = "folder", path = "." }
belt = { speed_mm_per_s = 200, mm_per_pixel = 2.0 }
actuators = [{ name = "a", type = "digital", pin = 17 }, { name = "b", type = "digital", pin = 27 }]
bins = [
  { name = "metal", labels = ["metal", "can"], actuator = "a", distance_mm = 400 },
  { name = "paper", labels = ["paper"], actuator = "b", distance_mm = 800 },
  { name = "residual" },
]
"""


@dataclass
class Line:
    """A station with its journal; `item` lets one come and, if it is said what it is, a person labels it."""

    folder: Path
    clock: VirtualClock = field(default_factory=VirtualClock)
    random_share: float = 1.0
    keep: str = "unsure"

    def __post_init__(self) -> None:
        settings = JournalSettings.model_validate({"random_share": self.random_share, "keep_crops": self.keep})
        self.journal = build_journal(self.folder, self.clock, settings)
        self.said: dict[int, str] = {}
        self.count = 0

    def item(
        self,
        found: str,
        truth: str | None,
        stroke_end: StrokeOutcome = StrokeOutcome.FIRED,
        landed: bool | None = None,
    ) -> None:
        """An item that the model takes for metal or paper."""
        self.count += 1
        number = 4 * self.count + {"metal": 1, "paper": 2}[found]  # see support.journal.LABELS
        self.clock.advance_to(self.clock.now() + 3600 * NS_PER_S)
        entry = outcome(number, self.clock.now(), Reason.SORTED, photo(number))
        self.journal.record(entry)
        fired = stroke(entry)
        self.journal.record(
            fired if stroke_end is StrokeOutcome.FIRED else Stroke(fired.actuation, None, None, stroke_end)
        )
        if landed is not None:
            self.journal.record(DeliveryEntry(number, found, self.clock.now() if landed else None))
        self.journal.store_pending()
        if truth is not None:
            self.said[number] = truth

    def items(self, found: str, truths: Mapping[str, int]) -> None:
        for truth, times in truths.items():
            for _ in range(times):
                self.item(found, truth)

    def label(self, by: str = "ann", look: int = 1) -> None:
        """Write down what was said of the pictures."""
        names = {row.item: row.picture for row in read_all(self.folder / "journal.db", ItemRecord, Query())}
        labels = {str(names[number]).replace("-1.jpg", f"-{look}.jpg"): truth for number, truth in self.said.items()}
        LabelsFile(self.folder / "pictures", by).append(labels, self.clock.wall_time())

    def judge(self) -> Purity:
        path = self.folder / "journal.db"
        return judge(path, station(self.folder).bins, read_labels_of(path))


def station(folder: Path) -> Station:
    return Station.model_validate(tomllib.loads(FILE) | {"state_folder": folder})
