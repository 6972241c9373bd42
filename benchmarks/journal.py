"""What the journal costs: KB written to the card for 1000 items, and what `record` takes of the control thread.

    python benchmarks/journal.py [--folder FOLDER on the card to measure] [--items N]

Bytes are the kernel's own count for this process (/proc/self/io, write_bytes), a batch a second at 8 items/s.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from edge.clock import NS_PER_S, VirtualClock
from edge.config.service import JournalSettings
from edge.journal import open_journal
from edge.journal.database import Connection, connect_for_writing
from edge.line import Outcome
from edge.types import Actuation, Box, Confidence, Crop, Decision, Item, Prediction, Reason, Stroke

ITEMS_PER_S = 8
FRAME = np.random.default_rng(1).integers(0, 256, (480, 640, 3), dtype=np.uint8)


def build_outcome(item_id: int, at: int) -> Outcome:
    """Return a sorted item with three views of it; every tenth is unsure."""
    unsure = item_id % 10 == 0
    crops = tuple(Crop(FRAME, Box(200, 150, 160, 160), at, 1.0, 1.0) for _ in range(3))
    reason = Reason.UNSURE if unsure else Reason.SORTED
    confidence = Confidence(0.913, 0.95 if unsure else 0.85, 0.871, 0.0)
    where = "residual" if unsure else "plastic"
    decision = Decision(item_id, where, reason, at + 20_000_000, "plastic", 0.913, 0.871, confidence)
    seen = Prediction("plastic", 0.913, 0.871, ("plastic", "glass"), (0.913, 0.042), 3, looks=("plastic",) * 3)
    plan = None if unsure else Actuation("flap-plastic", at + 500_000_000, at + 700_000_000, (item_id,))
    return Outcome(Item(item_id, at, crops), seen, decision, plan, 15_000_000)


def written_bytes() -> int:
    """Return what this process has sent to storage so far, in bytes."""
    fields = dict(line.split(": ") for line in Path("/proc/self/io").read_text().splitlines())
    return int(fields["write_bytes"])


def as_rollback_journal(path: Path) -> Connection:
    """Connect with SQLite's default journal instead of the write-ahead log, to compare with."""
    connection = connect_for_writing(path)
    execute: Callable[..., object] = connection.execute

    class Rollback:
        in_transaction = property(lambda self: connection.in_transaction)
        executemany = staticmethod(connection.executemany)
        close = staticmethod(connection.close)

        @staticmethod
        def execute(sql: str, *parameters: object) -> object:
            return execute(sql.replace("journal_mode = WAL", "journal_mode = DELETE"), *parameters)

    return Rollback()  # type: ignore[return-value]


def measure(folder: Path, items: int, keep: str, connect: Callable[[Path], Connection]) -> tuple[float, list[int]]:
    """Return KB written for 1000 items and the nanoseconds of every call of `record` for an item."""
    settings = JournalSettings.model_validate({"keep_crops": keep})
    clock = VirtualClock()
    journal = open_journal(folder, settings, clock, connect=connect)
    journal.store_pending()
    costs: list[int] = []
    before = written_bytes()
    for item_id in range(1, items + 1):
        clock.advance_to(clock.now() + NS_PER_S // ITEMS_PER_S)
        outcome = build_outcome(item_id, clock.now())
        began = time.perf_counter_ns()
        journal.record(outcome)
        costs.append(time.perf_counter_ns() - began)
        if outcome.actuation is not None:
            journal.record(Stroke(outcome.actuation, outcome.actuation.fire_at, outcome.actuation.release_at))
        if item_id % ITEMS_PER_S == 0:
            journal.store_pending()
    journal.close()
    return (written_bytes() - before) / 1000 / items * 1000, costs


def main() -> None:
    """Print one line for each way of journalling."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--folder", type=Path, default=Path.cwd(), help="a folder on the card to measure")
    parser.add_argument("--items", type=int, default=4000)
    arguments = parser.parse_args()
    ways = {
        "as shipped, no pictures": ("none", connect_for_writing),
        "as shipped, pictures of unsure items (1 in 10)": ("unsure", connect_for_writing),
        "as shipped, useful pictures (1 in 10 unsure)": ("useful", connect_for_writing),
        "with a rollback journal, no pictures": ("none", as_rollback_journal),
    }
    for name, (keep, connect) in ways.items():
        with tempfile.TemporaryDirectory(dir=arguments.folder, prefix="journal-") as folder:
            kilobytes, costs = measure(Path(folder), arguments.items, keep, connect)
        p99 = statistics.quantiles(costs, n=100)[98] / 1000
        print(
            f"{name}: {kilobytes:.0f} KB written for 1000 items, {kilobytes * ITEMS_PER_S * 3.6 / 1000:.0f} MB an hour "
            f"at {ITEMS_PER_S} items/s; record() {statistics.median(costs) / 1000:.1f} us, p99 {p99:.1f} us"
        )


if __name__ == "__main__":
    main()
