"""What the pages about the past ask the server: counts as `sorter stats` counts them, items, kept pictures; and bad questions."""

from __future__ import annotations

import asyncio
import json
import os
import threading
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from support.journal import build_journal, items_in, outcome, photo, record_many, stroke

from edge.bundle.pictures import encode_jpeg
from edge.clock import NS_PER_S, SystemClock, VirtualClock, ms
from edge.config.service import JournalSettings
from edge.interfaces import Clock
from edge.journal import DeliveryEntry
from edge.stats.counts import By, Selection, count_items
from edge.types import Confidence, Prediction, Reason
from edge.web.journal.asking import AT_ONCE, PATIENCE_S, Asking
from edge.web.serving.server import NICENESS


def fill(folder: Path, clock: VirtualClock, hours: int = 6) -> None:
    journal = build_journal(folder, clock)
    for hour in range(hours):
        record_many(journal, clock, range(11 * hour + 1, 11 * hour + 11))
        unsure = outcome(11 * hour + 11, clock.now(), Reason.UNSURE)
        journal.record(unsure)
        journal.store_pending()
        clock.advance_to(clock.now() + 1800 * NS_PER_S)
    journal.close()


def test_counts_are_those_of_sorter_stats(tmp_path: Path, clock: VirtualClock, web: httpx.Client) -> None:
    fill(tmp_path, clock)
    told = web.get("/api/counts", params={"by": "bin,reason", "step": "hour"}).json()
    counted = count_items({"": tmp_path / "journal.db"}, [By.BIN, By.REASON], Selection())
    assert told["total"] == counted.total() == 66
    assert Counter({(row["bin"], row["reason"]): sum(row["items"]) for row in told["counts"]}) == counted
    hours = count_items({"": tmp_path / "journal.db"}, [By.HOUR], Selection())
    added = [sum(items) for items in zip(*(row["items"] for row in told["counts"]), strict=True)]
    assert [items for items in added if items] == [items for _, items in sorted(hours.items())]
    assert told["reasons"]["unsure"] == "the model was not sure enough"
    home = web.get("/api/counts", params={"by": "home,bin"}).json()["counts"]
    assert {(row["home"], row["bin"]) for row in home} >= {("glass", "glass"), ("metal", "residual")}


def test_durations_come_with_every_hour_that_has_rows(tmp_path: Path, clock: VirtualClock, web: httpx.Client) -> None:
    fill(tmp_path, clock)
    timing = web.get("/api/timing").json()["timing"]
    assert len(timing) == 24
    assert timing[0] == {"items": 22, "deciding_ms": 20, "deciding_p99_ms": 20, "spare_ms": 480, "spare_p1_ms": 480}
    assert timing[20] == dict.fromkeys(timing[0], None) | {"items": 0}


BAD = {
    "/api/counts?from=yesterday": "from: expected a date, or a date and time, such as 2026-05-01T14:30, received 'yesterday'.",
    "/api/counts?from=2026-05-02&to=2026-05-01": "from, to: expected a time before the other.",
    "/api/counts?step=month": "step: input should be 'hour', 'day' or 'week', received 'month'.",
    "/api/counts?by=colour": "by.0: input should be 'bin', 'home', 'label', 'reason' or 'model', received 'colour'.",
    "/api/counts?form=2026-05-01": "'form': not known; expected one of from, to, step, by.",
    "/api/counts?from=1970-01-02&to=2026-05-01": "from, to: expected at most 400 steps; ask for longer steps or less time.",
    "/api/timing?from=9999-12-31&step=week": "from, to: expected a time before the other.",
    "/api/timing?from=0001-01-01": "from: expected a date, or a date and time, such as 2026-05-01T14:30, received '0001-01-01'.",
    "/api/search?least=50": "least: input should be less than or equal to 1, received '50'.",
    "/api/search?before=x": "before: input should be a valid integer, unable to parse string as an integer, received 'x'.",
    "/api/search?limit=10000": "limit: input should be less than or equal to 50, received '10000'.",
    "/api/choices?all=1": "'all': not known; expected one of .",
}


@pytest.mark.parametrize(("address", "sentence"), BAD.items())
def test_a_question_that_makes_no_sense_is_answered_with_a_sentence(
    idle_web: httpx.Client, address: str, sentence: str
) -> None:
    answer = idle_web.get(address)
    assert (answer.status_code, answer.json()) == (400, {"error": "question", "detail": sentence})


def test_before_the_first_item_there_is_nothing_and_it_is_said(idle_web: httpx.Client) -> None:
    counts = idle_web.get("/api/counts").json()
    assert (counts["total"], counts["counts"], counts["recorded"]) == (0, [], False)
    assert idle_web.get("/api/timing").json()["timing"] == []
    assert idle_web.get("/api/search").json() == {"items": [], "before": None, "recorded": False}
    assert "metal" in idle_web.get("/api/choices").json()["labels"]


