"""A running station and its store: changing over, probation, and coming back, also over crashes and power cuts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from support.stations import BIN, station_in
from support.switching import start_switcher

from edge.bundle.archive import Bundle, pack_bundle, read_bundle
from edge.clock import VirtualClock, ms
from edge.inference.classifier import BundleClassifier
from edge.inference.process import open_in_process
from edge.line import Outcome
from edge.models.install import Device, activate, prove
from edge.models.loader import ActiveModel
from edge.models.shadow import compare, shadow_folder
from edge.models.store import ModelStore
from edge.models.switcher import ModelSwitcher
from edge.models.trust import Trust
from edge.types import Box, Crop, Decision, Event, Item, Prediction, Reason


@dataclass
class Rig:
    """A station's switcher as the runtime would use it, and what came of it."""

    folder: Path
    models: dict[str, bytes]
    clock: VirtualClock = field(default_factory=VirtualClock)
    events: list[Event] = field(default_factory=list)
    serving: ActiveModel | None = None

    def __post_init__(self) -> None:
        self.station = station_in(
            self.folder, BIN, inference={"allow_unsigned": True}, probation={"items": 100, "least_items": 20}
        )
        self.store = ModelStore(self.folder / "store")
        self.device = Device(self.store, self.station, Trust(allow_unsigned=True), self.clock)

    def install(self, version: str, probation: bool = True) -> str:
        bundle = read_bundle(self.models[version], version)
        self.store.add(self.models[version], prove(bundle, self.device))
        activate(self.device, bundle.digest, "test", probation)
        return bundle.digest

    def start(
        self, boot: str = "boot-1", open_classifier: Callable[[Bundle], BundleClassifier] = BundleClassifier
    ) -> ModelSwitcher:
        """A new process."""
        return start_switcher(
            self.store, self.station, self.clock, self._put_to_work, self.events.append, boot, open_classifier
        )

    def sort(self, switcher: ModelSwitcher, items: int, reason: Reason = Reason.SORTED) -> None:
        """Items come and go, ten a second."""
        for number in range(items):
            assert self.serving is not None
            prediction = self.serving.classifier.classify([CROP], 1)
            switcher.on_outcome(outcome(number, prediction, reason), 0)
            self.clock.advance_to(self.clock.now() + ms(100))
            if number % 10 == 9:
                switcher.tick()

    def current(self) -> str:
        generation = self.store.active()
        assert generation is not None
        title = next(model.title for model in self.store.models() if model.digest == generation.current)
        return title.removeprefix("tiny-")

    def at_work(self) -> str:
        assert self.serving is not None
        return self.serving.bundle.manifest.version

    def _put_to_work(self, serving: ActiveModel) -> None:
        self.serving = serving


CROP = Crop(np.full((40, 40, 3), (250, 10, 10), np.uint8), Box(5, 5, 20, 20), 0, 1.0, 1.0)


def outcome(number: int, prediction: Prediction, reason: Reason) -> Outcome:
    decision = Decision(number, "paper", reason, decided_at=0)
    return Outcome(Item(number, 0, (CROP,)), prediction, decision, None, 0)


@pytest.fixture
def rig(tmp_path: Path, tiny_bundle: Callable[..., bytes]) -> Rig:
    rig = Rig(tmp_path, {version: tiny_bundle(version=version) for version in ("1.0", "1.1", "1.2")})
    rig.install("1.0", probation=False)
    return rig


def test_without_a_store_the_shipped_model_works(tmp_path: Path) -> None:
    rig = Rig(tmp_path, {})
    rig.start().tick()
    assert rig.serving is not None
    assert rig.serving.generation is None
    assert rig.events == []


def test_a_model_activated_meanwhile_is_put_to_work_and_passes_its_probation(rig: Rig) -> None:
    switcher = rig.start()
    rig.sort(switcher, 50)
    rig.install("1.1")
    assert rig.at_work() == "1.0"
    switcher.tick()
    assert rig.at_work() == "1.1"
    rig.sort(switcher, 100)
    assert [event.text.split(":")[0] for event in rig.events] == [
        f"tiny-1.1 ({rig.serving.bundle.digest[:12]}) at work",  # type: ignore[union-attr]
        "tiny-1.1 passed its probation",
    ]
    rig.sort(switcher, 50, Reason.UNSURE)
    assert rig.current() == "1.1"


def test_a_model_that_sends_too_much_to_residual_goes_by_itself(rig: Rig) -> None:
    switcher = rig.start()
    rig.sort(switcher, 50)
    rig.install("1.1")
    switcher.tick()
    rig.sort(switcher, 30, Reason.UNSURE)
    assert (rig.at_work(), rig.current()) == ("1.0", "1.0")
    assert any("rolled back" in event.text and "went to residual" in event.text for event in rig.events)
    assert [event.severity for event in rig.events if "rolled back" in event.text] == ["warning"]
    rig.sort(switcher, 30)
    assert rig.at_work() == "1.0"


