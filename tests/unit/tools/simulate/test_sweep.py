"""A station under ever more load: which runs are made, when it stops, and what it says."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from edge.cli import root
from edge.cli.commands.simulate import FAST_STATION
from edge.config import Station, load_station
from edge.errors import ConfigError
from edge.tools.simulate.score import BinScore, Score, Spread
from edge.tools.simulate.sweep import explain, sweep

NOTHING = Spread()


def score_of(station: Station, **changes: object) -> Score:
    """100 items, all well, but for the changes."""
    plain: dict[str, object] = {
        "items": 100, "found": 100, "touching": 0, "missed": 0, "doubled": 0, "phantom": 0, "mis_timed": 0,
        "spilled": 0, "wrong_label": 0, "minutes": 1.0, "reasons": {"sorted": 100}, "latency": NOTHING,
        "margin": NOTHING, "bins": tuple(BinScore(b.name, 10, 10, 10) for b in station.bins),
    }  # fmt: skip
    return Score(**(plain | changes))  # type: ignore[arg-type]


def test_three_rates_then_faster_belts_until_it_breaks() -> None:
    def run(station: Station) -> Score:
        assert station.belt is not None
        late = 30 if station.belt.speed_mm_per_s > 2000 else 0
        return score_of(station, reasons={"late": late, "unsure": 50, "sorted": 50 - late})

    rows = list(sweep(load_station(FAST_STATION), run))
    assert [(row.speed_mm_per_s, row.items_per_min) for row in rows] == [
        (1000, 120), (1000, 240), (1000, 480), (1500, 240), (2250, 240),
    ]  # fmt: skip
    assert [row.broke for row in rows] == [False] * 4 + [True]
    assert explain(rows) == (
        "It breaks at 2250 mm/s: 30% of the items are lost, most because decided too late to reach the diverter."
    )


def test_a_station_that_never_breaks_is_run_up_to_the_fastest_belt() -> None:
    rows = list(sweep(load_station(FAST_STATION), score_of))
    assert [row.speed_mm_per_s for row in rows[-2:]] == [3375, 5000]
    assert "keeps up at all of these speeds" in explain(rows)


def test_items_that_were_not_seen_are_a_reason_too() -> None:
    rows = list(sweep(load_station(FAST_STATION), lambda station: score_of(station, missed=8, doubled=4)))
    assert rows[-1].trouble == ("they were not seen, or seen twice", 0.12)
    assert len(rows) == 4


def test_a_bin_has_no_belt_to_speed_up(tmp_path: Path) -> None:
    flap = FAST_STATION.parent / "bin-flap.toml"
    command = ["simulate", "--sweep", "--perfect-model"]
    with pytest.raises(ConfigError, match="a sweep needs a belt"):
        CliRunner().invoke(root, [*command, "--station", str(flap)], catch_exceptions=False)
    with pytest.raises(ConfigError, match="several runs"):
        CliRunner().invoke(root, [*command, "--video", str(tmp_path / "a.mp4")], catch_exceptions=False)
