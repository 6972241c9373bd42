"""While the station runs, new labels are found and the bins judged anew."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from support.judged_line import Line, station

from edge.clock import NS_PER_S
from edge.stats.watch import LOOK_NS, PurityWatch
from edge.status.snapshot import SeenPurity


class Shown:
    """What was shown, one after the other."""

    def __init__(self, line: Line) -> None:
        self.each: list[Mapping[str, SeenPurity]] = []
        self.watch = PurityWatch(line.folder / "journal.db", station(line.folder).bins, self.each.append)
        self.now = 0

    def after(self, span: int) -> int:
        """Return how often something was shown by then."""
        self.now += span
        self.watch.look(self.now)
        return len(self.each)


def test_new_labels_are_shown_within_a_minute_and_old_ones_cost_nothing(memory_folder: Path) -> None:
    line = Line(memory_folder)
    line.items("metal", {"metal": 30, "paper": 2})
    shown = Shown(line)
    assert shown.after(0) == 0, "nobody has labelled anything"
    line.label()
    assert shown.after(LOOK_NS // 2) == 0
    assert shown.after(LOOK_NS // 2) == 1
    metal, paper = shown.each[0]["metal"], shown.each[0]["paper"]
    assert (metal.share, metal.labelled, metal.missing) == (30 / 32, 32, 0)
    assert (paper.share, paper.labelled, paper.last) == (None, 0, None)
    assert shown.after(LOOK_NS) == 1, "nothing has changed"
    line.label(by="bob")
    assert shown.after(LOOK_NS) == 2


def test_another_model_is_noticed_without_new_labels(memory_folder: Path) -> None:
    line = Line(memory_folder)
    line.items("metal", {"metal": 40})
    line.label()
    shown = Shown(line)
    shown.after(0)
    line.journal.use_bundle("new")
    line.item("metal", None)
    shown.after(3600 * NS_PER_S)
    assert [one["metal"].labelled for one in shown.each] == [40, 0]


def test_a_journal_that_can_not_be_read_leaves_what_is_shown_and_is_tried_again(memory_folder: Path) -> None:
    line = Line(memory_folder)
    line.items("metal", {"metal": 3})
    line.label()
    line.journal.close()
    path = memory_folder / "journal.db"
    content = path.read_bytes()
    path.write_bytes(b"no journal")
    shown = Shown(line)
    assert shown.after(0) == 0
    path.write_bytes(content)
    assert shown.after(LOOK_NS) == 1
