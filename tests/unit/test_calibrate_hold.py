"""The service is stopped while one measures, and runs again afterwards, whatever happens."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from edge.calibrate.hold import service_held
from edge.errors import SetupError


class Systemd:
    """Keeps one unit."""

    def __init__(self, state: str) -> None:
        self.state = state
        self.said: list[str] = []

    def run(self, command: Sequence[str]) -> str:
        verb = command[1]
        self.said.append(verb)
        if verb == "is-active":
            if self.state != "active":
                raise SetupError("`systemctl is-active` failed with exit code 3: inactive")
            return "active\n"
        self.state = "active" if verb == "start" else "inactive"
        return ""


def test_a_running_service_is_stopped_and_started_again() -> None:
    systemd = Systemd("active")
    with service_held(systemd, lambda text: None):
        assert systemd.state == "inactive"
    assert systemd.said == ["is-active", "stop", "start"]


def test_it_runs_again_after_an_interruption() -> None:
    systemd = Systemd("active")
    with pytest.raises(KeyboardInterrupt), service_held(systemd, lambda text: None):
        raise KeyboardInterrupt
    assert systemd.state == "active"


def test_a_service_that_does_not_run_is_left_alone() -> None:
    systemd = Systemd("inactive")
    with service_held(systemd, lambda text: None):
        assert systemd.state == "inactive"
    assert systemd.said == ["is-active"]
