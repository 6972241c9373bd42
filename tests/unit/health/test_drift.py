"""Of what is raised: which sentence is told, and that none is held back for good."""

from __future__ import annotations

from edge.health.drift import LIMIT, PATIENCE, Memory, RiseTest, Sureness

SHARES = (0.2, 0.5)


def unsure_items(memory: Memory, items: int) -> None:
    for _ in range(items):
        if memory.unsure.step(True, 1.0, *SHARES):
            memory.unsure.told = "more items than usual have been unsure"


def suspect(score: float, told: str = "") -> Sureness:
    return Sureness(test=RiseTest(score=score, told=told))


def test_a_label_under_suspicion_that_is_never_raised_holds_the_warning_back_for_some_items_only() -> None:
    memory = Memory(labels={"paper": suspect(LIMIT / 2)})
    unsure_items(memory, 20)
    assert memory.unsure.told
    assert memory.told == [], "it may soon be known that it is paper alone"
    unsure_items(memory, PATIENCE)
    assert memory.told == ["more items than usual have been unsure"]


def test_a_label_that_is_raised_meanwhile_is_told_by_its_name() -> None:
    memory = Memory(labels={"paper": suspect(LIMIT / 2)})
    unsure_items(memory, 20)
    memory.labels["paper"] = suspect(LIMIT, "been less sure")
    assert memory.told == ["paper has been less sure"]
    unsure_items(memory, PATIENCE)
    assert memory.told == ["paper has been less sure"]


def test_how_long_it_was_held_back_is_counted_anew_after_its_end() -> None:
    memory = Memory(labels={"paper": suspect(LIMIT / 2)})
    unsure_items(memory, PATIENCE + 20)
    memory.unsure.clear()
    unsure_items(memory, 20)
    assert memory.told == []
