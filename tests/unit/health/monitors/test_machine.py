"""Temperature, throttling and date as a Pi's files and firmware give them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from edge.clock import VirtualClock
from edge.health.faults import FaultKind
from edge.health.monitors.machine import Machine, MachineMonitor, MachineState, run_briefly


def pi(root: Path, degrees: str = "48312\n") -> Path:
    for name, content in {
        "sys/class/thermal/thermal_zone0/temp": degrees,
        "sys/class/thermal/thermal_zone1/temp": "21000\n",
        "proc/loadavg": "0.52 0.30 0.10 1/123 456\n",
        "proc/meminfo": "MemTotal: 443280 kB\nMemAvailable:   204800 kB\n",
    }.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return root


def found(state: MachineState) -> set[FaultKind]:
    """What is wrong by one look."""
    monitor = MachineMonitor(lambda: state)
    monitor.refresh()
    return {kind for kind, _ in monitor.faults(0)}


def silent(_command: Sequence[str]) -> str:
    return ""


def test_a_look_at_a_pi(tmp_path: Path) -> None:
    asked: list[Sequence[str]] = []

    def firmware(command: Sequence[str]) -> str:
        asked.append(command)
        return "throttled=0x50005\n"

    state = Machine(VirtualClock(), pi(tmp_path), firmware).look()
    assert state == MachineState(48.312, True, True, 0.52, 200.0, True)
    assert asked == [["vcgencmd", "get_throttled"]]


def test_flags_of_the_past_are_not_of_now(tmp_path: Path) -> None:
    machine = Machine(VirtualClock(), pi(tmp_path), lambda _: "throttled=0x50000\n")
    assert found(machine.look()) == set()


def test_the_kernels_own_file_comes_first(tmp_path: Path) -> None:
    file = pi(tmp_path) / "sys/devices/platform/soc/soc:firmware/get_throttled"
    file.parent.mkdir(parents=True)
    file.write_text("4\n")
    machine = Machine(VirtualClock(), tmp_path, silent)
    assert found(machine.look()) == {FaultKind.THROTTLED}


def test_a_machine_that_says_nothing(tmp_path: Path) -> None:
    machine = Machine(VirtualClock(), tmp_path, silent)
    assert machine.look() == MachineState()
    assert found(machine.look()) == set()


@pytest.mark.parametrize("content", ["", "hot\n", "\xff\n"])
def test_nonsense_in_a_file_is_no_temperature(tmp_path: Path, content: str) -> None:
    machine = Machine(VirtualClock(), pi(tmp_path, content), silent)
    assert machine.look().temperature_c == 21.0


def test_hot_ends_below_where_it_began() -> None:
    temperatures = iter((74.9, 75.0, 71.0, 69.9, 71.0))
    monitor = MachineMonitor(lambda: MachineState(temperature_c=next(temperatures)))
    seen = []
    for _ in range(5):
        monitor.refresh()
        seen.append((FaultKind.HOT, "") in monitor.faults(0))
    assert seen == [False, True, True, False, False]


def test_a_date_before_the_program_was_made_is_not_set(tmp_path: Path) -> None:
    machine = Machine(VirtualClock(wall_start=0.0), tmp_path, silent)
    assert found(machine.look()) == {FaultKind.CLOCK_UNSET}


def test_a_program_that_is_missing_or_fails_says_nothing() -> None:
    assert run_briefly(["no-such-program-at-all"]) == ""
    assert run_briefly(["false"]) == ""
    assert run_briefly(["echo", "hello"]) == "hello\n"
