"""The discovery message is one that Home Assistant takes, and its templates find what the state message has."""

from __future__ import annotations

import json

import pytest
from pydantic import ValidationError
from support.home_assistant import Button, Removed, read_discovery, show, show_attributes
from support.stations import make_station, shipped

from edge.clock import VirtualClock
from edge.health.faults import SPECS, Fault, FaultKind
from edge.health.monitors.machine import MachineState
from edge.health.state import State
from edge.line import Outcome
from edge.notify.home_assistant import Topics, discovery
from edge.notify.report import describe
from edge.status.live import LiveView
from edge.status.snapshot import SeenPurity
from edge.types import Decision, Item, Reason
from edge.words import languages, translate

STATION = make_station(shipped("conveyor"))
TOPICS = Topics("edge-sorter", "homeassistant", STATION.name)


def announced(*, takes_commands: bool = False) -> str:
    return json.dumps(discovery(TOPICS, STATION.bins, takes_commands=takes_commands))


def state_of(live: LiveView, language: str = "en") -> str:
    return json.dumps(describe(live.snapshot(), STATION.bins, language))


def test_home_assistant_takes_the_message_and_finds_a_value_for_everything_before_the_first_item() -> None:
    message = read_discovery(TOPICS.discovery, announced())
    shown = show(message, state_of(LiveView(VirtualClock())))
    assert shown["State"] == "starting"
    assert shown["What is wrong"] == "All is well."
    assert shown["Problem"] == "OFF"
    assert shown["Last item"] == shown["Temperature"] == "None"  # Home Assistant's word for what is not known
    assert {f"Bin {where.name}" for where in STATION.bins} <= set(shown)


def test_the_schema_finds_what_home_assistant_would_refuse_or_ignore() -> None:
    for path, value in [(("components", "state", "state_class"), "total"), (("components", "items", "units"), "items")]:
        message = json.loads(announced())
        message[path[0]][path[1]][path[2]] = value
        with pytest.raises(ValidationError):
            read_discovery(TOPICS.discovery, json.dumps(message))


def test_what_the_page_shows_is_shown_there_too() -> None:
    clock = VirtualClock()
    live, name = LiveView(clock), STATION.bins[0].name
    for number in range(3):
        decision = Decision(number, name, Reason.SORTED, clock.now(), "glass", 0.91, 0.8)
        live.publish_outcome(Outcome(Item(number, clock.now(), ()), None, decision, None, 0))
    live.publish_state(State.DEGRADED, [Fault(FaultKind.BIN_FULL, clock.now(), name)])
    live.publish_machine(MachineState(61.54))
    shown = show(read_discovery(TOPICS.discovery, announced()), state_of(live))
    assert shown["State"] == "degraded"
    assert shown["Problem"] == shown[f"Bin {name} full"] == "ON"
    assert shown[f"Bin {STATION.bins[1].name} full"] == "OFF"
    assert shown["What is wrong"].startswith(f"A bin is full: its items go to residual. ({name}) Empty the bin")
    assert (shown["Items"], shown[f"Bin {name}"], shown["Last item"]) == ("3", "3", "glass")
    assert shown["Temperature"] == "61.5"


def test_a_counted_bin_has_a_level_in_percent() -> None:
    station = make_station(shipped("conveyor"), bins={STATION.bins[0].name: {"capacity": 40, "full_pin": None}})
    live = LiveView(VirtualClock())
    live.publish_levels({station.bins[0].name: 30})
    message = read_discovery(TOPICS.discovery, json.dumps(discovery(TOPICS, station.bins, takes_commands=False)))
    shown = show(message, json.dumps(describe(live.snapshot(), station.bins, station.language)))
    assert shown[f"Bin {station.bins[0].name} level"] == "75"


def test_a_bins_purity_is_shown_with_its_interval_and_what_was_left_out_and_is_unknown_before_people_looked() -> None:
    live, first, second = LiveView(VirtualClock()), STATION.bins[0].name, STATION.bins[1].name
    message = read_discovery(TOPICS.discovery, announced())
    assert show(message, state_of(live))[f"Bin {first} purity"] == "None"
    live.publish_purity(
        {
            first: SeenPurity(0.9754, 0.871, 0.996, 40, 0, 1_767_225_600.0, 5),
            second: SeenPurity(None, 0.2, 0.9, 7, 23, 1_767_225_600.0),
        }
    )
    shown = show(message, state_of(live))
    assert (shown[f"Bin {first} purity"], shown[f"Bin {second} purity"]) == ("97.5", "None")
    assert "Bin residual purity" not in shown
    assert show_attributes(message, state_of(live))[f"Bin {first} purity"] == {
        "percent": 97.5,
        "low_percent": 87.1,
        "high_percent": 99.6,
        "labelled": 40,
        "unlabelled": 5,
        "missing": 0,
        "last": "2026-01-01T00:00:00+00:00",
    }


@pytest.mark.parametrize("language", languages())
@pytest.mark.parametrize("kind", FaultKind)
def test_every_fault_fits_into_a_state_of_home_assistant(kind: FaultKind, language: str) -> None:
    live = LiveView(VirtualClock())
    live.publish_state(State.FAULT, [Fault(kind, 0, "x" * 300)])
    shown = show(read_discovery(TOPICS.discovery, announced()), state_of(live, language))
    assert shown["What is wrong"].startswith(translate(SPECS[kind].sentence, language))
    assert [fault["fault"] for fault in json.loads(state_of(live, language))["faults"]] == [kind]


def test_without_commands_the_buttons_are_taken_away_and_with_them_they_are_there() -> None:
    names = ("pause", "resume", "reset")
    without = read_discovery(TOPICS.discovery, announced()).components
    assert all(isinstance(without[name], Removed) for name in names)
    with_them = read_discovery(TOPICS.discovery, announced(takes_commands=True)).components
    for name in names:
        button = with_them[name]
        assert isinstance(button, Button)
        assert (button.payload_press, button.command_topic) == (name, TOPICS.command)
