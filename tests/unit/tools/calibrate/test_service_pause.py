"""The service is stopped while one measures, and runs again afterwards, whatever happens."""

from __future__ import annotations

import signal
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from edge.errors import CalibrationError, SetupError
from edge.tools.calibrate.service_pause import folder_claimed, service_paused


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

    def later(self, command: Sequence[str]) -> Callable[[], object]:
        return lambda: self.run(command)


def test_a_running_service_is_stopped_and_started_again() -> None:
    systemd = Systemd("active")
    with service_paused(systemd, lambda text: None):
        assert systemd.state == "inactive"
    assert systemd.said == ["is-active", "stop", "start"]


def test_it_runs_again_after_an_interruption() -> None:
    systemd = Systemd("active")
    with pytest.raises(KeyboardInterrupt), service_paused(systemd, lambda text: None):
        raise KeyboardInterrupt
    assert systemd.state == "active"


def test_a_service_that_does_not_run_is_left_alone() -> None:
    systemd = Systemd("inactive")
    with service_paused(systemd, lambda text: None):
        assert systemd.state == "inactive"
    assert systemd.said == ["is-active"]


def test_it_runs_again_although_stopping_it_was_interrupted() -> None:
    class Interrupted(Systemd):
        def run(self, command: Sequence[str]) -> str:
            said = super().run(command)
            if command[1] == "stop":
                raise KeyboardInterrupt  # Ctrl-C while systemctl waits
            return said

    systemd = Interrupted("active")
    with pytest.raises(KeyboardInterrupt), service_paused(systemd, lambda text: None):
        pytest.fail("it was interrupted before")
    assert systemd.state == "active"


def test_an_impatient_second_ctrl_c_does_not_keep_the_service_from_starting() -> None:
    class Impatient(Systemd):
        def run(self, command: Sequence[str]) -> str:
            if command[1] == "start":
                signal.raise_signal(signal.SIGINT)
            return super().run(command)

    systemd = Impatient("active")
    given = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
    try:
        with pytest.raises(KeyboardInterrupt), service_paused(systemd, lambda text: None):
            raise KeyboardInterrupt
        assert systemd.state == "active"
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, given)


def test_a_folder_that_can_not_be_written_is_refused_before_the_work(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CalibrationError, match="can't be made"), folder_claimed(tmp_path / "file"):
        pytest.fail("it is no folder")
    # A file system without any room, where nobody but root may write.
    with pytest.raises(CalibrationError, match=r"make room first|can't be written"), folder_claimed(Path("/proc")):
        pytest.fail("there is no room")
