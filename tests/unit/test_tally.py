"""When an item counts as sorted, and that every place that counts items says the same."""

from __future__ import annotations

import io
import json
import tempfile
from collections import Counter
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families
from starlette.testclient import TestClient
from support.stations import YARD, make_station
from typer.testing import CliRunner

from edge.cli import root
from edge.cli.commands.run import print_summary
from edge.clock import NS_PER_S, VirtualClock, ms
from edge.config.service import JournalSettings
from edge.journal import DeliveryEntry, open_journal
from edge.line import Outcome
from edge.status.live import LiveView
from edge.tally import EXPECTED, IN_NO_BIN, NOT_SEEN, Tally, what_happened
from edge.types import Actuation, Decision, Item, Reason, Stroke, StrokeOutcome
from edge.web.station.app import build_app

STATION = make_station(YARD, bins={"glass": {"exit_pin": 5}})
ACTUATORS = {"glass": "flap-glass", "metal": "flap-metal"}
WATCHED = frozenset({"glass"})
_, FIRED, MOVED, CANCELLED, REFUSED, FAILED = StrokeOutcome


@dataclass(frozen=True)
class Story:
    """One item: where it was sent, what its strokes came to in turn, and what the exit sensor saw."""

    bin: str
    reason: Reason
    strokes: tuple[StrokeOutcome, ...]
    seen: bool | None
    seen_first: bool


DECIDED = sorted(set(Reason) - IN_NO_BIN - {Reason.SORTED})
STORIES = st.one_of(
    st.builds(Story, st.just("residual"), st.sampled_from(DECIDED), st.just(()), st.none(), st.booleans()),
    st.builds(
        Story,
        st.sampled_from(sorted(ACTUATORS)),
        st.just(Reason.SORTED),
        st.sampled_from(
            [(), (FIRED,), (REFUSED,), (CANCELLED,), (FAILED,), (MOVED,), (MOVED, FIRED), (MOVED, REFUSED)]
        ),
        st.sampled_from([None, True, False]),
        st.booleans(),
    ),
)  # fmt: skip


