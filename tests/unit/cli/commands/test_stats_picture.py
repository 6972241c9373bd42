"""`sorter stats --png`: a picture whose bars are as long as the counts, and words where there can be none."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from support.journal import build_journal, outcome
from typer.testing import CliRunner

from edge.cli import root
from edge.cli.commands.stats.picture import COLOURS
from edge.clock import NS_PER_S, VirtualClock
from edge.errors import ConfigError, JournalError
from edge.types import Reason

DAY_NS = 86_400 * NS_PER_S


@pytest.fixture(autouse=True)
def _in_utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    """Return a journal of four days with 10, 20, no and 40 items of which the model was not sure."""
    written = build_journal(tmp_path, clock := VirtualClock())
    item_id = 0
    for day, items in enumerate((10, 20, 0, 40)):
        clock.advance_to(day * DAY_NS + 3600 * NS_PER_S)
        for _ in range(items):
            written.record(outcome(item_id := item_id + 1, clock.now(), Reason.UNSURE))
    written.close()
    return tmp_path / "journal.db"


def draw(journal: Path, target: Path, *options: str) -> str:
    result = CliRunner().invoke(
        root, ["stats", "--file", str(journal), "--png", str(target), *options], catch_exceptions=False
    )
    assert result.exit_code == 0, result.output
    return result.output.replace("\n", "")


def lengths(picture: Path, axis: int) -> list[int]:
    """Return the lengths of the bars in the first colour, in pixels, one after the other; the legend's square is no bar."""
    drawn = cv2.cvtColor(cv2.imread(str(picture)), cv2.COLOR_BGR2RGB)
    sums = np.all(drawn == COLOURS[0], axis=2).sum(axis=axis)
    edges = np.flatnonzero(np.diff(sums, prepend=0))
    return [int(sums[edge]) for edge in edges if sums[edge] > 30]


def test_bars_over_days_are_as_high_as_their_counts_and_a_day_without_items_is_a_gap(
    journal: Path, tmp_path: Path
) -> None:
    assert draw(journal, tmp_path / "days.png", "--by", "day").startswith("70 items: drawn to ")
    first, second, last = lengths(tmp_path / "days.png", axis=0)
    assert (second / first, last / first) == pytest.approx((2, 4), abs=0.05)
    drawn = np.all(cv2.imread(str(tmp_path / "days.png")) == COLOURS[0][::-1], axis=2)
    columns = np.flatnonzero(drawn.sum(axis=0) > 30)
    assert np.diff(columns).max() == pytest.approx((columns[-1] - columns[0]) / 4, abs=3), "the third day is empty"


def test_bars_without_time_are_as_long_as_their_counts(journal: Path, tmp_path: Path) -> None:
    draw(journal, tmp_path / "labels.png", "--by", "label", "--since", "2026-01-02", "--until", "2026-01-03")
    assert lengths(tmp_path / "labels.png", axis=1) == pytest.approx([830] * 4, abs=1), "five of each of four labels"


def test_stacked_bars_have_a_colour_and_a_pattern_for_each_part(journal: Path, tmp_path: Path) -> None:
    draw(journal, tmp_path / "parts.png", "--by", "day", "--by", "label")
    drawn = cv2.cvtColor(cv2.imread(str(tmp_path / "parts.png")), cv2.COLOR_BGR2RGB)
    areas = [int(np.all(drawn == colour, axis=2).sum()) for colour in COLOURS[:5]]
    assert min(areas[:4]) > 1000
    assert areas[4] == 0, "there are four labels"
    assert areas[0] > 1.2 * areas[1], "the second is hatched in white"


def test_where_nothing_matches_no_picture_is_written(journal: Path, tmp_path: Path) -> None:
    assert draw(journal, tmp_path / "none.png", "--label", "gold") == "nothing matches: no picture written"
    assert not (tmp_path / "none.png").exists()


@pytest.mark.parametrize(
    ("name", "options", "error", "sentence"),
    [
        ("bars.jpg", [], ConfigError, "expected a name that ends in .png"),
        ("nowhere/bars.png", [], JournalError, "can't be written"),
        ("bars.png", ["--json"], ConfigError, "choose one"),
    ],
)
def test_what_can_not_be_drawn_is_told(
    journal: Path, tmp_path: Path, name: str, options: list[str], error: type[Exception], sentence: str
) -> None:
    with pytest.raises(error, match=sentence):
        draw(journal, tmp_path / name, *options)


def test_more_hours_than_can_be_drawn_are_refused_with_what_to_do(tmp_path: Path) -> None:
    written = build_journal(tmp_path, clock := VirtualClock())
    for number in (1, 2):
        clock.advance_to(number * 40 * DAY_NS)
        written.record(outcome(number, clock.now(), Reason.UNSURE))
    written.close()
    with pytest.raises(ConfigError, match="961 bars are more than the 750 that can be drawn"):
        draw(tmp_path / "journal.db", tmp_path / "hours.png", "--by", "hour")
