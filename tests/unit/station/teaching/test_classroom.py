"""A simulated station is taught while it runs, on a virtual clock: what is counted, what moves, and what ends it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import cv2
import numpy as np
import pytest
from support.drawn_place import HERE, write_place_station, write_running_place

from edge.clock import NS_PER_S
from edge.config import load_station
from edge.errors import ControlError, TeachingError
from edge.health.monitors import Observer
from edge.health.state import State
from edge.simulate.world.faults import InjectedFault
from edge.station.stops.commands import Commands
from edge.station.teaching.assistant import Assistant
from edge.station.teaching.classroom import ABSENT_NS, Classroom
from edge.station.teaching.learner import Learner
from edge.station.teaching.taught_place import TaughtPlace
from edge.teaching.shown import ShownItems
from edge.teaching.turns import teaching_claimed
from edge.tools.simulate.build import Conditions, build_virtual_run
from edge.types import Event, EventKind, StrokeOutcome

RELAY, ESTOP, RESET = 5, 6, 13
ME = "anna on the page"


class OverError(Exception):
    """A scene was played to its end."""


class JournalledTeaching(Observer):
    """What the journal is told of teaching."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def on_event(self, event: Event) -> None:
        if event.kind is EventKind.TEACHING:
            self.told.append(event.text)


class TaughtRun:
    """A station at work on a virtual clock, its classroom, and what a page asks of it."""

    def __init__(self, folder: Path, tiny_bundle: Callable[..., bytes]) -> None:
        switched = {"belt": {"run_pin": RELAY}, "safety": {"estop_pin": ESTOP, "reset_pin": RESET}}
        self.file = write_running_place(folder, tiny_bundle, **switched)
        settings = load_station(self.file)
        self.shown = ShownItems(settings.state_folder)
        self.journalled = JournalledTeaching()
        self.run = build_virtual_run(settings, Conditions(), [self.journalled])
        self.lesson, self.health = self.run.station.supervisor.lesson, self.run.station.health
        learner = Learner(self.run.clock, self.file, settings.state_folder)
        place = TaughtPlace(self.file, settings.state_folder)
        self.classroom = Classroom(place, self.lesson, self.run.station.switch, learner, Assistant(self.run.world))

    def play(self, scene: Iterator[object], at_most_s: float = 120) -> None:
        """Let the scene go on by a step after each tick of the supervisor, to its end."""

        def tick(_now: int) -> None:
            self.classroom.turn(0)
            try:
                next(scene)
            except StopIteration:
                raise OverError from None

        with suppress(OverError):
            self.run.run(at_most_s, on_tick=tick)
            pytest.fail("the scene did not come to its end")

    def ask(self, action: str, **values: str) -> dict[str, Any]:
        """Ask as the page does, and let the thread answer."""
        future: Future[dict[str, Any]] = self.classroom.ask(action, ME, values)
        self.classroom.turn(0)
        return future.result(0)

    def counts(self) -> dict[str, int]:
        return {label: told.items for label, told in self.shown.labels().items()}

    @property
    def belt_runs(self) -> bool:
        return bool(self.run.station.environment.pins.pin(RELAY).state)

    def sorting(self) -> Iterator[None]:
        """Until the station has sorted something."""
        while not any(item.landed_in == "paper" for item in self.run.world.items):
            yield

    def shown_until(self, label: str, count: int, mark: str) -> Iterator[None]:
        """Until so many items of the label are kept; the page shows life, and no diverter moves."""
        while self.counts().get(label, 0) < count:
            assert self.classroom.stay(mark)
            yield
            assert self.run.station.schedule.inhibited


@pytest.fixture
def taught(tmp_path: Path, tiny_bundle: Callable[..., bytes]) -> TaughtRun:
    return TaughtRun(tmp_path, tiny_bundle)


def test_things_are_counted_under_their_label_while_the_belt_runs_and_no_diverter_moves(taught: TaughtRun) -> None:
    def scene() -> Iterator[None]:
        yield from taught.sorting()
        mark = taught.ask("begin", label="paper")["mark"]
        yield
        decided, strokes = len(taught.run.records), len(taught.run.log.strokes)
        yield from taught.shown_until("paper", 3, mark)
        assert taught.belt_runs
        assert taught.health.state is State.STOPPED
        answer = taught.ask("choose", label="metal", mark=mark)
        assert answer["showing"] == "metal"
        yield from taught.shown_until("metal", 2, mark)
        assert [kept["label"] for kept in answer["recent"]] == ["paper"] * len(answer["recent"])
        assert taught.ask("end")["teacher"] == ""
        yield
        assert not taught.belt_runs
        assert taught.health.state is State.STOPPED
        fired = [stroke for stroke in taught.run.log.strokes[strokes:] if stroke.outcome is StrokeOutcome.FIRED]
        assert (fired, len(taught.run.records)) == ([], decided)
        taught.run.station.switch.press("resume", ME)
        while len(taught.run.records) < decided + 3:  # it sorts again, by itself
            yield

    taught.play(scene())
    assert taught.counts() == {"paper": 3, "metal": 2}
    for label, colour in (("paper", HERE["paper"]), ("metal", HERE["metal"])):
        for path in (taught.shown.folder / label).iterdir():
            middle = cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)[12:20, 12:20].mean(axis=(0, 1))
            assert int(middle.argmax()) == int(np.argmax(colour))


