"""Journals that are damaged while the pages of the past are asked for what is in them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from starlette.testclient import TestClient

from edge.clock import VirtualClock, ms
from edge.config import load_station
from edge.config.service import JournalSettings
from edge.journal import open_journal
from edge.line import Outcome
from edge.status.live import LiveView
from edge.types import Actuation, Confidence, Decision, Item, Prediction, Reason, Stroke
from edge.web.station.app import build_app
from fuzzing.case import Case, mutate
from fuzzing.examples import STATIONS

ADDRESSES = (
    "/api/counts?by=bin,label,reason,model,home",
    "/api/timing",
    "/api/choices",
    "/api/search?limit=50",
    "/api/search?reason=unsure&least=0.1",
    "/api/search?bin=plastic&from=2026-01-01&to=2026-01-02",
    "/api/bins",
    "/api/health",
)
ITEMS = 150


def past(folder: Path) -> Callable[[Case], None]:
    """Each address answers, or says that the journal can't be read; no exception reaches the server."""
    _record(folder)
    whole = (folder / "journal.db").read_bytes()
    station = load_station(STATIONS / "demo.toml")

    def run(case: Case) -> None:
        path = case.folder / "journal.db"
        path.write_bytes(mutate(whole, case.chance))
        clock = VirtualClock()
        with TestClient(build_app(LiveView(clock), station, path, clock), "http://localhost") as web:
            for address in ADDRESSES:
                answer = web.get(address)
                assert answer.status_code in (200, 503), f"{address}: {answer.status_code} {answer.text[:200]}"
                assert isinstance(answer.json(), dict)

    return run


def _record(folder: Path) -> None:
    clock = VirtualClock()
    journal = open_journal(folder, JournalSettings(keep_crops="none"), clock)
    journal.use_bundle("0" * 64)
    for number in range(1, ITEMS + 1):
        clock.advance_to(clock.now() + ms(20_000))
        at, unsure = clock.now(), number % 5 == 0
        seen = Prediction("plastic", 0.9, 0.8, ("plastic",), (0.9,), 2, looks=("plastic", "metal"))
        reason = Reason.UNSURE if unsure else Reason.SORTED
        sure = Confidence(0.9, 0.95 if unsure else 0.8, 0.8, 0.1)
        where = "residual" if unsure else "plastic"
        decision = Decision(number, where, reason, at + ms(20), "plastic", 0.9, 0.8, sure)
        stroke = None if unsure else Actuation("flap-1", at + ms(500), at + ms(700), (number,))
        journal.record(Outcome(Item(number, at, ()), seen, decision, stroke, ms(15)))
        if stroke is not None:
            journal.record(Stroke(stroke, stroke.fire_at, stroke.release_at))
    journal.store_pending()
    journal.close()
