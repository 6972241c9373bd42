"""When a bin will be full, from how fast it fills."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.journal import build_journal, record_many

from edge.clock import NS_PER_S, VirtualClock
from edge.config import RESIDUAL
from edge.errors import JournalError
from edge.stats.filling import Rates, rates_of_run, read_rates
from edge.types import Reason

NOON = 1_780_056_000.0
HOUR = 3600.0


def test_a_bin_is_full_when_what_is_left_has_come_at_that_rate() -> None:
    rates = Rates(NOON - HOUR, {"glass": 60.0})
    assert rates.full_at("glass", held=10, capacity=40, now=NOON) == NOON + HOUR / 2
    assert rates.full_at("glass", held=45, capacity=40, now=NOON) == NOON


@pytest.mark.parametrize("rate", [{}, {"glass": 0.0}, {"glass": 0.001}])
def test_a_bin_that_hardly_fills_has_no_date(rate: dict[str, float]) -> None:
    assert Rates(NOON, rate).full_at("glass", held=0, capacity=400, now=NOON) is None


def test_what_was_not_diverted_fills_the_residual_bin() -> None:
    counts = {
        ("glass", Reason.SORTED): 30,
        ("glass", Reason.NOT_DIVERTED): 6,
        ("glass", Reason.UNDER_WAY): 2,
        (RESIDUAL, Reason.UNSURE): 4,
    }
    rates = rates_of_run(counts, 2 * HOUR, NOON)
    assert rates == Rates(NOON - 2 * HOUR, {"glass": 15.0, RESIDUAL: 5.0})


def test_the_journal_says_how_many_came_within_the_last_hours(tmp_path: Path) -> None:
    """An hour before noon is within them, four hours are not."""
    clock = VirtualClock()
    begun, now = clock.now(), clock.wall_time()
    journal = build_journal(tmp_path, clock)
    for hour in range(4):
        record_many(journal, clock, range(12 * hour + 1, 12 * hour + 13))
        journal.store_pending()
        clock.advance_to((hour + 1) * 3600 * NS_PER_S + begun)
    journal.close()
    assert clock.wall_time() == now + 4 * HOUR
    rates = read_rates(tmp_path / "journal.db", clock.wall_time())
    hours = (clock.wall_time() - rates.since) / HOUR
    assert 2 <= hours < 3
    assert sum(rates.per_hour.values()) * hours == pytest.approx(24)


def test_a_journal_that_can_not_be_read_says_so(tmp_path: Path) -> None:
    with pytest.raises(JournalError, match="no journal here"):
        read_rates(tmp_path / "journal.db", NOON)