def test_the_last_ones_are_taken_back_one_after_the_other(taught: TaughtRun) -> None:
    def scene() -> Iterator[None]:
        yield from taught.sorting()
        mark = taught.ask("begin", label="paper")["mark"]
        yield from taught.shown_until("paper", 3, mark)
        first, _, last = taught.shown.items("paper")
        taught.run.world.stop_feeding()
        answer = taught.ask("undo", mark=mark)
        assert last not in taught.shown.items("paper")
        number = answer["recent"][0]["number"]
        jpeg = taught.classroom.picture(number)
        assert jpeg is not None
        assert jpeg.startswith(b"\xff\xd8")
        taught.ask("undo", mark=mark)
        taught.ask("undo", mark=mark)
        assert first not in taught.shown.items("paper")
        assert taught.classroom.picture(number) is None
        with pytest.raises(TeachingError, match="nothing was shown just now"):
            taught.ask("undo", mark=mark)

    taught.play(scene())


def test_a_page_that_is_gone_ends_it_and_the_belt_stops(taught: TaughtRun) -> None:
    def scene() -> Iterator[None]:
        yield from taught.sorting()
        mark = taught.ask("begin", label="paper")["mark"]
        yield from taught.shown_until("paper", 1, mark)
        gone_at = taught.run.clock.now()
        while taught.ask("look")["teacher"]:
            yield
        yield
        assert ABSENT_NS <= taught.run.clock.now() - gone_at < ABSENT_NS + NS_PER_S
        assert not taught.belt_runs
        assert taught.health.state is State.STOPPED
        assert "was gone" in taught.ask("look")["told"]
        assert not taught.classroom.stay(mark)
        with pytest.raises(TeachingError, match="begin again"):
            taught.ask("choose", label="metal", mark=mark)
        kept = taught.counts()["paper"]
        yield from taught.shown_until("paper", kept + 1, taught.ask("begin", label="paper")["mark"])

    taught.play(scene())


def test_an_emergency_stop_ends_it_and_its_reset_lets_no_belt_run(taught: TaughtRun) -> None:
    def scene() -> Iterator[None]:
        world = taught.run.world
        yield from taught.sorting()
        mark = taught.ask("begin", label="paper")["mark"]
        yield from taught.shown_until("paper", 1, mark)
        assert taught.belt_runs
        world.disturb(InjectedFault.EMERGENCY_STOP)
        assert not taught.belt_runs  # in that very moment, before the supervisor looks
        yield
        assert not taught.lesson.is_on
        with pytest.raises(TeachingError, match="as it is now"):
            taught.ask("begin", label="paper")
        world.disturb(InjectedFault.EMERGENCY_STOP, active=False)
        for _ in range(5):
            yield
        world.disturb(InjectedFault.RESET)
        for _ in range(5):
            yield
        assert taught.health.state is State.STOPPED
        assert not taught.belt_runs

    taught.play(scene())


def test_no_diverter_is_jogged_while_things_are_put_through(taught: TaughtRun) -> None:
    def scene() -> Iterator[None]:
        yield from taught.sorting()
        taught.ask("begin", label="paper")
        yield
        built = taught.run.station
        commands = Commands(
            built.switch, taught.health, taught.run.clock, SimpleQueue(), built.reporting.levels, (), built.schedule,
            {actuator.name: actuator for actuator in built.settings.actuators}, None, taught.lesson, taught.classroom,
        )  # fmt: skip
        with pytest.raises(ControlError, match="No diverter is moved while"):
            commands.jog("flap-paper", "", ME)
        taught.ask("end")
        yield
        jog = commands.jog("flap-paper", "", ME)
        while jog.outcome is StrokeOutcome.PENDING:
            yield
        assert jog.outcome is StrokeOutcome.FIRED

    taught.play(scene())


def test_whoever_resumes_the_station_ends_it(taught: TaughtRun) -> None:
    def scene() -> Iterator[None]:
        yield from taught.sorting()
        taught.ask("begin", label="paper")
        yield
        taught.run.station.switch.press("resume", "bob")
        assert not taught.lesson.is_on
        yield
        yield
        assert taught.ask("look")["teacher"] == ""
        assert taught.health.state is State.RUNNING
        with teaching_claimed(taught.shown.folder.parents[1]):  # it is free for others
            pass

    taught.play(scene())


