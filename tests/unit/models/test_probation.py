"""Probation: a model that does worse goes, one that does as well stays, bad luck alone is no reason."""

from __future__ import annotations

import random
import re
from pathlib import Path

import pytest

from edge.config.probation import ProbationSettings
from edge.inference.metered import Tally
from edge.models.probation import Probation, Verdict, began, counted, ended, judged, load_probation, save_probation
from edge.models.records import Generation

GENERATION = Generation(number=7, current="a" * 64, previous="b" * 64, why="", since="", probation=True)
BEFORE = Tally(items=1000, residual=100, inferences=1000, milliseconds=5000.0)


def probation(**changes: object) -> Probation:
    return Probation(generation=7, digest="a" * 64, baseline=BEFORE).model_copy(update=changes)


def after(items: int, residual: int = 0, failures: int = 0, ms: float = 5.0, minutes: float = 1.0) -> Probation:
    tally = Tally(items=items, residual=residual, failures=failures, inferences=items, milliseconds=ms * items)
    return judged(counted(probation(), tally, minutes), ProbationSettings())


def test_enough_items_without_a_problem_and_it_stays() -> None:
    assert after(499, residual=50).verdict is Verdict.GO_ON
    assert after(500, residual=50).verdict is Verdict.KEEP


def test_enough_minutes_need_some_items_too() -> None:
    assert after(29, minutes=31.0).verdict is Verdict.GO_ON
    assert after(30, minutes=31.0).verdict is Verdict.KEEP


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        (after(60, residual=40), "67% of its 60 items went to residual, 10% with the previous"),
        (after(40, ms=8.0), r"8\.0 ms an inference, 5\.0 ms with the previous"),
        (after(5, failures=5), "failed on 5 of 5"),
    ],
)
def test_a_model_that_does_worse_goes(changed: Probation, why: str) -> None:
    assert changed.verdict is Verdict.ROLL_BACK
    assert re.search(why, changed.why)


def test_an_absolute_budget_needs_no_predecessor() -> None:
    tally = Tally(items=30, inferences=30, milliseconds=30 * 25.0)
    alone = counted(Probation(generation=1, digest="a" * 64), tally, 1.0)
    assert judged(alone, ProbationSettings()).verdict is Verdict.GO_ON
    assert judged(alone, ProbationSettings(), budget_ms=20.0).why == "25.0 ms an inference, 20 ms are allowed"


def test_bad_luck_alone_does_not_send_a_good_model_back() -> None:
    sent_back = 0
    for seed in range(200):
        luck, now = random.Random(seed), probation()
        while now.verdict is Verdict.GO_ON:
            unlucky = luck.random() < BEFORE.residual_share + 0.05
            now = judged(counted(now, Tally(items=1, residual=unlucky), 0.01), ProbationSettings())
        sent_back += now.verdict is Verdict.ROLL_BACK
    assert sent_back <= 2


def test_a_model_that_sends_half_to_residual_is_found_out_within_60_items() -> None:
    for seed in range(50):
        luck, now = random.Random(seed), probation()
        while now.verdict is Verdict.GO_ON:
            now = judged(counted(now, Tally(items=1, residual=luck.random() < 0.6), 0.01), ProbationSettings())
        assert now.verdict is Verdict.ROLL_BACK
        assert now.tally.items <= 100


def test_a_crash_sends_it_back_at_the_next_start() -> None:
    running = began(probation(), "boot-1")
    assert judged(running, ProbationSettings()).verdict is Verdict.GO_ON
    again = judged(began(running, "boot-1"), ProbationSettings())
    assert again.verdict is Verdict.ROLL_BACK
    assert "without being asked" in again.why


def test_one_power_cut_is_forgiven_a_second_is_not() -> None:
    now = began(probation(), "boot-1")
    now = judged(began(now, "boot-2"), ProbationSettings())
    assert (now.verdict, now.power_cuts, now.crashes) == (Verdict.GO_ON, 1, 0)
    assert judged(began(now, "boot-3"), ProbationSettings()).verdict is Verdict.ROLL_BACK


def test_clean_restarts_and_reboots_are_no_reason() -> None:
    now = probation()
    for boot in ("1", "1", "2", "2", "3"):
        now = judged(ended(began(now, f"boot-{boot}")), ProbationSettings())
    assert (now.verdict, now.crashes, now.power_cuts) == (Verdict.GO_ON, 0, 0)


def test_a_verdict_stays() -> None:
    gone = after(60, residual=50)
    assert judged(counted(gone, Tally(items=1000), 60.0), ProbationSettings()) == counted(gone, Tally(items=1000), 60.0)


def test_it_is_kept_on_disk(tmp_path: Path) -> None:
    (tmp_path / "probation").mkdir()
    assert load_probation(tmp_path, GENERATION) == Probation(generation=7, digest="a" * 64)
    now = counted(began(probation(), "boot-1"), Tally(items=3, residual=1, inferences=4, milliseconds=20.5), 0.2)
    save_probation(tmp_path, now)
    assert load_probation(tmp_path, GENERATION) == now


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"generation": 7}'])
def test_a_damaged_file_begins_it_anew(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "probation").mkdir()
    (tmp_path / "probation" / "000007.json").write_bytes(content)
    assert load_probation(tmp_path, GENERATION).tally == Tally()


def test_another_models_file_does_not_count(tmp_path: Path) -> None:
    (tmp_path / "probation").mkdir()
    save_probation(tmp_path, probation(digest="c" * 64, crashes=5))
    assert load_probation(tmp_path, GENERATION).crashes == 0
