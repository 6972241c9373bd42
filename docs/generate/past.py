"""A week that a demo station remembers, made up: so that the pictures of its page show more than its last minutes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from edge.clock import NS_PER_S, SystemClock, VirtualClock, ms
from edge.config.service import JournalSettings
from edge.health.events import HealthEvents
from edge.health.faults import Fault, FaultKind
from edge.inference.classifier import open_shipped_bundle
from edge.journal import DeliveryEntry, Journal, open_journal
from edge.line import Outcome
from edge.types import Actuation, Confidence, Decision, Item, Reason, Stroke

SHARES = {"plastic": 0.24, "metal": 0.13, "paper": 0.2, "cardboard": 0.17, "glass": 0.14, "organic": 0.12}
ITEMS_AN_HOUR = 70
FAULTS = (
    (0, FaultKind.BIN_FULL, "plastic", 14), (1, FaultKind.CLASSIFIER_SLOW, "", 3), (2, FaultKind.JAM, "glass", 6),
    (4, FaultKind.BIN_FULL, "plastic", 22), (5, FaultKind.CAMERA_MOVED, "", 9),
)  # fmt: skip
"""On which day, what, about what, and for how many minutes."""


def remember_a_week(folder: Path) -> None:
    """Write the journal of a station that has sorted from 6 to 14 o'clock UTC, each of the last six days."""
    begun = datetime.fromtimestamp(SystemClock().wall_time(), UTC).replace(
        hour=6, minute=0, second=0, microsecond=0
    ) - timedelta(days=6)
    draw = np.random.default_rng(6)
    for day in range(6):
        clock = VirtualClock(wall_start=(begun + timedelta(days=day)).timestamp())
        journal = open_journal(folder, JournalSettings(keep_crops="none"), clock, boot_id=f"day-{day}")
        journal.use_bundle(open_shipped_bundle().digest)
        events = HealthEvents()
        opened = clock.now()
        for number in range(1, 8 * ITEMS_AN_HOUR + 1):
            clock.advance_to(opened + number * 3600 * NS_PER_S // ITEMS_AN_HOUR)
            _sort(journal, clock, number, draw, slump=day == 3)
            if number % 100 == 0:
                journal.store_pending()
        for _, kind, detail, minutes in (fault for fault in FAULTS if fault[0] == day):
            fault = Fault(kind, clock.now(), detail)
            events.raised(fault)
            clock.advance_to(clock.now() + minutes * 60 * NS_PER_S)
            events.cleared(fault, clock.now())
            for event in events.take():
                journal.record(event)
            journal.store_pending()
        journal.close()


def _sort(journal: Journal, clock: VirtualClock, number: int, draw: np.random.Generator, slump: bool) -> None:
    """Have an item come by; in a slump the model is unsure more often."""
    label = str(draw.choice(list(SHARES), p=list(SHARES.values())))
    score = float(draw.beta(6 if slump else 12, 1.2))
    is_sure = score > 0.8
    now, where = clock.now(), label if is_sure else "residual"
    plan = (
        Actuation(f"flap-{list(SHARES).index(label) + 1}", now + ms(900), now + ms(1000), (number,))
        if is_sure
        else None
    )
    sure = Confidence(score, 0.8, score - 0.05, 0.0)
    reason = Reason.SORTED if is_sure else Reason.UNSURE
    decision = Decision(number, where, reason, now, label, score, score - 0.05, sure)
    journal.record(Outcome(Item(number, now - ms(30), ()), None, decision, plan, ms(20), is_watched=is_sure))
    if plan is not None:
        journal.record(Stroke(plan, plan.fire_at, plan.release_at))
        journal.record(DeliveryEntry(number, label, plan.release_at))