class Witnesses:
    """A live view and a journal that are told the same."""

    def __init__(self, folder: Path) -> None:
        self.clock = VirtualClock()
        self.live = LiveView(self.clock)
        self.journal = open_journal(folder, JournalSettings(), self.clock)
        self.folder = folder

    def tell(self, number: int, story: Story) -> None:
        self.clock.advance_to(self.clock.now() + NS_PER_S // 10)
        now = self.clock.now()
        plan = None
        if story.bin in ACTUATORS:
            plan = Actuation(ACTUATORS[story.bin], now + ms(300), now + ms(400), (number,))
        outcome = Outcome(
            Item(number, now, ()), None, Decision(number, story.bin, story.reason, now), plan, 0, story.bin in WATCHED
        )
        self.live.publish_outcome(outcome)
        self.journal.record(outcome)
        if story.seen_first:
            self._tell_arrival(number, story)
        for became in story.strokes:
            assert plan is not None
            stroke = Stroke(plan, plan.fire_at if became is FIRED else None, None, became)
            self.live.publish_stroke(stroke)
            self.journal.record(stroke)
        if not story.seen_first:
            self._tell_arrival(number, story)

    def _tell_arrival(self, number: int, story: Story) -> None:
        if story.bin in WATCHED and story.seen is not None:
            self.live.publish_delivery(number, story.seen)
            self.journal.record(DeliveryEntry(number, story.bin, self.clock.now() if story.seen else None))

    def on_the_page(self) -> tuple[Counter[str], Counter[str]]:
        """Return what /api/status, and so the page, says: items by bin, and by what kept them from being sorted."""
        with TestClient(build_app(self.live, STATION, None, self.clock), "http://localhost") as web:
            status = web.get("/api/status").json()
        bins = Counter({where["name"]: where["count"] for where in status["bins"]})
        return +bins, Counter({Reason(told["reason"]): told["count"] for told in status["reasons"]})

    def in_metrics(self) -> Counter[tuple[str, str]]:
        with TestClient(build_app(self.live, STATION, None, self.clock), "http://localhost") as web:
            families = {f.name: f for f in text_string_to_metric_families(web.get("/metrics").text)}
        counts: Counter[tuple[str, str]] = Counter()
        for sample in families["sorter_items"].samples:
            counts[sample.labels["bin"], sample.labels["reason"]] += int(sample.value)
        for sample in families["sorter_items_under_way"].samples:
            counts[sample.labels["bin"], Reason.UNDER_WAY] += int(sample.value)
        return counts

    def in_stats(self) -> Counter[tuple[str, str]]:
        self.journal.store_pending()
        file = str(self.folder / "journal.db")
        told = json.loads(CliRunner().invoke(root, ["stats", "--json", "--file", file]).stdout)
        counts: Counter[tuple[str, str]] = Counter()
        for row in told["counts"]:
            counts[row["bin"], row["reason"]] += row["items"]
        return counts

    def in_summary(self) -> Counter[tuple[str, str]]:
        with redirect_stdout(io.StringIO()) as printed:
            print_summary(self.live.snapshot())
        rows = [line.replace("│", " ").split() for line in printed.getvalue().splitlines()]
        return Counter({(row[0], row[1]): int(row[2]) for row in rows if len(row) == 3 and row[2].isdecimal()})


@settings(max_examples=25)
@given(stories=st.lists(STORIES, min_size=1, max_size=12))
def test_page_status_metrics_stats_and_summary_agree_on_what_was_sorted(stories: list[Story]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        witnesses = Witnesses(Path(folder))
        for number, story in enumerate(stories, start=1):
            witnesses.tell(number, story)
        counts = +Counter(witnesses.live.snapshot().counts)
        assert witnesses.in_metrics() == counts
        assert witnesses.in_stats() == counts
        assert witnesses.in_summary() == counts
        bins, reasons = witnesses.on_the_page()
        expected_bins: Counter[str] = Counter()
        expected_reasons: Counter[str] = Counter()
        for (where, reason), count in counts.items():
            expected_bins[where] += 0 if reason in IN_NO_BIN else count
            expected_reasons[reason] += 0 if reason is Reason.SORTED else count
        assert (bins, reasons) == (+expected_bins, +expected_reasons)
        sorted_items = sum(count for (_, reason), count in counts.items() if reason is Reason.SORTED)
        assert sorted_items == sum(
            story.strokes[-1:] == (FIRED,) and (story.bin not in WATCHED or story.seen is True) for story in stories
        )
        assert sum(counts.values()) == len(stories)


def test_only_what_was_fired_and_seen_counts_as_sorted(tmp_path: Path) -> None:
    witnesses = Witnesses(tmp_path)
    for number, became in enumerate((FIRED, REFUSED, FIRED, CANCELLED, FAILED), start=1):
        witnesses.tell(number, Story("metal", Reason.SORTED, (became,), None, False))
    witnesses.tell(6, Story("glass", Reason.SORTED, (FIRED,), False, False))
    witnesses.tell(7, Story("glass", Reason.SORTED, (FIRED,), None, False))
    witnesses.tell(8, Story("residual", Reason.UNSURE, (), None, False))
    assert witnesses.in_stats() == {
        ("metal", "sorted"): 2,
        ("metal", "not-diverted"): 3,
        ("glass", "not-seen"): 1,
        ("glass", "under-way"): 1,
        ("residual", "unsure"): 1,
    }


@given(story=STORIES, rest=st.permutations([FIRED, REFUSED, MOVED]))
def test_what_was_counted_once_never_changes(story: Story, rest: list[StrokeOutcome]) -> None:
    tally = Tally()
    tally.decided(1, story.bin, story.reason, has_stroke=bool(story.strokes), is_watched=False)
    for became in (*story.strokes, *rest):
        before = dict(tally.settled)
        tally.stroke_ended(1, became)
        assert all(tally.settled[key] >= count for key, count in before.items())
    assert sum(tally.counts.values()) == 1


def test_a_decision_for_residual_stays_what_it_was() -> None:
    assert what_happened(Reason.UNSURE, REFUSED, NOT_SEEN) is Reason.UNSURE


def test_a_bin_without_an_actuator_needs_no_stroke() -> None:
    assert what_happened(Reason.SORTED, None, None) is Reason.SORTED


def test_a_refused_stroke_waits_for_no_sensor() -> None:
    assert what_happened(Reason.SORTED, REFUSED, EXPECTED) is Reason.NOT_DIVERTED
