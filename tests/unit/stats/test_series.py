"""What a page draws over time: steps of the local calendar, and the same numbers as `sorter stats`."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest
from support.journal import build_journal, record_many

from edge.clock import NS_PER_S, VirtualClock
from edge.journal.reading import open_for_reading
from edge.stats.counts import By, Selection, count_items
from edge.stats.series import MOST_STEPS, Step, TooMuchError, read_series, steps_between
from edge.stats.timing import read_timing


@pytest.fixture(autouse=True)
def _in_berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def at(text: str) -> float:
    return datetime.fromisoformat(text).astimezone().timestamp()


def told(begins: list[float]) -> list[str]:
    return [datetime.fromtimestamp(begin).astimezone().strftime("%m-%d %H:%M") for begin in begins]


def test_days_begin_at_midnight_also_when_clocks_change() -> None:
    begins = steps_between(at("2026-03-28T15:00"), at("2026-03-31"), Step.DAY)
    assert told(begins) == ["03-28 00:00", "03-29 00:00", "03-30 00:00", "03-31 00:00"]
    assert begins[2] - begins[1] == 23 * 3600


def test_hours_have_one_length_also_when_clocks_change() -> None:
    begins = steps_between(at("2026-10-25T01:30"), at("2026-10-25T04:00"), Step.HOUR)
    assert told(begins) == ["10-25 01:00", "10-25 02:00", "10-25 02:00", "10-25 03:00", "10-25 04:00"]


def test_more_steps_than_a_page_can_draw_are_refused() -> None:
    assert len(steps_between(0, MOST_STEPS * 3600, Step.HOUR)) == MOST_STEPS + 1
    with pytest.raises(TooMuchError, match="at most 400 steps"):
        steps_between(0, (MOST_STEPS + 1) * 3600, Step.HOUR)


def test_the_series_add_up_to_what_is_counted(tmp_path: Path) -> None:
    journal = build_journal(tmp_path, clock := VirtualClock())
    for first in range(1, 400, 40):
        clock.advance_to(clock.now() + 7000 * NS_PER_S)
        record_many(journal, clock, range(first, first + 40), journal.store_pending)
    journal.close()
    path = tmp_path / "journal.db"
    begins = steps_between(clock.wall_time() - 86_400, clock.wall_time(), Step.HOUR)
    with open_for_reading(path) as connection:
        series = read_series(connection, begins, lambda category: (category.bin,))
        timing = read_timing(connection.execute("DROP TABLE temp.steps").connection, begins)
    by_bin = Counter({kind: sum(items) for kind, items in series.counts.items()})
    assert by_bin == count_items({"": path}, [By.BIN], Selection())
    by_hour = [sum(step) for step in zip(*series.counts.values(), strict=True)]
    named = count_items({"": path}, [By.HOUR], Selection())
    assert {told([begin])[0]: items for begin, items in zip(begins[:-1], by_hour, strict=True) if items} == {
        datetime.fromisoformat(hour).strftime("%m-%d %H:%M"): items for (hour,), items in named.items()
    }
    assert [bool(step.deciding) for step in timing] == [items > 0 for items in by_hour], "each hour has its sample"
    assert timing[by_hour.index(max(by_hour))].describe() == {
        "items": max(by_hour), "deciding_ms": 20.0, "deciding_p99_ms": 20.0, "spare_ms": 480.0, "spare_p1_ms": 480.0,
    }  # fmt: skip