@pytest.mark.parametrize("content", [b"", b"no journal at all" * 100, b"SQLite format 3\0" + bytes(4000)])
def test_a_damaged_journal_is_told_and_the_rest_of_the_page_lives(
    tmp_path: Path, web: httpx.Client, content: bytes
) -> None:
    (tmp_path / "journal.db").write_bytes(content)
    for address in ("/api/counts", "/api/timing", "/api/search", "/api/choices"):
        answer = web.get(address)
        assert answer.status_code == 503
        assert answer.json()["error"] == "journal"
        assert str(tmp_path / "journal.db") in answer.json()["detail"]
    assert web.get("/api/status").status_code == web.get("/week").status_code == web.get("/items").status_code == 200


def test_a_journal_whose_middle_is_damaged_never_fells_the_page(
    tmp_path: Path, clock: VirtualClock, web: httpx.Client
) -> None:
    fill(tmp_path, clock, 20)
    whole = (tmp_path / "journal.db").read_bytes()
    for place in range(0, len(whole), 1024):
        (tmp_path / "journal.db").write_bytes(whole[:place] + b"\xa5" * 1024 + whole[place + 1024 :])
        for address in ("/api/counts?by=bin,label,reason,model", "/api/timing", "/api/search?reason=unsure&least=0.1"):
            answer = web.get(address)
            assert answer.status_code in (200, 503), answer.text
            assert isinstance(answer.json(), dict)


def test_an_unsure_item_tells_which_threshold_it_missed(tmp_path: Path, clock: VirtualClock, web: httpx.Client) -> None:
    journal = build_journal(tmp_path, clock)
    seen = Prediction("glass", 0.6, 0.1, ("glass", "metal"), (0.6, 0.4), 2, looks=("glass", "metal"))
    for number, confidence in enumerate((Confidence(0.6, 0.85, 0.2, 0.1), Confidence(0.9, 0.85, 0.05, 0.1), None), 1):
        entry = outcome(number, number * NS_PER_S, Reason.UNSURE, prediction=seen)
        journal.record(replace(entry, decision=replace(entry.decision, confidence=confidence)))
    journal.close()
    third, second, first = web.get("/api/search?reason=unsure").json()["items"]
    assert first["confidence"] == {
        "score": 0.6,
        "min_score": 0.85,
        "margin": 0.2,
        "min_margin": 0.1,
        "missed": ["score"],
    }
    assert (first["seen_as"], first["text"]) == (["glass", "metal"], "the model was not sure enough")
    assert second["confidence"]["missed"] == ["margin"]
    assert third["confidence"] is None, "a row of before has no threshold, and none is made up"


def test_an_item_tells_when_its_stroke_was_due_and_when_it_came(
    tmp_path: Path, clock: VirtualClock, web: httpx.Client
) -> None:
    journal = build_journal(tmp_path, clock)
    clock.advance_to(5 * NS_PER_S)
    entry = outcome(1, clock.now() - ms(20))
    journal.record(entry)
    fired = stroke(entry)
    assert fired.fired_at is not None
    journal.record(replace(fired, fired_at=fired.fired_at + 250_000))
    journal.record(DeliveryEntry(1, "metal", clock.now() + NS_PER_S))
    journal.close()
    (item,) = web.get("/api/search").json()["items"]
    assert item["stroke"] == {
        "actuator": "flap-metal", "position": "", "planned": item["stroke"]["planned"], "fired": item["stroke"]["fired"],
        "late_ms": 0.25, "spare_ms": 480.0, "outcome": "fired", "text": "diverted",
    }  # fmt: skip
    assert "00:00:04.480" in item["stroke"]["planned"]
    assert item["landed"]["bin"] == "metal"
    assert "00:00:05.000" in item["landed"]["at"]
    assert item["deciding_ms"] == 20


def test_paging_brings_every_item_once(tmp_path: Path, clock: VirtualClock, web: httpx.Client) -> None:
    fill(tmp_path, clock)
    rows, before = [], {}
    while True:
        told = web.get("/api/search", params={"limit": 7, **before}).json()
        rows += [item["row"] for item in told["items"]]
        if told["before"] is None:
            break
        before = {"before": told["before"]}
    assert rows == sorted((item.row for item in items_in(tmp_path)), reverse=True)


