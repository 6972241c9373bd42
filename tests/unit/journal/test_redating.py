"""A wrong date costs no rows: age drops nothing while the date is in doubt, and rows move with the date when it is set."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.journal import make_older

from edge.clock import NS_PER_S, VirtualClock
from edge.config.service import JournalSettings
from edge.journal import open_journal, redating
from edge.journal.reading import EventRecord, Query, read_all
from edge.types import Event, EventKind

NOW = 1_780_000_000.0
DAY_S = 86_400.0
MAX_DAYS = 90


class SetClock(VirtualClock):
    """A clock whose date is wrong by `error_s`."""

    def __init__(self, true_time: float, error_s: float) -> None:
        super().__init__(wall_start=true_time)
        self.error_s = error_s

    def wall_time(self) -> float:
        return super().wall_time() + self.error_s

    @property
    def true_time(self) -> float:
        return super().wall_time()


class Pi:
    """A machine with a journal; an event's text is the true time at which it happened."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.boots = self.runs = 0
        self.recorded: dict[str, int] = {}  # text -> boot
        self.boot(NOW, 0.0)

    def boot(self, true_time: float, error_s: float) -> None:
        self.boots += 1
        self.clock = SetClock(true_time, error_s)
        self.start()

    def start(self) -> None:
        self.runs += 1
        run, boot = f"run-{self.runs}", f"boot-{self.boots}"
        self.journal = open_journal(self.folder, JournalSettings(max_days=MAX_DAYS), self.clock, run, boot)

    def stop(self) -> None:
        self.journal.close()

    def set_date(self, error_s: float, known: bool) -> None:
        self.clock.error_s, self.clock.date_known = error_s, known

    def work(self, hours: float, rows_an_hour: int = 4) -> None:
        for _ in range(int(hours * rows_an_hour)):
            self.clock.advance_to(self.clock.now() + 3600 * NS_PER_S // rows_an_hour)
            text = f"{self.clock.true_time:.3f}"
            self.recorded[text] = self.boots
            self.journal.record(Event(EventKind.STATE, self.clock.now(), text))
            self.journal.store_pending()

    def rows(self) -> list[EventRecord]:
        return list(read_all(self.folder / "journal.db", EventRecord, Query()))

    def lost(self) -> set[float]:
        """Return the true times of rows that are gone."""
        return {float(text) for text in self.recorded.keys() - {row.text for row in self.rows()}}

    def off_by_s(self, boot: int) -> float:
        """Return by how much the rows of a boot are dated wrong at most."""
        return max(
            abs(datetime.fromisoformat(row.time).timestamp() - float(row.text))
            for row in self.rows()
            if self.recorded[row.text] == boot
        )


def test_ten_hours_with_the_date_of_the_last_shutdown_then_a_time_server(tmp_path: Path) -> None:
    pi = Pi(tmp_path)
    pi.set_date(-120 * DAY_S, known=False)
    pi.work(10)
    pi.set_date(0, known=True)
    pi.work(3)
    assert pi.lost() == set()
    assert pi.off_by_s(1) < 1


def test_a_month_of_history_then_a_date_two_years_ahead_without_a_network(tmp_path: Path) -> None:
    pi = Pi(tmp_path)
    pi.set_date(0, known=True)
    pi.work(30 * 24, rows_an_hour=1)
    pi.stop()
    pi.boot(pi.clock.true_time, 730 * DAY_S)
    pi.work(10)
    assert pi.lost() == set()
    pi.set_date(0, known=True)
    pi.work(5)
    assert pi.lost() == set()
    assert pi.off_by_s(2) < 1


def test_a_boot_that_ended_before_the_date_was_set_is_kept_as_long_as_it_may_be_young(tmp_path: Path) -> None:
    pi = Pi(tmp_path)
    pi.set_date(-120 * DAY_S, known=False)
    pi.work(10)
    pi.stop()
    pi.boot(pi.clock.true_time, 0)
    pi.set_date(0, known=True)
    pi.work(5)
    assert pi.lost() == set()
    pi.work((MAX_DAYS + 3) * 24, rows_an_hour=1)
    assert {float(text) for text, boot in pi.recorded.items() if boot == 1} <= pi.lost()


def test_a_date_that_was_set_while_the_service_was_down_moves_the_rows_of_this_boot(tmp_path: Path) -> None:
    pi = Pi(tmp_path)
    pi.set_date(-400 * DAY_S, known=False)
    pi.work(5)
    pi.stop()
    pi.set_date(0, known=True)
    pi.start()
    pi.work(3)
    assert pi.lost() == set()
    assert pi.off_by_s(1) < 1


def test_a_date_that_was_known_and_is_set_wrong_makes_no_row_old(tmp_path: Path) -> None:
    pi = Pi(tmp_path)
    pi.set_date(0, known=True)
    pi.work(1)
    pi.set_date(-400 * DAY_S, known=False)
    pi.work(1)
    pi.stop()
    pi.boot(pi.clock.true_time + 600, 0.0)
    pi.set_date(0, known=True)
    pi.work(3)
    assert pi.lost() == set()


def test_rows_that_wait_for_the_disk_while_the_date_is_set_get_the_right_one(tmp_path: Path) -> None:
    pi = Pi(tmp_path)
    pi.set_date(-120 * DAY_S, known=False)
    pi.work(1)
    pi.journal.record(Event(EventKind.STATE, pi.clock.now(), text := f"{pi.clock.true_time:.3f}"))
    pi.recorded[text] = 1
    pi.set_date(0, known=True)
    pi.work(1)
    assert pi.off_by_s(1) < 1


def test_moving_is_taken_up_again_after_a_crash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redating, "REDATED_AT_ONCE", 3)
    pi = Pi(tmp_path)
    pi.set_date(-120 * DAY_S, known=False)
    pi.work(10)
    pi.set_date(0, known=True)
    pi.work(1, rows_an_hour=1)
    assert pi.off_by_s(1) > DAY_S  # in the middle of it
    pi.stop()
    pi.start()
    pi.work(5)
    assert pi.off_by_s(1) < 1