def test_a_model_activated_while_nothing_ran_is_held_against_the_probation_of_the_one_before(rig: Rig) -> None:
    rig.install("1.1")
    first = rig.start()
    rig.sort(first, 50)
    first.end()
    rig.install("1.2")
    rig.sort(rig.start(), 40, Reason.UNSURE)
    assert rig.current() == "1.1"
    texts = [event.text for event in rig.events]
    assert [text.split(" ")[0] for text in texts if "at work: test" in text] == ["tiny-1.1", "tiny-1.2"]


def test_the_limits_are_the_stations_own(rig: Rig) -> None:
    patient = rig.station.probation.model_copy(update={"max_residual_rise": 1.0, "items": 60})
    rig.station = rig.station.model_copy(update={"probation": patient})
    switcher = rig.start()
    rig.sort(switcher, 50)
    rig.install("1.1")
    switcher.tick()
    rig.sort(switcher, 70, Reason.UNSURE)
    assert rig.current() == "1.1"
    assert rig.events[-1].text.startswith("tiny-1.1 passed its probation: 60 items")


def test_reasons_that_are_not_the_models_do_not_count(rig: Rig) -> None:
    switcher = rig.start()
    rig.sort(switcher, 50)
    rig.install("1.1")
    switcher.tick()
    rig.sort(switcher, 60, Reason.BIN_FULL)
    assert rig.at_work() == "1.1"


def test_a_crash_on_probation_comes_back_at_the_next_start(rig: Rig) -> None:
    rig.start()
    rig.install("1.1")
    rig.start().tick()
    assert rig.at_work() == "1.1"
    later = rig.start()  # the process before this one never said that it ends
    assert (rig.at_work(), rig.current()) == ("1.0", "1.0")
    later.tick()
    assert "without being asked to" in rig.events[-1].text


def test_a_crash_while_the_model_is_loaded_for_the_first_time_comes_back_too(rig: Rig) -> None:
    rig.install("1.1")
    rig.start("boot-1")
    rig.start("boot-1")
    assert rig.at_work() == "1.0"


def test_one_power_cut_is_forgiven_the_second_comes_back(rig: Rig) -> None:
    rig.install("1.1")
    rig.start("boot-1")
    rig.start("boot-2")
    assert rig.at_work() == "1.1"
    rig.start("boot-3")
    assert rig.at_work() == "1.0"


def test_a_clean_restart_goes_on_with_the_probation(rig: Rig) -> None:
    rig.install("1.1")
    for _ in range(4):
        switcher = rig.start()
        rig.sort(switcher, 20)
        switcher.end()
    assert rig.current() == "1.1"
    switcher = rig.start()
    rig.sort(switcher, 20)
    assert "passed its probation: 100 items" in rig.events[-1].text


def test_a_damaged_active_model_is_replaced_by_its_predecessor(rig: Rig) -> None:
    path = rig.store.bundle_path(rig.install("1.1"))
    path.chmod(0o644)
    path.write_bytes(b"rot")
    switcher = rig.start()
    assert (rig.at_work(), rig.current()) == ("1.0", "1.0")
    switcher.tick()
    assert "can't be used" in rig.events[0].text


def test_when_nothing_in_the_store_can_be_read_the_shipped_model_works(rig: Rig) -> None:
    for version in ("1.0", "1.1"):
        path = rig.store.bundle_path(rig.install(version))
        path.chmod(0o644)
        path.write_bytes(b"rot")
    rig.start()
    assert rig.serving is not None
    assert rig.serving.generation is None


def test_a_model_that_can_not_be_loaded_leaves_the_old_one_at_work(rig: Rig) -> None:
    switcher = rig.start()
    bundle = read_bundle(rig.models["1.1"], "x")
    members = {"golden.bin": bundle.members["golden.bin"], "model.tflite": bytes(100)}
    broken = pack_bundle(bundle.manifest, members)
    evidence = prove(bundle, rig.device).model_copy(update={"digest": read_bundle(broken, "x").digest})
    rig.store.add(broken, evidence)
    rig.store.activate(evidence.digest, "by force", "")
    switcher.tick()
    assert (rig.at_work(), rig.current()) == ("1.0", "1.0")
    assert "can't load" in rig.events[0].text
    switcher.tick()
    assert len(rig.events) == 1


def test_rolling_back_by_hand_reaches_the_running_station(rig: Rig) -> None:
    rig.install("1.1")
    switcher = rig.start()
    rig.store.roll_back("by hand", "")
    switcher.tick()
    assert rig.at_work() == "1.0"


