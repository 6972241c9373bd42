"""What systemd itself says of the units."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from support.paths import ROOT

UNITS = sorted((ROOT / "systemd").glob("*.service")) + sorted((ROOT / "systemd").glob("*.timer"))
EXPOSURE_LIMIT = 20  # tenths, as --threshold counts


@pytest.fixture(scope="module")
def analyze() -> str:
    tool = shutil.which("systemd-analyze")
    if tool is None:
        pytest.fail("systemd-analyze is missing: apt-get install systemd")
    return tool


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """The units as they are installed, with a program that exists."""
    program = tmp_path / "venv/bin/sorter"
    program.parent.mkdir(parents=True)
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    for unit in UNITS:
        (tmp_path / unit.name).write_text(unit.read_text().replace("/opt/edge-sorter", str(tmp_path / "venv")))
    return tmp_path


@pytest.mark.parametrize("unit", [unit.name for unit in UNITS])
def test_systemd_has_nothing_to_say_against_the_unit(analyze: str, installed: Path, unit: str) -> None:
    done = subprocess.run([analyze, "verify", "--man=no", str(installed / unit)], capture_output=True, text=True)
    assert done.stderr + done.stdout == ""
    assert done.returncode == 0


@pytest.mark.parametrize("unit", [unit.name for unit in UNITS if unit.suffix == ".service"])
def test_the_unit_is_closed_but_for_what_it_needs(analyze: str, unit: str) -> None:
    command = [analyze, "security", "--offline=true", f"--threshold={EXPOSURE_LIMIT}", f"systemd/{unit}"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    exposure = re.search(r"Overall exposure level for \S+: ([\d.]+)", done.stdout)
    assert exposure is not None
    assert float(exposure[1]) * 10 <= EXPOSURE_LIMIT


def test_verify_would_notice_an_unknown_key(analyze: str, installed: Path) -> None:
    unit = installed / "sorter.service"
    unit.write_text(unit.read_text().replace("[Install]", "RestartStepz=3\n[Install]"))
    done = subprocess.run([analyze, "verify", "--man=no", str(unit)], capture_output=True, text=True)
    assert "RestartStepz" in done.stderr


def test_the_calendar_of_the_upkeep_is_understood(analyze: str) -> None:
    timer = (ROOT / "systemd/sorter-maintenance.timer").read_text()
    calendar = re.search(r"OnCalendar=(.+)", timer)
    assert calendar is not None
    done = subprocess.run([analyze, "calendar", calendar[1]], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def _seconds(unit: str, key: str) -> int:
    found = re.search(rf"^{key}=(\d+)s$", unit, re.MULTILINE)
    assert found is not None, key
    return int(found[1])


def test_the_unit_and_the_program_agree_on_the_watchdog() -> None:
    from edge.clock import NS_PER_S
    from edge.health.heartbeats import Limits

    unit = (ROOT / "systemd/sorter.service").read_text()
    assert _seconds(unit, "WatchdogSec") * NS_PER_S == Limits().watchdog
    assert Limits().stall + NS_PER_S < Limits().watchdog
    assert Limits().journal_blocked < Limits().watchdog
    assert "StartLimitIntervalSec=0" in unit
    assert "Restart=always" in unit


def test_a_slow_machine_has_the_time_to_start_and_to_make_its_pins_safe() -> None:
    """Measured on an emulated arm64 machine: ready after 33 to 138 s, `sorter safe` done after 9 to 21 s."""
    from edge.station.runtime import JOIN_S, PRIORITIES

    unit = (ROOT / "systemd/sorter.service").read_text()
    assert _seconds(unit, "TimeoutStartSec") >= 2 * 138
    # One limit for both: the controller's own winding up, and `sorter safe` after it.
    assert _seconds(unit, "TimeoutStopSec") >= max(2.5 * 21, JOIN_S * (len(PRIORITIES) + 5))
    assert re.search(r"^ExecStopPost=\S+/sorter safe ", unit, re.MULTILINE)
    # What the watchdog ends has hung: it is given no such time, and the pins are made safe by ExecStopPost.
    assert _seconds(unit, "TimeoutAbortSec") <= 10


def test_the_hardware_watchdog_fits_a_pi() -> None:
    assert _seconds((ROOT / "systemd/watchdog.conf").read_text(), "RuntimeWatchdogSec") <= 15