def test_a_machine_that_slept_is_not_taken_for_one_whose_date_was_set(tmp_path: Path) -> None:
    pi = Pi(tmp_path)
    pi.work(2)
    pi.clock.was_suspended = lambda: True  # type: ignore[method-assign]
    pi.set_date(8 * 3600, known=False)  # the lid was closed for eight hours
    pi.work(2)
    dates = [datetime.fromisoformat(row.time).timestamp() - float(row.text) for row in pi.rows()]
    assert max(abs(off) for off in dates[:8]) < 1
    assert all(abs(off - 8 * 3600) < 1 for off in dates[8:])


def test_a_journal_of_the_version_before_is_taken_over(tmp_path: Path) -> None:
    pi = Pi(tmp_path)
    pi.work(2)
    pi.stop()
    make_older(tmp_path / "journal.db", version=1)
    pi.start()
    pi.work(1)
    assert pi.lost() == set()
    assert list(tmp_path.glob("damaged-*")) == []


@dataclass(frozen=True)
class Step:
    """What happens next to the machine."""

    kind: str  # work | set | restart | boot
    hours: float = 0.0
    error_days: float = 0.0
    known: bool = False


ERRORS = st.sampled_from([0.0, -400.0, -120.0, -2.0, 30.0, 730.0])
STEPS = st.one_of(
    st.builds(Step, st.just("work"), st.sampled_from([0.5, 3.0, 12.0, 30 * 24.0])),
    st.builds(Step, st.just("set"), error_days=ERRORS),
    st.builds(Step, st.just("set"), known=st.just(True)),
    st.builds(Step, st.just("restart"), error_days=ERRORS),
    st.builds(Step, st.just("boot"), st.sampled_from([0.1, 24.0, 200 * 24.0]), ERRORS),
)


@settings(max_examples=20)
@given(steps=st.lists(STEPS, max_size=8))
def test_no_row_that_is_young_enough_is_ever_dropped_and_known_dates_are_right(steps: list[Step]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        pi = Pi(Path(folder))
        for step in [*steps, Step("set", known=True), Step("work", 3.0)]:
            if step.kind == "work":
                pi.work(step.hours, rows_an_hour=1 if step.hours > 100 else 4)
            elif step.kind == "set":
                pi.set_date(step.error_days * DAY_S, step.known)
            else:
                pi.stop()
                if step.kind == "boot":
                    pi.boot(pi.clock.true_time + 3600 * step.hours, step.error_days * DAY_S)
                else:
                    pi.set_date(step.error_days * DAY_S, known=False)
                    pi.start()
            if pi.recorded and (pi.folder / "journal.db").exists():
                oldest = pi.clock.true_time - MAX_DAYS * DAY_S
                assert all(lost < oldest + 60 for lost in pi.lost())
        if pi.boots in pi.recorded.values():
            assert pi.off_by_s(pi.boots) < 60
        pi.stop()
