"""The model at work changes between two frames, and whatever goes wrong in it has one name."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from edge.errors import ClassifierError
from edge.inference.slot import ClassifierSlot, ModelAtWork
from edge.types import Crop, Prediction


class Model:
    """Answers with its name, or dies."""

    labels = ("glass",)

    def __init__(self, name: str, dies: bool = False) -> None:
        self.name, self.dies, self.is_closed = name, dies, False

    def classify(self, crops: Sequence[Crop], budget: int) -> Prediction:
        if self.dies:
            raise ZeroDivisionError("a bug")
        return Prediction(self.name, 1.0, 1.0, self.labels, (1.0,))

    def close(self) -> None:
        self.is_closed = True


def asked(slot: ClassifierSlot) -> str:
    return slot.classify([], 1).label


def test_another_model_works_from_the_next_frame_on_and_the_old_one_is_handed_back() -> None:
    first, second = Model("first"), Model("second")
    slot = ClassifierSlot(ModelAtWork(first, {}, "1"))
    assert slot.settle() is None
    slot.swap(ModelAtWork(second, {"glass": 0.5}, "2"))
    assert (asked(slot), slot.model.digest) == ("first", "1")
    changed = slot.settle()
    assert changed is not None
    assert (asked(slot), changed.digest, slot.model.digest) == ("second", "2", "2")
    (replaced,) = slot.take_replaced()
    replaced.close()
    assert first.is_closed
    assert slot.take_replaced() == []


def test_a_model_that_is_opened_anew_is_the_same_model() -> None:
    slot = ClassifierSlot(ModelAtWork(Model("first"), {"glass": 0.7}, "1", "waste", "1.0"))
    slot.replace_classifier(Model("again"))
    changed = slot.settle()
    assert changed is not None
    assert asked(slot) == "again"
    assert (changed.min_scores, changed.digest, changed.name, changed.version) == ({"glass": 0.7}, "1", "waste", "1.0")


def test_every_failure_is_one_of_the_classifier() -> None:
    slot = ClassifierSlot(ModelAtWork(Model("first", dies=True), {}))
    with pytest.raises(ClassifierError, match="a bug"):
        asked(slot)


def test_closing_leaves_no_model_open() -> None:
    models = [Model(name) for name in ("first", "second", "third")]
    slot = ClassifierSlot(ModelAtWork(models[0], {}))
    for model in models[1:]:
        slot.swap(ModelAtWork(model, {}))
    slot.close()
    slot.close()
    assert all(model.is_closed for model in models)