def test_a_slower_model_goes(rig: Rig) -> None:
    switcher = rig.start()
    for version, slow_ms in (("1.0", 0.0), ("1.1", 9.0)):
        if version == "1.1":
            rig.install(version)
            switcher.tick()
        assert rig.serving is not None
        inner = rig.serving.classifier._inner
        rig.serving.classifier._inner = _Slow(inner, rig.clock, 4.0 + slow_ms)
        rig.sort(switcher, 30)
    assert rig.current() == "1.0"
    assert any("13.0 ms an inference, 4.0 ms" in event.text for event in rig.events)


class _Slow:
    def __init__(self, inner: object, clock: VirtualClock, milliseconds: float) -> None:
        self._inner, self._clock, self._ms = inner, clock, milliseconds

    def classify(self, crops: list[Crop], budget: int) -> Prediction:
        self._clock.advance_to(self._clock.now() + ms(self._ms))
        return self._inner.classify(crops, budget)  # type: ignore[attr-defined,no-any-return]


class _Broken:
    def classify(self, crops: list[Crop], budget: int) -> Prediction:
        raise RuntimeError("no answer")


def test_failures_count_although_the_model_is_opened_anew_after_each(rig: Rig) -> None:
    switcher = rig.start()
    rig.sort(switcher, 50)
    rig.install("1.1")
    switcher.tick()
    assert rig.serving is not None
    classifier = rig.serving.classifier
    for _ in range(5):
        classifier._inner = _Broken()
        with pytest.raises(RuntimeError):
            classifier.classify([CROP], 1)
        classifier = switcher.reopen()
        switcher.on_outcome(outcome(1, Prediction("paper", 0, 0, ("paper",), (0.0,), 1), Reason.NOT_CLASSIFIED), 0)
    switcher.tick()
    assert rig.current() == "1.0"
    assert any("it failed on 5 of 5 items" in event.text for event in rig.events)


class Ticking(VirtualClock):
    """A millisecond passes between any two looks at it."""

    def now(self) -> int:
        self.advance_to(super().now() + ms(1))
        return super().now()


def test_a_candidate_looks_on_without_acting_and_is_dismissed(rig: Rig) -> None:
    rig.clock = Ticking()
    rig.station = rig.station.model_copy(update={"state_folder": rig.folder})
    candidate = read_bundle(rig.models["1.1"], "1.1")
    rig.store.add(rig.models["1.1"], prove(candidate, rig.device))
    rig.store.set_shadow(candidate.digest)
    switcher = rig.start()
    switcher.tick()
    assert (switcher.idle, rig.at_work()) == (False, "1.0")

    labels = ("paper", "glass", "metal")
    for number, label in enumerate(("paper", "glass")):  # the candidate sees a red crop, which is paper to it
        prediction = Prediction(label, 0.9, 0.8, labels, (0.9, 0.05, 0.05), 1)
        switcher.on_outcome(outcome(number, prediction, Reason.SORTED), 0)
    switcher.rest(rig.clock.now() + ms(100))
    comparison = compare(shadow_folder(rig.folder, candidate.digest))
    assert (comparison.items, comparison.same, comparison.pairs) == (2, 1, {("glass", "paper"): 1})
    (different,) = comparison.different
    assert (shadow_folder(rig.folder, candidate.digest) / different.picture).stat().st_size > 0

    rig.store.set_shadow(None)
    switcher.tick()
    assert switcher.idle
    assert [event.text for event in rig.events] == [
        f"tiny-1.1 ({candidate.digest[:12]}) is the shadow model", "no shadow model any more"
    ]  # fmt: skip


def test_a_candidate_whose_process_is_lost_stops_looking_on(rig: Rig) -> None:
    rig.clock = Ticking()
    rig.station = rig.station.model_copy(update={"state_folder": rig.folder})
    candidate = read_bundle(rig.models["1.1"], "1.1")
    rig.store.add(rig.models["1.1"], prove(candidate, rig.device))
    rig.store.set_shadow(candidate.digest)
    lost = open_in_process(candidate)

    def open_classifier(bundle: Bundle) -> BundleClassifier:
        return (
            BundleClassifier(bundle, open_model=lambda *_: lost)
            if bundle.digest == candidate.digest
            else BundleClassifier(bundle)
        )

    switcher = rig.start(open_classifier=open_classifier)
    switcher.tick()
    lost.close()
    switcher.on_outcome(
        outcome(1, Prediction("paper", 0.9, 0.8, ("paper", "glass", "metal"), (0.9, 0.1, 0.0), 1), Reason.SORTED),
        0,
    )
    switcher.rest(rig.clock.now() + ms(100))
    assert switcher.idle
    assert rig.events[-1].text == "the shadow model stops, the model's process was ended"