def test_a_stop_ends_it_stops_the_belt_and_is_the_stop_of_whoever_pressed(taught: TaughtRun) -> None:
    def scene() -> Iterator[None]:
        switch = taught.run.station.switch
        yield from taught.sorting()
        mark = taught.ask("begin", label="paper")["mark"]
        yield from taught.shown_until("paper", 1, mark)
        assert taught.belt_runs
        assert not switch.is_held()
        switch.press("pause", "bob")
        assert not taught.lesson.is_on
        assert "not held yet: press the emergency stop" in switch.answer()  # the belt runs until the supervisor's turn
        yield
        assert not taught.belt_runs
        assert switch.is_held()
        assert switch.answer() == "Stopped: belt and actuators are held until `sorter resume`."
        yield
        assert (taught.health.hold.paused_by, taught.ask("look")["teacher"]) == ("bob", "")
        assert not taught.classroom.stay(mark)
        for _ in range(50):
            yield
            assert not taught.belt_runs

    taught.play(scene())


@pytest.mark.parametrize("is_after_teaching", [False, True])
def test_teaching_begins_over_nobodys_stop_but_its_own(taught: TaughtRun, *, is_after_teaching: bool) -> None:
    def scene() -> Iterator[None]:
        yield from taught.sorting()
        if is_after_teaching:
            taught.ask("begin", label="paper")
            taught.ask("end")
            taught.ask("begin", label="paper")
            taught.ask("end")
        taught.run.station.switch.press("pause", "bob")
        yield
        with pytest.raises(TeachingError, match="bob stopped the station: resume it first"):
            taught.ask("begin", label="paper")
        yield
        assert not taught.belt_runs
        with teaching_claimed(taught.shown.folder.parents[1]):  # it is free for others
            pass
        taught.run.station.switch.press("resume", "bob")
        yield
        yield from taught.shown_until("paper", 1, taught.ask("begin", label="paper")["mark"])

    taught.play(scene())


def test_one_at_a_time_teaches(taught: TaughtRun) -> None:
    def scene() -> Iterator[None]:
        yield from taught.sorting()
        with (
            teaching_claimed(taught.shown.folder.parents[1]),
            pytest.raises(TeachingError, match="the station is taught already"),
        ):
            taught.ask("begin", label="paper")
        assert taught.health.state is State.RUNNING
        mark = taught.ask("begin", label="paper")["mark"]
        future = taught.classroom.ask("begin", "bob on the page", {"label": "paper"})
        taught.classroom.turn(0)
        with pytest.raises(TeachingError, match="anna on the page teaches it now"):
            future.result(0)
        with pytest.raises(TeachingError, match="taught already"), teaching_claimed(taught.shown.folder.parents[1]):
            pass
        for action in ("begin", "learn", "install", "forget"):  # who shares her address does not lead
            with pytest.raises(TeachingError, match="anna on the page teaches it now"):
                taught.ask(action, label="paper", mark="hers?")
        assert (taught.lesson.is_on, taught.classroom.stay(mark)) == (True, True)

    taught.play(scene())


def test_a_label_that_the_station_file_has_got_since_the_start_can_be_taught(taught: TaughtRun) -> None:
    def scene() -> Iterator[None]:
        yield from taught.sorting()
        with pytest.raises(TeachingError, match="'cup' is no label of this station: expected one of paper, metal"):
            taught.ask("begin", label="cup")
        write_place_station(taught.file.parent, ("paper", "metal", "cup"))
        shown = {one["label"]: one["bin"] for one in taught.ask("look")["labels"]}
        assert shown["cup"] == "cup"
        yield from taught.shown_until("cup", 1, taught.ask("begin", label="cup")["mark"])
        taught.file.write_text("name = 3")
        assert "station.toml: " in taught.ask("look")["problem"]

    taught.play(scene())


def test_the_journal_says_who_taught_and_who_forgot(taught: TaughtRun) -> None:
    def scene() -> Iterator[None]:
        yield from taught.sorting()
        yield from taught.shown_until("paper", 1, taught.ask("begin", label="paper")["mark"])
        taught.ask("end")
        taught.ask("forget", label="paper")
        yield

    taught.play(scene())
    assert taught.journalled.told == [
        f"{ME} began to teach the station: nothing is sorted.",
        f"{ME} teaches the station no longer.",
        f"What was shown of paper was forgotten by {ME}.",
    ]


def test_a_label_is_forgotten(taught: TaughtRun) -> None:
    def scene() -> Iterator[None]:
        yield from taught.sorting()
        mark = taught.ask("begin", label="paper")["mark"]
        yield from taught.shown_until("paper", 1, mark)
        told = taught.ask("forget", label="paper", mark=mark)
        assert {one["label"]: one["items"] for one in told["labels"]}["paper"] == 0
        assert told["teacher"] == ""
        with pytest.raises(TeachingError, match="nothing of it was shown"):
            taught.ask("forget", label="../..")

    taught.play(scene())
    assert taught.counts() == {}