def test_kept_pictures_are_served_and_those_of_the_newest_items_from_memory(
    tmp_path: Path, clock: VirtualClock, page: Any, web: httpx.Client
) -> None:
    journal = build_journal(tmp_path, clock, JournalSettings(keep_crops="all"), run_id="0123abcd")
    journal.record(outcome(1, NS_PER_S, Reason.UNSURE, photo()))
    page.station.decide("glass", "glass")
    newest = page.station.live.snapshot().items[0].decision
    later = outcome(1, NS_PER_S)
    journal.record(replace(later, item=replace(later.item, item_id=2), decision=replace(newest, item_id=2)))
    journal.close()
    newer, older = web.get("/api/search").json()["items"]
    assert newer["pictures"] == [], "another item had that number in the run that is looked at"
    (picture,) = older["pictures"]
    assert web.get(picture).content.startswith(b"\xff\xd8")
    next((tmp_path / "pictures").iterdir()).unlink()
    gone = web.get("/api/search").json()["items"][1]
    assert (gone["pictures"], gone["pictures_gone"]) == ([], True)
    assert web.get(picture).status_code == 404


def test_an_item_that_is_in_memory_still_has_its_picture_from_there(
    tmp_path: Path, clock: VirtualClock, page: Any, web: httpx.Client
) -> None:
    number = page.station.decide("glass", "glass")
    decision = page.station.live.snapshot().items[0].decision
    journal = build_journal(tmp_path, clock)
    entry = outcome(number, NS_PER_S)
    journal.record(replace(entry, decision=decision))
    journal.close()
    (item,) = web.get("/api/search").json()["items"]
    (picture,) = item["pictures"]
    assert picture.startswith(f"/crops/{number}.jpg?run=")
    assert web.get(picture).content.startswith(b"\xff\xd8")


@pytest.mark.parametrize(
    "name", ["..%2fjournal.db", "%2e%2e", "journal.db", "0123abcd-00000001-1.jpg%00", "", ".", "mine.jpg", "0123abcd-00000009-1.jpg"]
)  # fmt: skip
def test_nothing_but_a_kept_picture_leaves_its_folder(
    tmp_path: Path, clock: VirtualClock, web: httpx.Client, name: str
) -> None:
    fill(tmp_path, clock, 1)
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures" / "mine.jpg").write_bytes(encode_jpeg(photo(), 80))
    (tmp_path / "pictures" / "0123abcd-00000009-1.jpg").symlink_to(tmp_path / "journal.db")
    assert web.get(f"/kept/{name}").status_code == 404


class _Leaping(VirtualClock):
    """A clock on which patience is over at the second look."""

    def now(self) -> int:
        self.advance_to(super().now() + PATIENCE_S * NS_PER_S)
        return super().now()


@pytest.mark.parametrize(("clock_type", "closes"), [(_Leaping, False), (SystemClock, True)])
def test_a_question_that_takes_too_long_or_outlives_the_page_is_given_up(
    tmp_path: Path, clock: VirtualClock, clock_type: type[Clock], closes: bool
) -> None:
    fill(tmp_path, clock, 1)
    closing = threading.Event()
    asking = Asking(tmp_path / "journal.db", clock_type(), closing)
    endless = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT count(*) FROM n"

    def read(connection: Any) -> dict[str, Any]:
        if closes:
            closing.set()
        return {"count": connection.execute(endless).fetchone()}

    answer = asyncio.run(asking.answer(lambda: read, {}))
    assert answer.status_code == 503
    assert json.loads(bytes(answer.body)) == {"error": "slow", "detail": "It took too long: ask for less time."}


def test_questions_are_read_two_at_a_time_beside_the_event_loop_and_behind_what_sorts(
    tmp_path: Path, clock: VirtualClock
) -> None:
    fill(tmp_path, clock, 1)
    asking = Asking(tmp_path / "journal.db", clock, threading.Event())
    pair, inside, most, lock = threading.Barrier(AT_ONCE), 0, 0, threading.Lock()
    loop_is_free = threading.Event()

    def read(_connection: Any) -> dict[str, Any]:
        nonlocal inside, most
        with lock:
            inside += 1
            most = max(most, inside)
        pair.wait(30)
        assert loop_is_free.wait(30), "the event loop waits for the journal"
        with lock:
            inside -= 1
        return {"niceness": os.getpriority(os.PRIO_PROCESS, threading.get_native_id())}

    async def ask_many() -> list[Any]:
        asyncio.get_running_loop().call_later(0, loop_is_free.set)
        answers = await asyncio.gather(*(asking.answer(lambda: read, {}) for _ in range(3 * AT_ONCE)))
        return [json.loads(bytes(answer.body)) for answer in answers]

    told: list[Any] = []

    def serve_behind() -> None:
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)
        told.extend(asyncio.run(ask_many()))

    thread = threading.Thread(target=serve_behind)
    thread.start()
    thread.join(60)
    assert told == [{"niceness": NICENESS}] * 3 * AT_ONCE
    assert most == AT_ONCE
