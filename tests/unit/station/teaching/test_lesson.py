"""What counts as shown: one thing at a time, that came after its label was chosen, at a belt and at a bin."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from queue import Empty

import numpy as np
import pytest
from support.assembled import assemble_for_test, tick_alive
from support.paths import STATIONS
from support.stations import BELT, make_station

from edge.bundle.geometry import InputGeometry
from edge.clock import VirtualClock, ms
from edge.config import load_station
from edge.devices.gpio.mock_pins import RestingPins
from edge.interfaces import Sighting
from edge.station.teaching.assistant import Assistant
from edge.station.teaching.lesson import MOST_WAITING, THERE_BEFORE, Lesson, Taken
from edge.tools.simulate.build import Conditions, build_virtual_run
from edge.tools.simulate.simulated_station import Changes, simulated_variant
from edge.types import Box, Crop, Item, Reason

GEOMETRY = InputGeometry(height=32, width=32, margin=0.1)
GREY = np.full((120, 160, 3), 90, np.uint8)
BOX = Box(40, 40, 30, 30)
ME = "anna on the page"


class Begun:
    """A lesson at a station that is taught, on an empty place."""

    def __init__(self) -> None:
        clock = VirtualClock()
        self.station = assemble_for_test(make_station(BELT), clock)
        self.clock, self.lesson = clock, self.station.supervisor.lesson
        tick_alive(self.station, clock.now())
        assert self.station.switch.teach(ME)
        self.lesson.begin("paper", GEOMETRY, clock.now())
        self.see()

    def see(self, *items: Item, there: Sequence[Sighting] = ()) -> Taken | None:
        self.clock.advance_to(self.clock.now() + ms(33))
        self.lesson.take(items, there)
        try:
            return self.lesson.taken.get_nowait()
        except Empty:
            return None

    def item(self, reason: Reason | None = None, captured_at: int | None = None) -> Item:
        at = self.clock.now() if captured_at is None else captured_at
        return Item(1, at, (Crop(GREY, BOX, at, 1.0, 1.0),), reject_reason=reason)


@pytest.fixture
def begun() -> Begun:
    return Begun()


def test_one_thing_that_came_after_the_label_was_chosen_is_kept_as_the_model_gets_it(begun: Begun) -> None:
    taken = begun.see(begun.item())
    assert taken is not None
    assert (taken.label, taken.why_not, [look.shape for look in taken.looks]) == ("paper", "", [(32, 32, 3)])


def test_what_can_not_be_learnt_from_says_why(begun: Begun) -> None:
    at_once = begun.see(begun.item(), begun.item())
    touching = begun.see(begun.item(Reason.TOUCHING))
    assert at_once is not None
    assert "two things came at once" in at_once.why_not
    assert touching is not None
    assert (touching.looks, "touch" in touching.why_not) == ([], True)


def test_what_was_there_before_is_not_counted_under_a_label_that_was_chosen_after_it(begun: Begun) -> None:
    lies_there = Sighting(BOX, 1)
    old = begun.item()
    begun.clock.advance_to(begun.clock.now() + ms(33))
    begun.lesson.begin("metal", GEOMETRY, begun.clock.now())
    unseen_until_now = begun.see(begun.item(), there=[lies_there])
    begun.see()  # the place is empty
    of_before = begun.see(old)
    assert [taken.why_not for taken in (unseen_until_now, of_before) if taken] == [THERE_BEFORE] * 2
    after = begun.see(begun.item())
    assert after is not None
    assert (after.label, after.why_not) == ("metal", "")


def test_a_disk_that_is_behind_holds_up_no_picture_and_costs_bounded_memory(begun: Begun) -> None:
    for _ in range(3 * MOST_WAITING):
        begun.lesson.take([begun.item()], ())
    assert begun.lesson.taken.qsize() == MOST_WAITING


def test_nothing_is_taken_when_nothing_is_shown(begun: Begun) -> None:
    begun.lesson.end()
    assert begun.see(begun.item()) is None
    assert not begun.lesson.is_on


@pytest.mark.parametrize("name", ["bin-flap", "bin-carousel"])
def test_things_are_shown_to_a_bin_and_none_of_them_drops(name: str) -> None:
    changes = Changes.model_validate({"seed": 2, "items_per_min": 0.01, "frames_per_s": 15.0})
    run = build_virtual_run(simulated_variant(load_station(STATIONS / f"{name}.toml"), changes), Conditions())
    lesson, assistant, taken = run.station.supervisor.lesson, Assistant(run.world), list[Taken]()

    def tick(now: int) -> None:
        if not lesson.is_on and lesson.is_possible:
            assert run.station.switch.teach(ME)
            assistant.show("metal")
            lesson.begin("metal", GEOMETRY, now)
        while not lesson.taken.empty():
            taken.append(lesson.taken.get_nowait())
            assistant.seen()
        if lesson.is_on:
            assistant.show("metal")

    run.run(40, on_tick=tick)
    assert len([one for one in taken if not one.why_not]) >= 4
    assert {item.landed_in for item in run.world.items} <= {"", None}


def test_a_lesson_needs_a_station_that_nothing_holds(begun: Begun) -> None:
    health = begun.station.health
    assert begun.lesson.may_run_belt
    health.estop(begun.clock.now())
    assert not begun.lesson.may_run_belt
    tick_alive(begun.station, begun.clock.now())
    health.chain_closed(begun.clock.now())
    health.reset(begun.clock.now())
    assert not begun.lesson.is_on


class PressedWhileTheBeltIsLetRun(Lesson):
    """The emergency stop is pressed after the supervisor has looked, and before it lets the belt run."""

    press: Callable[[], None]

    @property
    def may_run_belt(self) -> bool:
        may = super().may_run_belt
        self.press()
        return may


def test_a_stop_pressed_while_the_belt_is_let_run_holds() -> None:
    clock, pins = VirtualClock(), RestingPins()
    station = assemble_for_test(make_station(BELT, belt={"run_pin": 21}), clock, pins)
    station.safe_state.open()
    lesson = PressedWhileTheBeltIsLetRun(station.health)
    lesson.press = lambda: None
    tick_alive(station, clock.now())
    assert station.switch.teach(ME)
    lesson.begin("paper", GEOMETRY, clock.now())
    station.safe_state.enter(clock.now())
    station.safe_state.follow(clock.now(), lesson)
    assert pins.pin(21).state
    lesson.press = station.safe_state.emergency_stop
    station.safe_state.follow(clock.now(), lesson)
    assert not pins.pin(21).state
