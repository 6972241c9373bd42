"""Which pictures a whole simulated conveyor keeps for learning, with the model that ships and photos of real waste."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest
from support.paths import STATIONS

from edge.bundle.kept_names import item_of, look_names
from edge.config import load_station
from edge.config.service import JournalSettings
from edge.inference.classifier import open_shipped_bundle
from edge.journal.keeping.candidates import MOST_LOOKS, RandomShare
from edge.journal.reading import ItemRecord, Query, read_all
from edge.tools.simulate.build import Conditions, build_virtual_run, run_and_score
from edge.tools.simulate.simulated_station import Changes, simulated_variant
from edge.types import Reason

QUOTAS = JournalSettings(random_share=0.15, crops_per_label=6, crops_per_day=20)
RUN = f"{5:032x}"  # as simulated runs are named by their seed


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The state folder of a station after half a minute on the belt."""
    folder = tmp_path_factory.mktemp("kept")
    changes = Changes(seed=5, items_per_min=110.0, frames_per_s=15.0)
    station = simulated_variant(load_station(STATIONS / "demo.toml"), changes).with_values(journal=QUOTAS)
    run = build_virtual_run(station, Conditions(open_shipped_bundle(), journal_folder=folder))
    run_and_score(station, run, 25)
    return folder


@pytest.fixture(scope="module")
def rows(folder: Path) -> Sequence[ItemRecord]:
    return list(read_all(folder / "journal.db", ItemRecord, Query()))


def test_every_look_that_the_journal_names_is_there_and_no_other(folder: Path, rows: Sequence[ItemRecord]) -> None:
    named = [name for row in rows if row.picture and row.looks for name in look_names(item_of(row.picture), row.looks)]
    assert sorted(named) == sorted(path.name for path in (folder / "pictures").iterdir())
    assert MOST_LOOKS * len([row for row in rows if row.kept]) * 0.8 < len(named), "nearly all were seen three times"


def test_the_random_share_is_what_the_numbers_of_the_items_say(rows: Sequence[ItemRecord]) -> None:
    chance = RandomShare(RUN, QUOTAS.random_share)
    assert {row.item for row in rows if row.kept == "random"} == {row.item for row in rows if chance.takes(row.item)}
    assert len({row.reason for row in rows if row.kept == "random"}) > 1


def test_quotas_hold_and_what_is_doubtful_is_kept(rows: Sequence[ItemRecord]) -> None:
    kept = [row for row in rows if row.kept not in (None, "random")]
    per_label = Counter(row.label for row in kept)
    assert 0 < len(kept) <= QUOTAS.crops_per_day
    assert max(per_label.values()) <= QUOTAS.crops_per_label
    unsure = [row for row in rows if row.reason == Reason.UNSURE]
    assert {row.kept for row in unsure} <= {None, "random", "unsure"}
    assert any(row.kept == "unsure" for row in unsure)
    assert {row.kept for row in kept} > {"unsure"}
