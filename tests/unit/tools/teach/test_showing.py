"""Things shown to a simulated station label by label, with a person who presses keys."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import cv2
import pytest
from support.stations import BELT, BIN, make_station

from edge.bundle.geometry import InputGeometry
from edge.clock import VirtualClock
from edge.config import Station
from edge.errors import CalibrationError, CameraError, TeachingError
from edge.simulate.world.faults import InjectedFault
from edge.teaching.plan import Wanted
from edge.teaching.shown import ShownItems
from edge.tools.calibrate.operator.operator import Onlooker, Prompt, SimulatedOperator
from edge.tools.calibrate.rig import MeasurementRig, open_rig
from edge.tools.teach.showing import Showing

GEOMETRY = InputGeometry(height=32, width=32, margin=0.1)
STAMP = "20261128T022459Z"


class Person(Onlooker):
    """Presses the key that belongs to what was said last, once, and is asked things."""

    def __init__(self, keys: Mapping[str, str] | None = None, is_there: bool = False) -> None:
        self.to_press, self.said, self._is_there = dict(keys or {}), list[str](), is_there

    @property
    def is_there(self) -> bool:
        return self._is_there

    def say(self, text: str) -> None:
        self.said.append(text)

    @contextmanager
    def keys(self) -> Iterator[Callable[[], str]]:
        yield lambda: self.to_press.pop(self.said[-1] if self.said else "", "")


def belt(**changes: object) -> Station:
    return make_station(BELT, **{"belt": {"run_pin": 21}, **changes})


def show(station: Station, folder: Path, person: Person, *plan: tuple[str, int]) -> bool:
    with open_rig(station, VirtualClock()) as rig:
        assert rig.world is not None
        try:
            return showing(rig, folder, SimulatedOperator(rig.world, person)).run([Wanted(*one) for one in plan])
        finally:
            rig.world.run_due(rig.clock.now())
            assert rig.world.surface.speed == 0 or station.belt is None


def showing(rig: MeasurementRig, folder: Path, operator: SimulatedOperator | Person) -> Showing:
    return Showing(rig, operator, ShownItems(folder), GEOMETRY, lambda: STAMP)


def told(folder: Path) -> dict[str, int]:
    return {name: label.items for name, label in ShownItems(folder).labels().items()}


def test_each_thing_is_kept_with_several_looks_as_the_model_gets_them(tmp_path: Path) -> None:
    assert show(belt(), tmp_path, Person(), ("glass", 2), ("metal", 3))
    labels = ShownItems(tmp_path).labels()
    assert {name: one.items for name, one in labels.items()} == {"glass": 2, "metal": 3}
    assert all(one.pictures > one.items for one in labels.values())
    pictures = list(ShownItems(tmp_path).folder.rglob("*.png"))
    assert {cv2.imread(str(path)).shape for path in pictures} == {(32, 32, 3)}


def test_what_was_shown_before_counts_and_is_not_asked_for_again(tmp_path: Path) -> None:
    show(belt(), tmp_path, Person(), ("glass", 2))
    before = sorted(ShownItems(tmp_path).folder.rglob("*.png"))
    person = Person()
    assert show(belt(), tmp_path, person, ("glass", 2), ("metal", 1))
    assert [line for line in person.said if "glass" in line] == []
    assert told(tmp_path) == {"glass": 2, "metal": 1}
    assert set(before) <= set(ShownItems(tmp_path).folder.rglob("*.png"))


def test_a_key_takes_the_last_one_back_and_another_is_asked_for(tmp_path: Path) -> None:
    person = Person({"glass: 2 of 3 (3 looks at this one)": "u"})
    assert show(belt(), tmp_path, person, ("glass", 3))
    assert [line[:10] for line in person.said] == [
        "glass: 1 o", "glass: 2 o", "Taken back", "glass: 2 o", "glass: 3 o",
    ]  # fmt: skip
    assert told(tmp_path) == {"glass": 3}


def test_a_key_goes_on_to_the_next_label(tmp_path: Path) -> None:
    assert show(belt(), tmp_path, Person({"glass: 1 of 3 (3 looks at this one)": "s"}), ("glass", 3), ("metal", 1))
    assert told(tmp_path) == {"glass": 1, "metal": 1}


def test_a_key_stops_and_the_next_round_goes_on_there(tmp_path: Path) -> None:
    plan = ("glass", 2), ("metal", 1)
    assert not show(belt(), tmp_path, Person({"glass: 1 of 2 (3 looks at this one)": "q"}), *plan)
    assert told(tmp_path) == {"glass": 1}
    person = Person()
    assert show(belt(), tmp_path, person, *plan)
    assert person.said[0].startswith("glass: 2 of 2")
    assert told(tmp_path) == {"glass": 2, "metal": 1}


def test_taking_back_before_anything_was_shown_harms_nothing(tmp_path: Path) -> None:
    person = Person({"": "u"})
    assert show(belt(), tmp_path, person, ("glass", 1))
    assert person.said[0] == "Nothing was shown in this round that could be taken back."
    assert told(tmp_path) == {"glass": 1}


def test_two_things_that_touch_are_not_counted_and_it_says_why(tmp_path: Path) -> None:
    why = "Not counted: touching another item, can't be told apart."
    person = Person({why: "q"})
    assert not show(belt(sensing={"largest_item_mm": 20}), tmp_path, person, ("glass", 1))
    assert person.said == [why]
    assert told(tmp_path) == {}


def test_where_nobody_is_nothing_is_waited_for_for_ever(tmp_path: Path) -> None:
    with open_rig(belt(), VirtualClock()) as rig:
        assert rig.world is not None
        rig.world.stop_feeding()
        with pytest.raises(TeachingError, match=r"no further glass was seen within 90 s: .* does the belt run"):
            showing(rig, tmp_path, Person()).run([Wanted("glass", 1)])
        rig.world.run_due(rig.clock.now())
        assert rig.world.surface.speed == 0


def test_a_person_is_reminded_and_waited_for(tmp_path: Path) -> None:
    person = Person(is_there=True)
    with open_rig(belt(), VirtualClock()) as rig:
        assert rig.world is not None
        rig.world.stop_feeding()
        reminder = (
            "No further glass was seen within 90 s: put one thing after the other through, with a gap between them; "
            "does the belt run, and does the thing pass under the camera?"
        )
        person.to_press = {reminder: "q"}
        assert not showing(rig, tmp_path, person).run([Wanted("glass", 1)])
        assert person.said[-1] == reminder


@pytest.mark.parametrize(
    ("disturb", "error"),
    [
        (lambda rig: rig.world.disturb(InjectedFault.CAMERA_LOST, active=True), CameraError),
        (lambda rig: rig.world.input_pins.set(16, False), CalibrationError),
    ],
)
def test_a_lost_camera_and_an_emergency_stop_end_it_with_the_belt_off_and_what_was_shown_kept(
    tmp_path: Path, disturb: Callable[[MeasurementRig], object], error: type[Exception]
) -> None:
    class Breaking(SimulatedOperator):
        def ask(self, prompt: Prompt, subject: str = "") -> None:
            super().ask(prompt, subject)
            if prompt is Prompt.NEXT_ITEM and told(tmp_path) == {"glass": 1}:
                disturb(rig)

    with open_rig(belt(safety={"estop_pin": 16}), VirtualClock()) as rig:
        assert rig.world is not None
        with pytest.raises(error):
            showing(rig, tmp_path, Breaking(rig.world, Person())).run([Wanted("glass", 2)])
        rig.world.run_due(rig.clock.now())
        assert rig.world.surface.speed == 0
    assert told(tmp_path) == {"glass": 1}


def test_a_bin_without_a_belt_is_shown_things_as_well(tmp_path: Path) -> None:
    station = make_station(BIN, camera={"type": "simulated", "width": 160, "height": 120, "frames_per_s": 10})
    assert show(station, tmp_path, Person(), ("glass", 2))
    assert told(tmp_path) == {"glass": 2}
