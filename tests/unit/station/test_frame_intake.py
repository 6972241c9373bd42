"""What stands around the line: frames that are none, and a model that changes."""

from __future__ import annotations

import numpy as np
import pytest
from support.assembled import Undecided, assemble_for_test
from support.stations import BELT, make_station

from edge.clock import VirtualClock, ms
from edge.errors import CameraClockError, CameraError, CameraStalledError
from edge.health.faults import FaultKind
from edge.inference.slot import ModelAtWork
from edge.station.assembled import AssembledStation
from edge.types import Frame


@pytest.fixture
def station() -> AssembledStation:
    return assemble_for_test(make_station(BELT), VirtualClock())


def show(station: AssembledStation, pixels: np.ndarray) -> None:  # type: ignore[type-arg]
    """Let a frame come, and the supervisor look."""
    assert isinstance(station.clock, VirtualClock)
    station.clock.advance_to(station.clock.now() + ms(33))
    station.intake.process(Frame(pixels, station.clock.now(), 1))
    station.supervisor.tick(station.clock.now())


def kinds(station: AssembledStation) -> list[FaultKind]:
    return [fault.kind for fault in station.health.faults]


GREY = np.full((120, 160, 3), 90, np.uint8)


@pytest.mark.parametrize("odd", [GREY[:60], GREY[:, :, :1], GREY[:, :, 0], GREY.astype(np.float32)])
def test_a_frame_of_another_form_is_a_lost_camera_until_one_of_the_first_size_comes(
    station: AssembledStation,
    odd: np.ndarray,  # type: ignore[type-arg]
) -> None:
    show(station, GREY)
    assert not station.schedule.inhibited
    show(station, odd)
    assert kinds(station) == [FaultKind.CAMERA_LOST]
    assert station.schedule.inhibited
    show(station, GREY)
    assert kinds(station) == []
    assert not station.schedule.inhibited


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (CameraError("gone"), FaultKind.CAMERA_LOST),
        (CameraStalledError("silent"), FaultKind.CAMERA_STALLED),
        (CameraClockError("another clock"), FaultKind.CAMERA_CLOCK),
    ],
)
def test_a_camera_that_fails_holds_everything_at_once_and_by_its_name_until_a_frame_comes(
    station: AssembledStation, error: CameraError, kind: FaultKind
) -> None:
    show(station, GREY)
    station.intake.camera_failed(error)
    assert station.schedule.inhibited
    station.supervisor.tick(station.clock.now())
    assert kinds(station) == [kind]
    show(station, GREY)
    assert kinds(station) == []


def test_thresholds_and_the_name_on_the_page_change_with_the_model(station: AssembledStation) -> None:
    show(station, GREY)
    station.slot.swap(ModelAtWork(Undecided(), {"glass": 0.25}, "digest", "waste", "9.0"))
    assert station.reporting.live.snapshot().model == ("", "")
    show(station, GREY)
    assert station.reporting.live.snapshot().model == ("waste", "9.0")
    assert station.line.policy.min_scores == {"glass": 0.25}
